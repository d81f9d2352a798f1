"""The trained runs, and which of them a newcomer sees first."""

from app import state
from core.store import Run

FIRST_NETWORK = "reference/model-cascade-cifar10"
MAX_TEST_IMAGES = 300  # test images
MAX_EASY_NODES = 24  # nodes that a newcomer takes in at once


def trained_runs() -> list[Run]:
    """Return the trained runs, those that ship first."""
    runs = [run for run in state.store().listing.all() if run.status == "finished" or (run.epoch >= 1 and not run.damage)]
    return sorted(runs, key=lambda run: (not run.reference, run.name if run.reference else "", -run.id))


def variety(run: Run) -> tuple[bool, bool, bool, bool, float]:
    """Return how suitable a run is as a newcomer's first: the model cascade that ships before all others.

    Of the others it is how much their execution rates vary along λ, reference runs first. Runs tested on few images come last, because
    their data are too easy for λ to matter, and large graphs behind small ones.
    """
    rates = [list(row["execution_rates"].values()) for row in run.figures.get("test", [])]
    along = list(zip(*rates, strict=True))  # per node, along λ
    tested = min((row["n"] for row in run.figures.get("test", [])), default=0)
    return (
        run.name == FIRST_NETWORK,
        run.reference,
        tested >= MAX_TEST_IMAGES,
        len(along) <= MAX_EASY_NODES,
        sum(max(node) - min(node) for node in along) / max(len(along), 1),
    )
