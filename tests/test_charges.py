"""What is charged is what is computed: operations that torch counts while a network runs, against the reported cost."""

from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from test_residual import awake
from torch import Generator, Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from core.architectures import Architecture
from core.graph.cost import cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Open, Policy, Random
from core.graph.static import static_network
from core.methods.lcnet import LCNet
from core.methods.static_gates import gate_networks
from core.registry import choose, names

IMAGE, CLASSES, BATCH = (3, 32, 32), 10, 5
LAMS = (0.0, 0.3, 1.0)
ARCHITECTURES: list[dict[str, object]] = [
    *({"name": name} for name in names("architectures")),
    *({"name": name, "controller_sees": "features"} for name in ("cascade", "chain", "high_low")),
    {"name": "lc_resnet", "depth": 14, "width": 8, "gates_of": "group"},
    {"name": "lc_resnet", "depth": 14, "width": 8, "layers": False},
    {"name": "lc_resnet", "depth": 14, "width": 8, "channels": False},
    {"name": "lc_resnet", "depth": 50, "width": 4, "images": "imagenet"},
    {"name": "lc_resnet", "depth": 8, "channel_order": "nested", "granule": 8, "gates_see": "answer", "scout_exit": True},
]
everywhere = pytest.mark.parametrize("shape", ARCHITECTURES, ids=lambda shape: "-".join(map(str, shape.values())))


@dataclass(frozen=True)
class Emptying:
    """Gates as the scores say, but in half of the images all gates of channels that a control node decides are closed."""

    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        gates = Greedy()(control, scores)
        channels = torch.tensor([option.startswith("channel") for option in control.options])  # (K,)
        empty = torch.rand(len(gates), 1, generator=self.generator) < 0.5  # (B, 1)
        return torch.where(empty & channels, 0.0, gates)


def built(shape: dict[str, object]) -> Graph:
    """An architecture whose control nodes decide differently from image to image."""
    torch.manual_seed(0)
    architecture = choose("architectures", shape)
    assert isinstance(architecture, Architecture)
    graph = awake(architecture.build(IMAGE, CLASSES, every_lam=True))
    assert isinstance(graph, Graph)
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, std=2.0)
    return graph


def executed(graph: Graph, images: Tensor, policy: Policy, lam: float | None) -> tuple[int, Execution]:
    """The multiply-adds that torch counts while images run, and what happened."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        execution = execute(graph, images, policy, lam=lam)
    return int(counter.get_total_flops()) // 2, execution


@everywhere
@pytest.mark.parametrize("lam", LAMS)
def test_what_is_charged_is_what_is_computed(shape: dict[str, object], lam: float) -> None:
    graph, images = built(shape), torch.randn(BATCH, *IMAGE, generator=Generator().manual_seed(0))
    policies = (Greedy(), Open(), Random(0.3, Generator().manual_seed(1)), Emptying(Generator().manual_seed(2)))
    for policy in policies:
        for some in (images, images[:1], images[1:2]):
            macs, execution = executed(graph, some, policy, lam)
            assert macs == pytest.approx(float(cost(graph, execution).used.sum()), rel=1e-12)


@pytest.mark.parametrize("lam", LAMS)
@pytest.mark.parametrize("gates", ["image", "constant", "fixed"])
def test_gates_that_ignore_the_image_are_charged_what_they_compute(gates: Literal["image", "constant", "fixed"], lam: float) -> None:
    """A table of fixed gates computes nothing, and is priced at nothing."""
    graph = LCNet(gates=gates).prepare(built({"name": "lc_resnet"}), None).eval()
    for network in gate_networks(graph).values():
        nn.init.normal_(network.table, generator=Generator().manual_seed(3))
    assert graph.prices.tolist() == [graph.macs[node.name] for node in graph.nodes]
    assert (sum(graph.macs[control.name] for control in graph.controls) == 0) == (gates == "fixed")
    images = torch.randn(BATCH, *IMAGE, generator=Generator().manual_seed(0))
    macs, execution = executed(graph, images, Greedy(), lam)
    assert macs == pytest.approx(float(cost(graph, execution).used.sum()), rel=1e-12)


@everywhere
def test_a_static_network_computes_what_shares_are_taken_of(shape: dict[str, object]) -> None:
    graph, images = built(shape), torch.randn(BATCH, *IMAGE, generator=Generator().manual_seed(0))
    static = static_network(graph)
    macs, _ = executed(static, images, Open(), None)
    assert macs == BATCH * cost(graph, executed(graph, images, Open(), 1.0)[1]).static


def test_the_gates_of_these_networks_differ_and_leave_blocks_empty() -> None:
    """So that the test above says something."""
    graph, images = built({"name": "lc_resnet"}), torch.randn(BATCH, *IMAGE, generator=Generator().manual_seed(0))
    _, execution = executed(graph, images, Emptying(Generator().manual_seed(2)), 0.3)
    kept = [(execution.gates[node.channels.control][:, node.channels.columns] > 0).sum(dim=1) for node in graph.nodes if node.channels]
    ran = [execution.ran[node.name] for node in graph.nodes if node.channels]
    assert any(bool((runs & (count == 0)).any()) for runs, count in zip(ran, kept, strict=True))
    assert any(len(count.unique()) > 2 for count in kept)
