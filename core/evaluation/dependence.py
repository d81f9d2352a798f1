"""How much of what gates do depends on the image, and how much is the same for all (gates that decide each by itself)."""

from torch import Tensor

INDEPENDENT = 0.005  # share of the gates' variance up to which they do not depend on the image


def dependence(often: Tensor) -> float:
    """The share of the variance of gates, open or closed, over all gates and images, that lies between images.

    `often` (gates,): for which share of the images each is open. 0: every gate does the same for all images (also where all gates do).
    1: which gates are open depends on nothing else.
    """
    total = float(often.mean() * (1 - often.mean()))
    return float((often * (1 - often)).mean()) / total if total else 0.0
