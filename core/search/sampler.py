"""Suggests the values of the next trial from those before it, by Optuna's tree-structured Parzen estimator for two objectives.

The runs of the store are the memory of a search: each suggestion begins with an empty study to which they are added. So a search has no
state of its own that could contradict the runs, and it is resumed by reading them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from core.errors import UserError
from core.search.space import Dimension, Value

SEARCH_REQUIREMENTS = "core/search/requirements.txt"
RANDOM_TRIALS = 10  # trials that are drawn at random before the estimator suggests any


@dataclass(frozen=True)
class Tried:
    """A trial before: its values in the space, and the accuracy and the multiply-adds that it reached; None if it still trains."""

    values: dict[str, Value]
    reached: tuple[float, float] | None


class MissingOptunaError(UserError):
    """Raised where Optuna is not installed."""


def check_installed() -> None:
    """Raise MissingOptunaError unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise MissingOptunaError(f"search needs optuna: python -m pip install -r {SEARCH_REQUIREMENTS}")


def suggest(space: Sequence[Dimension], tried: Sequence[Tried], seed: int) -> dict[str, Value]:
    """Return the values of the next trial. The same trials and the same seed give the same values."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {dimension.name: _distribution(dimension) for dimension in space}
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for one in tried:
        state = optuna.trial.TrialState.RUNNING if one.reached is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(optuna.create_trial(state=state, params=one.values, distributions=distributions, values=one.reached))
    return study.ask(distributions).params


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.integer:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
