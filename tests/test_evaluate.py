"""Evaluation: what is measured, and networks whose weights are damaged."""

import pytest
import torch
from torch import Tensor, nn

from core.config import run_config
from core.datasets import Split
from core.evaluation.evaluate import EvaluationError, evaluate
from core.graph.builder import Builder
from core.graph.node import ChannelGate, Edge
from core.modules.gate_network import GateNetwork
from core.modules.layers import classifier
from core.modules.nested import NestedBranch
from core.modules.residual import Branch
from core.training.assembly import assemble


@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_that_answers_nan_is_refused_in_a_line(classes: int) -> None:
    graph = assemble(run_config(architecture="plain", dataset="digits", method="static"), (1, 8, 8), classes)
    split = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6) % classes)
    assert evaluate(graph, split).n == 6
    for weights in graph.parameters():
        weights.data.fill_(torch.nan)
    with pytest.raises(EvaluationError, match="answers NaN instead of numbers"):
        evaluate(graph, split)


@pytest.mark.parametrize("nested", [False, True])
def test_open_channels_are_counted_where_the_module_ran(nested: bool) -> None:
    """Nested channels behind the first closed one are closed. An image that skips the module opens none."""
    rows = [[0, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]  # the block, then its channels, for each of four images

    def fixed(control: str, scores: Tensor) -> Tensor:
        return torch.tensor(rows, dtype=scores.dtype)

    g = Builder((3, 4, 4))
    part = GateNetwork([g.shapes[g.input]], 5, nested=(slice(1, 5),) if nested else ())
    gates = g.control("Q", g.input, options=("block", *(f"channel {number}" for number in range(4))), part=part, decides="each")
    branch: nn.Module = NestedBranch(3, (32, 3), (3, 3), (1, 1), 8, 4) if nested else Branch(3, (4, 3), (3, 3), (1, 1))
    block = g.add("block", branch, g.input, when=gates[0], channels=ChannelGate("Q", 1, 4, nested))
    g.output("y", classifier(3, 2), Edge(block, 0.0))
    split = Split(torch.zeros(4, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    found = evaluate(g.build(), split, policy=fixed)
    assert found.channel_rates == {"block": pytest.approx((0 + (0.25 if nested else 0.75) + 1 + 0) / 4)}
    assert found.to_json()["channel_rates"] == found.channel_rates


def test_a_network_without_gated_channels_has_no_channel_rates() -> None:
    graph = assemble(run_config(architecture="plain", dataset="digits", method="static"), (1, 8, 8), 3)
    split = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6) % 3)
    assert "channel_rates" not in evaluate(graph, split).to_json()
