"""How much independently opened gates depend on the image."""

from torch import Tensor

INDEPENDENT = 0.005  # gates up to this dependence count as independent of the image


def dependence(open_rates: Tensor) -> float:
    """Return the fraction of the variance of gates (0: closed, 1: open) over all gates and images that lies between images.

    `open_rates` (gates,) holds the share of the images for which each gate is open. The result is 0 if every gate is the same for all
    images; otherwise it is 1 if all gates are open equally often.
    """
    total = float(open_rates.mean() * (1 - open_rates.mean()))
    return float((open_rates * (1 - open_rates)).mean()) / total if total else 0.0
