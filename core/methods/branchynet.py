"""BranchyNet: an image stops at the first exit whose answer has little entropy (Teerapittayanon, McDanel & Kung, ICPR 2016).

All exits are trained together: the loss is the weighted sum of their cross-entropies on every image. Afterwards an image stops at the first
exit at which the entropy of its answer is at most a threshold of this exit.

Differs from the paper:
- λ is a budget for the mean cost. The thresholds are those with the highest accuracy on validation images within it, found by exhaustive
  search (exit_thresholds.py), where the paper screens some by hand.
- Without a λ, one network serves every λ: there are thresholds for each of 101 budgets, and λ is calibrated on the validation images.
- The cost is counted in multiply-adds; the paper measures time.
- With `distillation_weight`, the last exit also learns from a teacher.

Reconstructed: the loss weights of the exits. For weights that begin with a trained network, as in the paper, set `training.init_from`.
"""

from typing import Literal

from core import bibliography
from core.methods.exits import ThresholdMethod
from core.modules.exits import EntropyRule, ExitRule


class BranchyNet(ThresholdMethod):
    """All exits learn together; an image stops at the first exit whose answer has an entropy below a threshold."""

    title = "Entropy exits (BranchyNet)"
    papers = (bibliography.BRANCHYNET, bibliography.DISTILLATION)
    name: Literal["branchynet"] = "branchynet"

    def rule(self, steps: int, classes: int) -> ExitRule:
        return EntropyRule(steps)
