"""The best network of each dataset at or under a cost. Loads without torch and without streamlit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.runs.entries import Entry


@dataclass(frozen=True)
class BestNetwork:
    """The network of a dataset with the highest validation accuracy within the cost, and its test figures at that λ."""

    dataset: str
    entry: Entry
    row: dict[str, Any]


def best_per_dataset(entries: Sequence[Entry], most: float | None) -> list[BestNetwork]:
    """Return the best network of each dataset, those of most runs first. `most`: multiply-adds per image, none for no limit.

    Validation images choose the network and its λ; the cost must keep to the limit on validation and on test images.
    """
    candidates: dict[str, list[tuple[float, int, BestNetwork]]] = {}
    counts: dict[str, int] = {}
    for entry in entries:
        run, dataset = entry.run, entry.titles["dataset"]
        counts[dataset] = counts.get(dataset, 0) + 1
        for chosen, shown in zip(run.figures.get("val") or [], run.figures.get("test") or [], strict=False):
            if most is None or max(chosen["macs_mean"], shown["macs_mean"]) <= most:
                best = BestNetwork(dataset, entry, shown)
                candidates.setdefault(dataset, []).append((chosen["accuracy"], -run.id, best))
    found = [max(of, key=lambda one: (one[0], -one[2].row["macs_mean"], one[1]))[2] for of in candidates.values()]
    return sorted(found, key=lambda best: -counts[best.dataset])
