"""A cascade of whole networks in the fast engine answers as the executor does: members in their own size and colours, and from ONNX."""

from collections.abc import Callable

import pytest
import torch
from test_engine import alike
from test_onnx_network import network as onnx_file
from test_residual import awake
from torch import Generator, Tensor, nn

from core.architectures.lc_resnet import LCResNet
from core.architectures.mobile import Mobile
from core.architectures.model_cascade import Member, MemberNetwork, ModelCascade, OnnxFile
from core.architectures.plain import Plain
from core.fast.engine import Engine
from core.fast.segments import Segment
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Greedy, Open, Policy, Random, Replay
from core.graph.static import static_network

IMAGE, CLASSES = (3, 8, 8), 10
MOBILE = Mobile(stem=4, stages=((4, 1, 1, 0), (6, 2, 2, 3)), head=16, activation="relu6")
OWN = (
    Member(title="grey", image=(1, 6, 7), architecture=Plain(widths=(4,))),
    Member(title="mobile", image=IMAGE, architecture=MOBILE),
    Member(title="large", image=(3, 16, 12), architecture=Mobile(stem=8, stages=((8, 2, 1, 2), (16, 2, 2, 3)), head=16)),
)
POLICIES: dict[str, Callable[[Graph, Tensor], Policy]] = {
    "greedy": lambda graph, x: Greedy(),
    "open": lambda graph, x: Open(),
    "forced": lambda graph, x: Forced({"Q1": {1: True}}, Greedy()),
    "replay": lambda graph, x: Replay(execute(graph, x, Random(0.5, Generator().manual_seed(1)), lam=0.4)),
    "random": lambda graph, x: Random(0.5, Generator().manual_seed(2)),
}


def pictures(count: int) -> Tensor:
    return torch.rand(count, *IMAGE, generator=Generator().manual_seed(count)) * 2 - 1


def from_onnx() -> Member:
    file = onnx_file(CLASSES, channels=1)
    return Member(title="onnx", image=(1, 8, 8), onnx=OnnxFile(size=len(file), macs=9000, low=0.0, high=16.0))


@torch.no_grad()
def cascade(members: tuple[Member, ...], combine: str = "last") -> Graph:
    """Return a cascade with random weights, where about half of the images stop at each member."""
    torch.manual_seed(0)
    graph = awake(ModelCascade(members=members, combine=combine).build(IMAGE, CLASSES, every_lam=True))
    for part in graph.parts.children():
        if isinstance(part, MemberNetwork) and not isinstance(part.network, Graph):
            part.network.program.copy_(torch.frombuffer(bytearray(onnx_file(CLASSES, channels=1)), dtype=torch.uint8))
    graph.tradeoff.exchange_rate.fill_(1e-4)
    answers = [graph.parts[member.title](pictures(100)) for member in members]
    for number, control in enumerate(graph.controls, start=1):
        part = graph.parts[control.name]
        nn.init.normal_(part.hidden.weight, std=0.2)
        nn.init.normal_(part.head.weight, std=0.2)
        accuracies = part(*answers[:number], weight=torch.ones(100))[:, :, 0].logit()
        part.head.bias.data[1] += (accuracies[:, 0] - accuracies[:, 1]).median()  # half of the images stop
    return graph


GRAPHS = {
    "last": lambda: cascade(OWN),
    "mean": lambda: cascade(OWN, "mean"),
    "geometric": lambda: cascade(OWN, "geometric"),
    "ONNX first": lambda: cascade((from_onnx(), *OWN)),
    "ONNX last": lambda: cascade((*OWN, from_onnx())),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("count", [1, 7, 40])
def test_cascades_answer_as_the_executor_does(build: Callable[[], Graph], policy: Callable[[Graph, Tensor], Policy], count: int) -> None:
    graph, x = build(), pictures(count)
    for lam in (0.1, 0.9):
        alike(graph, x, policy(graph, x), policy(graph, x), lam)
    alike(static_network(graph), x, Open(), Open(), None)


def test_images_of_a_batch_differ_in_what_they_run() -> None:
    """Otherwise the comparison above would hold for a network that never decides."""
    graph = cascade(OWN)
    ran = Engine(graph).run(pictures(40), Greedy(), lam=0.5).ran
    assert 0 < int(ran["large"].sum()) < int(ran["mobile"].sum()) < 40


@pytest.mark.parametrize("combine", ["last", "mean", "geometric"])
def test_a_cascade_is_one_program_for_one_image_and_one_for_each_member_in_a_batch(combine: str) -> None:
    engine = Engine(cascade(OWN, combine))
    assert engine.whole is not None
    assert engine.units is not None
    assert [one.names for one in engine.units if isinstance(one, Segment)] == [
        ("grey", "y1", "Q1"),
        ("mobile", "y2", "Q2"),
        ("large", "y3"),
    ]


@pytest.mark.parametrize("count", [1, 5])
def test_a_member_that_is_skipped_is_not_computed(count: int) -> None:
    graph, x = cascade(OWN), pictures(count)
    for parameter in graph.parts["large"].parameters():
        parameter.data.fill_(torch.nan)
    stopped = Engine(graph).run(x, Forced({"Q2": {0: True}}, Greedy()), lam=0.9)
    assert stopped.output.isfinite().all()
    none = Replay(execute(graph, x, Forced({"Q1": {0: True}}, Greedy()), lam=0.9))
    assert Engine(graph).run(x, none, lam=0.9).output.isfinite().all()
    assert Engine(graph).run(x, Open(), lam=0.9).output.isnan().all()


def test_double_precision_runs_step_by_step() -> None:
    graph, x = static_network(cascade(OWN)).double(), pictures(5).double()
    for images in (x[:1], x):
        alike(graph, images, Open(), Open(), None)


@pytest.mark.parametrize("shape", [(1, 9, 7), (3, 9, 7)])
@pytest.mark.parametrize("image", [(1, 9, 7), (3, 4, 7), (3, 9, 12), (1, 20, 3)])
def test_images_are_resized_inside(shape: tuple[int, int, int], image: tuple[int, int, int]) -> None:
    g = Builder(shape)
    g.output(
        "y", nn.Identity(), g.add("small", Member(title="small", image=image, architecture=Plain(widths=(4,))).build(CLASSES), g.input)
    )
    alike(awake(g.build()), torch.randn(3, *shape), Open(), Open(), None)


def test_a_member_may_have_shortcuts_and_absent_paths() -> None:
    """The static network of a network with gates: joins without gates, and a default in place of a node that does not run."""
    architecture = LCResNet(depth=8, width=4)
    member = Member(title="residual", image=IMAGE, architecture=architecture)
    graph = cascade((*OWN[:1], member))
    for count in (1, 6):
        x = pictures(count)
        alike(graph, x, Open(), Open(), 0.4)


@pytest.mark.parametrize("count", [1, 6])
def test_networks_of_depthwise_convolutions_answer_alike(count: int) -> None:
    torch.manual_seed(0)
    for activation in ("relu", "relu6"):
        graph = awake(
            Mobile(stem=4, stages=((4, 1, 1, 0), (4, 2, 1, 3), (6, 2, 2, 2)), head=8, activation=activation).build(IMAGE, CLASSES)
        )
        alike(graph, 4 * torch.randn(count, *IMAGE), Open(), Open(), None)
