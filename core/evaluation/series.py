"""Which gated runs are drawn and reported together."""

from collections.abc import Iterable

from core.store import Run

APART = ("every", "each")  # what networks for every λ, and others for one λ each, of one sweep are called


def by_series(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Gated runs by the name of what they belong to, in their order: a sweep, a variant of it, or themselves.

    Where a sweep has networks for every λ and others for one λ each, these are two: SWEEP/every and SWEEP/each.
    """
    together: dict[str, list[Run]] = {}
    for run in runs:
        together.setdefault(run.series, []).append(run)
    return {name: some for base, there in together.items() for name, some in _apart(base, there).items()}


def _apart(base: str, runs: list[Run]) -> dict[str, list[Run]]:
    parts = [run for run in runs if run.lam is None], [run for run in runs if run.lam is not None]
    return {f"{base}/{name}": part for name, part in zip(APART, parts, strict=True)} if all(parts) else {base: runs}
