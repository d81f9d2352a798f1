"""Frozen nodes answer once: their outputs for every image are kept as a table, on which the rest of the graph trains in seconds."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from core.architectures.model_cascade import ModelCascade
from core.config import RunConfig
from core.datasets import Data, ProgressCallback, Split, no_progress, normalised
from core.graph.graph import Graph
from core.methods.holdout import holdout_rows, holdout_size

IMAGES_AT_ONCE = 100  # images that a frozen node sees at once


class Column(nn.Module):
    """Stands for a frozen node: reads its output from the table's rows (B, values) at its cost."""

    def __init__(self, start: int, shape: tuple[int, ...], macs: int) -> None:
        super().__init__()
        self.start, self.shape, self.macs = start, shape, macs

    def measure(self) -> tuple[tuple[int, ...], int]:
        """Return the shape and the multiply-adds of the node that it stands for."""
        return self.shape, self.macs

    def forward(self, rows: Tensor) -> Tensor:
        return rows[:, self.start : self.start + torch.Size(self.shape).numel()].reshape(-1, *self.shape)


def tabulate_graph(graph: Graph, frozen: Sequence[str]) -> Graph:
    """Return a graph that takes the table's rows as images; all nodes but the frozen ones, and the trade-off, are the given graph's own."""
    columns, start = {}, 0
    for name in frozen:
        columns[name] = Column(start, graph.shapes[name], graph.macs[name])
        start += torch.Size(graph.shapes[name]).numel()
    reference = {control.name: control.options[graph.reference[control.name]] for control in graph.controls}
    table = Graph(graph.nodes, {**graph.parts, **columns}, (start,), reference).to(graph.device)
    table.tradeoff = graph.tradeoff
    table.prices.copy_(graph.prices)
    return table


@torch.no_grad()
def tabulate_data(graph: Graph, frozen: Sequence[str], data: Data, report: ProgressCallback = no_progress) -> Data:
    """Return the data with the frozen nodes' outputs, (N, values) float, in place of images."""
    splits = {"train": data.train, "val": data.val, "test": data.test}
    total, done = len(frozen) * sum(map(len, splits.values())), 0
    tables: dict[str, Split] = {}
    for part, split in splits.items():
        outputs = []
        for name in frozen:
            answers = []
            for images in torch.split(split.images, IMAGES_AT_ONCE):
                answers.append(graph.parts[name](normalised(images).to(graph.device)).flatten(1))
                done += len(images)
                report("computing the members' answers", done / total)
            outputs.append(torch.cat(answers))
        tables[part] = Split(torch.cat(outputs, dim=1), split.labels)
    return Data(tables["train"], tables["val"], tables["test"], data.classes)


def unseen(config: RunConfig, data: Data) -> Data:
    """Return the data with only those training images that no frozen node was trained on; as it is if no node is frozen.

    Raises ConfigError if there are too few.
    """
    architecture = config.architecture
    if not isinstance(architecture, ModelCascade):
        return data
    if architecture.unseen == "validation":
        return replace(data, train=_every_second(data.val, 0), val=_every_second(data.val, 1))
    size = unseen_size(config, len(data.train), len(data.val))
    rows = holdout_rows(len(data.train), size, architecture.unseen_seed)
    return replace(data, train=Split(data.train.images[rows], data.train.labels[rows]))


def unseen_size(config: RunConfig, train: int, val: int) -> int:
    """Return how many of so many training and validation images `unseen` leaves for the training. Raises ConfigError if too few are."""
    architecture = config.architecture
    if not isinstance(architecture, ModelCascade):
        return train
    return (val + 1) // 2 if architecture.unseen == "validation" else holdout_size(architecture.unseen_fraction, train, 1)


def _every_second(split: Split, first: int) -> Split:
    return Split(split.images[first::2], split.labels[first::2])
