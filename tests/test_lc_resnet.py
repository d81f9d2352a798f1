"""LC-Net's ResNets at the sizes of CIFAR and ImageNet, against closed forms and an ordinary ResNet written out here."""

import io
import re
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from core.architectures.imagenet import DEVIATION, MEAN
from core.architectures.lc_resnet import EXPANSION, IMAGENET, LCResNet
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.initialisation import initialise_from
from core.graph.node import Node
from core.graph.policy import Forced, Greedy, Open, Random
from core.graph.static import static_network
from core.graph.weight_file import CheckpointError
from core.registry import ConfigError, choose

PUBLISHED = {20: 40.6, 32: 68.9, 38: 83.0, 56: 125.5, 110: 252.9}  # million multiply-adds of CIFAR's ResNets
LARGE = {18: 1.814, 34: 3.664, 50: 4.089, 101: 7.801}  # thousand million multiply-adds at 224×224


@pytest.mark.parametrize("depth", PUBLISHED)
def test_the_sizes_of_cifar_cost_what_they_are_known_to(depth: int) -> None:
    graph = LCResNet(depth=depth).build((3, 32, 32), 10)
    assert sum(static_network(graph).macs.values()) / 1e6 == pytest.approx(PUBLISHED[depth], abs=0.06)
    assert len(graph.controls) == (depth - 2) // 2
    assert sum(graph.macs[control.name] for control in graph.controls) < 0.001 * PUBLISHED[depth] * 1e6


