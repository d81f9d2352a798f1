"""Which trials are stopped early: those that are worse than the better half of the trials at the same epoch.

Source: Schmucker et al., "Multi-objective Asynchronous Successive Halving" (2021), https://arxiv.org/abs/2106.12639.
Differs from the paper: a trial waits for no other, it goes on as long as fewer than half of the trials are in better fronts, and trials of
the same front are not ranked.
"""

from collections.abc import Mapping, Sequence

Objectives = tuple[float, float]  # accuracy, multiply-adds
PRUNED_AT = (0.25, 0.5)  # fractions of the training after which trials are compared
COMPARED = 4  # other trials that must have come as far before one is stopped


def rungs(epochs: int) -> list[int]:
    """Return the epochs after which trials are compared, in their order; none after the last one."""
    return sorted({epoch for share in PRUNED_AT if 1 <= (epoch := round(share * epochs)) < epochs})


def ranks(points: Sequence[Objectives]) -> list[int]:
    """Return the front of each point: 0 if no other dominates it, 1 if only points of front 0 do, and so on."""
    found: dict[int, int] = {}
    left = list(range(len(points)))
    front = 0
    while left:
        best = [one for one in left if not any(_dominates(points[other], points[one]) for other in left)]
        found |= dict.fromkeys(best, front)
        left = [one for one in left if one not in found]
        front += 1
    return [found[one] for one in range(len(points))]


def is_worse(own: Objectives, others: Sequence[Objectives]) -> bool:
    """Return whether at least half of the other trials at the same epoch are in better fronts; never among few of them."""
    if len(others) < COMPARED:
        return False
    rank, *better = ranks([own, *others])
    return 2 * sum(one < rank for one in better) >= len(others)


def at_rung(history: Mapping[str, Sequence[tuple[float, float]]], epoch: int, macs_static: float) -> Objectives | None:
    """Return the validation accuracy and the multiply-adds of a training after an epoch, as means over λ; None if it is not so far.

    `history`: each metric's (epoch, value). `macs_static`: multiply-adds of the static network, of which its costs are shares.
    """
    accuracies, shares = (
        [value for name, points in history.items() if name.startswith(metric) for at, value in points if at == epoch]
        for metric in ("val accuracy", "val cost share")
    )
    if not accuracies or not shares:
        return None
    return sum(accuracies) / len(accuracies), macs_static * sum(shares) / len(shares)


def _dominates(one: Objectives, other: Objectives) -> bool:
    """Return whether a point is at least as accurate and as cheap as another, and better in one of the two."""
    return one[0] >= other[0] and one[1] <= other[1] and one != other
