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
    best: dict[str, tuple[tuple[float, float, int], Entry, dict[str, Any]]] = {}  # of each dataset, by what and which it is
    counts: dict[str, int] = {}
    for entry in entries:
        figures, dataset = entry.run.figures, entry.titles["dataset"]
        counts[dataset] = counts.get(dataset, 0) + 1
        for chosen, shown in zip(figures.get("val") or [], figures.get("test") or [], strict=False):
            if most is None or max(chosen["macs_mean"], shown["macs_mean"]) <= most:
                rank = chosen["accuracy"], -shown["macs_mean"], -entry.run.id
                if dataset not in best or rank > best[dataset][0]:
                    best[dataset] = rank, entry, shown
    found = [BestNetwork(dataset, entry, shown) for dataset, (_, entry, shown) in best.items()]
    return sorted(found, key=lambda network: -counts[network.dataset])