def test_groups_of_any_width_cost_what_their_convolutions_do() -> None:
    widths, side = (8, 16, 24, 40), 32
    graph = LCResNet(depth=18, widths=widths).build((3, side, side), 10)
    expected, before = 9 * 3 * 8 * side**2, 8
    for group, filters in enumerate(widths):
        side //= 2 if group else 1
        expected += 9 * filters * (before + 3 * filters) * side**2
        before = filters
    assert sum(static_network(graph).macs.values()) == expected + before * 10
    assert [control.name for control in graph.controls] == [f"Q{group}-{block}" for group in (1, 2, 3, 4) for block in (1, 2)]
    assert execute(graph.eval(), torch.zeros(2, 3, 32, 32), Open()).output.shape == (2, 10)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"depth": 20, "widths": [8, 16, 24, 40]}, "CIFAR's ResNets of 4 groups are 8n + 2 deep: 10, 18, 26, 34, 42, 50 and so on; not 20"),
        ({"depth": 9, "widths": [8]}, "of 1 groups are 2n + 2 deep: 8, 10, 12, 14 and so on; not 9"),
        ({"depth": 20, "widths": [8, 16, 8]}, "no group of widths has fewer filters than the one before; not 8, 16, 8"),
        ({"depth": 20, "width": 8, "widths": [8, 16, 32]}, "in place of width: leave out width"),
        ({"depth": 18, "images": "imagenet", "widths": [8, 16, 32, 64]}, "leave out widths"),
    ],
)
def test_widths_that_do_not_fit_are_refused(choices: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        choose("architectures", {"name": "lc_resnet"} | choices)


@pytest.mark.parametrize("depth", LARGE)
def test_the_sizes_of_imagenet_cost_what_they_are_known_to(depth: int) -> None:
    with torch.device("meta"):
        graph = LCResNet(depth=depth, images="imagenet").build((3, 224, 224), 1000)
    assert sum(static_network(graph).macs.values()) / 1e9 == pytest.approx(LARGE[depth], abs=0.001)


@pytest.mark.parametrize(("layers", "channels"), [(True, True), (True, False), (False, True)])
def test_one_gate_network_can_decide_for_a_group(layers: bool, channels: bool) -> None:
    """The same blocks, which cost the same; the gates of a group are those of its blocks one after the other."""
    torch.manual_seed(0)
    choices = {"depth": 14, "width": 4, "layers": layers, "channels": channels}
    each, grouped = (LCResNet(**choices, gates_of=of).build((3, 32, 32), 10).eval() for of in ("block", "group"))
    assert [control.name for control in grouped.controls] == ["Q1", "Q2", "Q3"]
    inside = [4, 8, 16] if channels else [0, 0, 0]
    assert [len(control.options) for control in grouped.controls] == [2 * (layers + count) for count in inside]
    weights = {name: tensor for name, tensor in each.state_dict().items() if name.startswith("parts.") and "parts.Q" not in name}
    grouped.load_state_dict(weights, strict=False)
    x, generator = torch.randn(5, 3, 32, 32), Generator().manual_seed(1)
    drawn = execute(each, x, Random(0.5, generator)).gates
    blocks = {f"Q{group}": [drawn[f"Q{group}-1"], drawn[f"Q{group}-2"]] for group in (1, 2, 3)}

    class Same:
        def __call__(self, control: Node, scores: Tensor) -> Tensor:
            return drawn[control.name] if control.name in drawn else torch.cat(blocks[control.name], dim=1)

    executions = [execute(graph, x, Same()) for graph in (each, grouped)]
    assert torch.allclose(executions[0].output, executions[1].output, atol=1e-6)
    of_gates = [sum(graph.macs[control.name] for control in graph.controls) for graph in (each, grouped)]
    used = [cost(graph, execution).used - gates for graph, execution, gates in zip((each, grouped), executions, of_gates, strict=True)]
    assert torch.allclose(used[0], used[1])


def ordinary(weights: dict[str, Tensor], x: Tensor, depth: int) -> Tensor:
    """A ResNet in evaluation mode by the published names of its weights, of images from -1 to 1, which it changes to ImageNet's scale."""

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, weights[f"{name}.weight"], weights[f"{name}.bias"])

    expected = (F.pad(x, (3, 3, 3, 3)) / 2 + 0.5 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    x = F.max_pool2d(norm("bn1", F.conv2d(expected, weights["conv1.weight"], stride=2)).relu(), 3, 2, 1)
    for group, blocks in enumerate(IMAGENET[depth], start=1):
        for block in range(blocks):
            name = f"layer{group}.{block}"
            stride = 2 if group > 1 and not block else 1
            convolutions = [n for n in (1, 2, 3) if f"{name}.conv{n}.weight" in weights]
            strided = 2 if len(convolutions) == 3 else 1
            branch = x
            for n in convolutions:
                weight = weights[f"{name}.conv{n}.weight"]
                branch = norm(
                    f"{name}.bn{n}", F.conv2d(branch, weight, stride=stride if n == strided else 1, padding=weight.shape[-1] // 2)
                )
                branch = branch.relu() if n != convolutions[-1] else branch
            if f"{name}.downsample.0.weight" in weights:
                x = norm(f"{name}.downsample.1", F.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride))
            x = (x + branch).relu()
    return x.mean(dim=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]


def published(depth: int, classes: int, width: int = 64) -> dict[str, Tensor]:
    """Random weights under the names that published files have. `width`: filters of the first convolution, 64 in published networks."""
    generator = Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}

    def conv(name: str, before: int, after: int, kernel: int) -> None:
        weights[f"{name}.weight"] = torch.randn(after, before, kernel, kernel, generator=generator) * (2 / (before * kernel**2)) ** 0.5

    def norm(name: str, channels: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.running_var"] = torch.rand(2, channels, generator=generator) + 0.5
        weights[f"{name}.bias"], weights[f"{name}.running_mean"] = torch.randn(2, channels, generator=generator) / 10
        weights[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1", 3, width, 7)
    norm("bn1", width)
    bottleneck, channels = depth >= 50, width
    for group, blocks in enumerate(IMAGENET[depth], start=1):
        inner = width // 2 * 2**group
        for block in range(blocks):
            name, before = f"layer{group}.{block}", channels
            channels = inner * (EXPANSION if bottleneck else 1)
            shapes = (
                [(before, inner, 1), (inner, inner, 3), (inner, channels, 1)] if bottleneck else [(before, inner, 3), (inner, inner, 3)]
            )
            for number, shape in enumerate(shapes, start=1):
                conv(f"{name}.conv{number}", *shape)
                norm(f"{name}.bn{number}", shape[1])
            if before != channels or (group > 1 and not block):
                conv(f"{name}.downsample.0", before, channels, 1)
                norm(f"{name}.downsample.1", channels)
    weights["fc.weight"] = torch.randn(classes, channels, generator=generator) / 10
    weights["fc.bias"] = torch.randn(classes, generator=generator)
    return weights


@pytest.mark.parametrize(("depth", "form"), [(18, "safetensors"), (50, "pth")])
@torch.no_grad()
def test_published_weights_give_the_published_network(depth: int, form: str) -> None:
    weights = published(depth, 10)
    shape = LCResNet(depth=depth, images="imagenet")
    graph = shape.build((3, 224, 224), 10).eval()
    buffer = io.BytesIO()
    torch.save({"state_dict": weights, "epoch": 90}, buffer)
    initialise_from(save(weights) if form == "safetensors" else buffer.getvalue(), graph, shape.own_weights)
    image = torch.randn(1, 3, 224, 224, generator=Generator().manual_seed(1))
    expected = ordinary(weights, image, depth)
    opened = execute(graph, image, Open()).output
    assert torch.allclose(opened, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    free = execute(graph, image, Greedy())  # gates begin open and unscaled
    assert torch.allclose(free.output, opened, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert cost(graph, free).used.tolist() == [sum(graph.macs.values())]


@pytest.mark.parametrize(("theirs", "own"), [(34, 18), (18, 34), (101, 50), (50, 101)])
def test_published_weights_of_another_depth_are_refused(theirs: int, own: int) -> None:
    shape = LCResNet(depth=own, images="imagenet", width=64)
    names = {name: torch.zeros(1) for name in published(theirs, 10)}
    told = [", ".join(map(str, IMAGENET[depth])) for depth in (theirs, own)]
    with pytest.raises(CheckpointError, match=f"another depth: their groups have {told[0]} blocks, this network's {told[1]}"):
        shape.own_weights(names)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda weights: {"model": {f"module.{name}": tensor for name, tensor in weights.items()}, "epoch": 3},
        lambda weights: {"model_state_dict": weights, "optimizer": {"state": {}}},
    ],
)
def test_weights_are_found_beside_what_else_trainings_save(wrapped: Callable[[dict[str, Tensor]], object]) -> None:
    weights, shape = published(18, 10), LCResNet(depth=18, images="imagenet")
    graph, buffer = shape.build((3, 64, 64), 10), io.BytesIO()
    torch.save(wrapped(weights), buffer)
    for file in (buffer.getvalue(), save({f"module.{name}": tensor for name, tensor in weights.items()})):
        graph.parts["block 4-2"].conv2.weight.data.zero_()
        assert initialise_from(file, graph, shape.own_weights).nodes >= {"block 1-1", "block 4-2", "stem", "y"}
        assert torch.equal(graph.parts["block 4-2"].conv2.weight, weights["layer4.1.conv2.weight"])


@torch.no_grad()
def test_at_the_size_of_imagenet_the_gates_of_bottlenecks_save_what_closed_forms_say() -> None:
    graph = LCResNet(depth=50, images="imagenet").build((3, 224, 224), 10).eval()
    image = torch.randn(1, 3, 224, 224, generator=Generator().manual_seed(1))
    closed = dict.fromkeys(range(1, 65), False)  # the first 64 of 128 + 128 channels inside block 2-2
    policy = Forced({"Q2-2": closed, "Q3-3": {0: False}}, Open())
    execution = execute(graph, image, policy)
    one, two, three = 28**2 * 512 * 128, 28**2 * 128 * 128 * 9, 28**2 * 128 * 512
    saved = one / 2 + two / 2 + (14**2 * 1024 * 256 * 2 + 14**2 * 256 * 256 * 9)
    assert graph.macs["block 2-2"] == one + two + three
    assert cost(graph, execution).used.tolist() == pytest.approx([sum(graph.macs.values()) - saved])
    dense = execute(graph, image, policy, dense=True).output
    assert torch.allclose(execution.output, dense, atol=1e-4 * float(dense.abs().max()))


@torch.no_grad()
def test_at_the_size_of_imagenet_closed_gates_are_not_computed() -> None:
    shape = LCResNet(depth=18, images="imagenet")
    graph = shape.build((3, 224, 224), 10).eval()
    images = torch.randn(2, 3, 224, 224, generator=Generator().manual_seed(1))
    ran: list[str] = []
    for name, part in graph.parts.items():
        part.register_forward_hook(lambda part, given, sent, name=name: ran.append(name))
    policy = Forced({"Q2-1": {0: False}, "Q3-2": dict.fromkeys(range(1, 129), False)}, Open())
    execution = execute(graph, images, policy)
    assert "block 2-1" not in ran
    assert "block 2-2" in ran
    saved = graph.macs["block 2-1"] + graph.macs["block 3-2"] * 0.5  # of 256 channels inside it 128 are closed
    assert cost(graph, execution).used.tolist() == pytest.approx([sum(graph.macs.values()) - saved] * 2)
    dense = execute(graph, images, policy, dense=True).output
    assert torch.allclose(execution.output, dense, atol=1e-4 * float(dense.abs().max()))


@pytest.mark.parametrize(("layers", "channels", "options"), [(True, True, 17), (True, False, 1), (False, True, 16), (False, False, 0)])
def test_either_kind_of_gate_can_be_left_out(layers: bool, channels: bool, options: int) -> None:
    shape = LCResNet(depth=8, layers=layers, channels=channels)
    graph = shape.build((3, 32, 32), 10)
    assert [len(control.options) for control in graph.controls][:1] == ([options] if options else [])
    block = graph.by_name["block 1-1"]
    assert (bool(block.gates), block.channels is not None) == (layers, channels)
    assert (shape.decides is None) == (not options)


def test_depths_that_do_not_exist_are_refused() -> None:
    for options, told in (({"depth": 21}, r"8, 14, 20, 26.*not 21"), ({"depth": 20, "images": "imagenet"}, "18, 34, 50, 101, not 20")):
        with pytest.raises(ConfigError, match=told):
            choose("architectures", {"name": "lc_resnet"} | options)


def test_weights_that_run_code_or_belong_to_another_network_are_refused() -> None:
    graph = LCResNet(depth=8).build((3, 32, 32), 10)
    buffer = io.BytesIO()
    torch.save(nn.Linear(2, 2), buffer)  # a whole module: reading it would run what it says
    with pytest.raises(CheckpointError, match="read safely"):
        initialise_from(buffer.getvalue(), graph)
    with pytest.raises(CheckpointError, match="no node of the same name"):
        initialise_from(save({"other.weight": torch.zeros(2)}), graph)
    with pytest.raises(CheckpointError, match=r"they begin with other\.weight, this network's with stem\.conv1\.weight"):
        initialise_from(save({"other.weight": torch.zeros(2)}), graph)
    torch.save([torch.zeros(2)], (several := io.BytesIO()))
    with pytest.raises(CheckpointError, match=r"state_dict\(\)"):
        initialise_from(several.getvalue(), graph)
    with pytest.raises(CheckpointError):
        initialise_from(b"PK nothing", graph)
