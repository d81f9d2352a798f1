"""Compare runs of one model cascade with the best confidence thresholds, at several costs, on test images.

    python -m scripts.cascade_table RUN... [--db URL] [--macs 12,21,32,41,55]

The runs have the same members, which answer each image once; usually they differ in their seed. λ is chosen for each budget as
`evaluate --budgets` does. The rival stops at the first member whose answer is confident enough. It needs no controller; its thresholds, one
for each member but the last, are the ones with the highest accuracy on validation images among those that keep to the budget there.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from statistics import mean, stdev

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.architectures.model_cascade import ModelCascade
from core.config import run_config
from core.datasets import Data, Split
from core.evaluation.budget import lam_of_run
from core.explain.model import load_model
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.store import Run, Store
from core.store.references import load_references
from core.training.tabulation import tabulate_data, tabulate_graph

THRESHOLDS = tuple(1 - 10 ** (-step / 12) for step in range(45))  # confidences from 0 to 0.9998
COMPARED = range(8, 51)  # million multiply-adds between which the mean difference is taken


def main() -> None:
    """Print accuracy and cost of each run and of the thresholds, at each budget."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="names of runs with the same members")
    parser.add_argument("--db", default=None, help="database of the runs")
    parser.add_argument("--macs", default="12,21,32,41,55", help="budgets in million multiply-adds per image")
    given = parser.parse_args()
    store = Store(given.db)
    load_references(store)
    runs = [store.runs.get(name) for name in given.runs]
    config = run_config(**runs[0].config)
    assert isinstance(config.architecture, ModelCascade)
    graphs = [load_model(store, run.name).graph for run in runs]
    data = config.dataset.read()
    none = Split(data.train.images[:1], data.train.labels[:1])
    table = tabulate_data(graphs[0], config.architecture.frozen, Data(none, data.val, data.test, data.classes))
    tables = [tabulate_graph(graph, config.architecture.frozen) for graph in graphs]
    rivals = [Thresholds(graph, table, len(config.architecture.frozen)) for graph in tables]
    for budget in map(float, given.macs.split(",")):
        points = [run_at(graph, run, table.test, budget) for graph, run in zip(tables, runs, strict=True)]
        print(f"{budget:g} M: {described(points)}; thresholds {described([rival.at(budget) for rival in rivals])}")
    gains = [mean(_gain(graph, run, table.test, rival)) for graph, run, rival in zip(tables, runs, rivals, strict=True)]
    print(f"controllers over thresholds, mean over {COMPARED[0]} to {COMPARED[-1]} M: {', '.join(f'{gain:+.2f}' for gain in gains)} points")


Point = tuple[float, float]  # million multiply-adds per image, accuracy in percent


def run_at(graph: Graph, run: Run, split: Split, budget: float) -> Point:
    """Return what a run spends and reaches on a split at the λ for a budget in million multiply-adds."""
    return _evaluated(graph, split, lam_of_run(run, 1e6 * budget / run.figures["test"][0]["macs_static"]))


@torch.no_grad()
def _evaluated(graph: Graph, split: Split, lam: float) -> Point:
    execution = execute(graph, split.images, Greedy(), lam=lam)
    used = cost(graph, execution).used.double().mean()
    return float(used) / 1e6, 100 * float((execution.predicted == split.labels).double().mean())


class Thresholds:
    """Early exit by confidence, on the answers of a tabulated cascade."""

    @torch.no_grad()
    def __init__(self, graph: Graph, data: Data, members: int) -> None:
        macs = [graph.macs[node.name] for node in graph.nodes[1:] if node.kind == "regular"]
        costs = torch.tensor(macs).cumsum(0).double() / 1e6
        val, test = (self._answers(graph, split, members) for split in (data.val, data.test))
        combinations = list(product(THRESHOLDS, repeat=members - 1))
        self.val, self.test = (np.array([_stopped(*answers, costs, some) for some in combinations]) for answers in (val, test))

    @staticmethod
    def _answers(graph: Graph, split: Split, members: int) -> tuple[Tensor, Tensor]:
        """Return the confidence of the answer after each member, and whether it is right, (N, members)."""
        given = split.images.view(len(split), members, -1).unbind(1)
        outputs = [graph.parts[output.name] for output in graph.outputs]
        shares = torch.stack(
            [
                part(*given[: len(one.inputs)] if len(one.inputs) > 1 else given[number : number + 1]).softmax(1)
                for number, (part, one) in enumerate(zip(outputs, graph.outputs, strict=True))
            ],
            dim=1,
        )
        return shares.amax(dim=2), shares.argmax(dim=2) == split.labels[:, None]

    def at(self, budget: float) -> Point:
        """Return what the best thresholds on validation images within a budget spend and reach on test images."""
        return _point(self.test, int(np.argmax(np.where(self.val[:, 0] <= budget, self.val[:, 1], -1))))

    def accuracy_at(self, macs: float) -> float:
        """Return the accuracy on test images of the thresholds chosen on validation images, interpolated at a cost."""
        chosen = sorted({self.at(budget) for budget in np.arange(self.val[:, 0].min(), 80, 0.5)})
        costs, accuracies = np.array(chosen).T
        return float(np.interp(macs, costs, accuracies))


def _stopped(confidence: Tensor, correct: Tensor, costs: Tensor, thresholds: Sequence[float]) -> Point:
    stops = torch.cat([confidence[:, :-1] >= torch.tensor(thresholds), torch.ones(len(confidence), 1, dtype=torch.bool)], dim=1)
    exits = stops.int().argmax(dim=1)  # (N,) the first member that stops
    return float(costs[exits].mean()), 100 * float(correct.gather(1, exits[:, None]).double().mean())


def _point(points: NDArray[np.float64], row: int) -> Point:
    return float(points[row, 0]), float(points[row, 1])


def _gain(graph: Graph, run: Run, split: Split, rival: Thresholds) -> list[float]:
    """Return the accuracy that the controllers gain at each of the compared costs, both fronts interpolated on test images."""
    costs, accuracies = np.array(sorted(_evaluated(graph, split, step / 100) for step in range(101))).T
    return [float(np.interp(macs, costs, accuracies)) - rival.accuracy_at(macs) for macs in COMPARED]


def described(points: Sequence[Point]) -> str:
    """Return the means of several points in words, with the standard deviation of the accuracy."""
    macs, accuracies = zip(*points, strict=True)
    spread = f" ± {stdev(accuracies):.2f}" if len(points) > 1 else ""
    return f"{mean(accuracies):.2f}%{spread} at {mean(macs):.2f} M"


if __name__ == "__main__":
    main()
