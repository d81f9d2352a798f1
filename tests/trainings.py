"""Trainings of two epochs, after which every parameter of some nodes has to have learnt."""

from collections.abc import Iterable

import pytest
import torch

from core.config import RunConfig
from core.datasets import Data
from core.graph.checkpoint import unpack
from core.graph.graph import Graph
from core.training.assembly import assemble
from core.training.train import train


def trained(config: RunConfig, nodes: Iterable[str]) -> tuple[Graph, Data]:
    """Train a network; check that these nodes learn between its first epoch and its last, and that the costs of its test figures add up."""
    data = config.dataset.read()
    first, *_, last = (progress for progress in train(config, data) if progress.state is not None)
    graph = assemble(config, data.image, len(data.classes))
    unpack(first.state or b"", graph)
    before = {name: parameter.detach().clone() for name, parameter in graph.named_parameters()}
    unpack(last.state or b"", graph)
    for node in nodes:
        learnt = [name for name in before if name.startswith(f"parts.{node}.")]
        assert all(not torch.equal(graph.get_parameter(name), before[name]) for name in learnt)
        assert learnt
    assert last.final is not None
    for row in last.final["test"]:
        assert row["macs_mean"] == pytest.approx(sum(rate * graph.macs[node] for node, rate in row["execution_rates"].items()))
    return graph, data
