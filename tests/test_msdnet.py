"""MSDNet: its cost in closed form, what each layer sees at each scale, its exits, and trainings."""

from itertools import pairwise

import pytest
import torch
from test_program import alike, runs
from test_residual import awake
from torch import Generator, Tensor

from core.architectures.msdnet import MSDNet
from core.config import run_config
from core.evaluation.baselines import confidence_front
from core.graph.checkpoint import pack, unpack
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge
from core.graph.policy import Forced, Open
from core.graph.static import running_nodes, static_macs
from core.modules.dense import DenseScale, ScaleWidth
from core.registry import ConfigError, choose
from tests.trainings import trained

SMALL = MSDNet(layers=(1, 2), scales=2, growth=2, stem=3, exit=5)
IMAGE = (3, 8, 8)


def built(architecture: MSDNet = SMALL, *, every_lam: bool = False) -> Graph:
    torch.manual_seed(0)
    graph = architecture.build(IMAGE, 4, every_lam=every_lam)
    awake(graph)
    return graph


def images(count: int) -> Tensor:
    return torch.randn(count, *IMAGE, generator=Generator().manual_seed(1))


def layer(pixels: int, channels: int, filters: int, factor: int, read: int = 0) -> int:
    """Multiply-adds of a bottleneck that sends so many pixels. `read`: the pixels that it reads, if there are more."""
    inner = min(channels, factor * filters)
    return (read or pixels) * channels * inner + pixels * 9 * inner * filters


def test_the_cost_is_that_of_its_layers_at_every_scale() -> None:
    macs = built().macs
    assert macs["stem 1"] == 64 * 9 * 3 * 3
    assert macs["stem 2"] == 16 * 9 * 3 * 6
    assert "block 1 scale 1" not in macs  # its only layer would not be read: the scale is dropped behind it
    assert macs["block 1 scale 2"] == layer(16, 3, 2, 1, read=64) + layer(16, 6, 2, 2)
    assert macs["exit 1"] == 4 * 9 * 10 * 5 + 9 * 5 * 5
    assert macs["answer 1"] == macs["y"] == 5 * 4
    assert macs["reduce 2 scale 2"] == 16 * 10 * 4
    assert macs["block 2 scale 2"] == layer(16, 4, 4, 2) + layer(16, 8, 4, 2)
    assert macs["exit 2"] == 4 * 9 * 12 * 5 + 9 * 5 * 5
    assert static_macs(built()) == sum(macs.values()) - macs["Q1"] - macs["exit 1"] - macs["answer 1"]


def test_each_scale_halves_the_map_and_each_layer_adds_its_growth() -> None:
    graph = choose("architectures", "msdnet").build((3, 32, 32), 10)
    assert [graph.shapes[f"stem {scale}"] for scale in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert [graph.shapes[f"block 1 scale {scale}"] for scale in (1, 2, 3)] == [(22, 32, 32), (44, 16, 16), (88, 8, 8)]
    assert graph.shapes["block 2 scale 1"] == (28, 32, 32)  # one layer, as its second one would not be read
    assert [graph.shapes[f"block 2 scale {scale}"] for scale in (2, 3)] == [(68, 16, 16), (136, 8, 8)]
    assert [graph.shapes[f"reduce 3 scale {scale}"] for scale in (2, 3)] == [(34, 16, 16), (68, 8, 8)]
    assert graph.by_name["block 2 scale 3"].inputs == (Edge("block 1 scale 3"), Edge("block 2 scale 2"))
    assert [name for name in graph.macs if name.startswith("block 5")] == ["block 5 scale 3"]


def test_its_exits_cost_what_the_smallest_published_networks_do_and_ever_more() -> None:
    graph = choose("architectures", "msdnet").build((3, 32, 32), 10)
    controls = [control.name for control in graph.controls]
    costs = []
    for stop in range(5):
        ran = running_nodes(graph, {name: int(number < stop) for number, name in enumerate(controls)})
        costs.append(sum(graph.macs[name] for name in ran if name not in controls))
    assert all(cheaper < dearer for cheaper, dearer in pairwise(costs))
    assert 6e6 < costs[0] < 8e6
    assert 55e6 < costs[-1] < 60e6


def test_a_layer_sees_all_that_its_scale_and_the_finer_one_held_before_it() -> None:
    """Each layer by hand, from the features so far; and a change of the finer scale's later features changes no earlier layer."""
    torch.manual_seed(0)
    part = DenseScale(3, ScaleWidth(4, 6, 2), ScaleWidth(2, 3, 1))
    awake(part)
    own, finer = torch.randn(2, 4, 3, 3), torch.randn(2, 2 + 3 * 3, 6, 6)
    with torch.no_grad():
        found, features = part(own, finer), own
        for number in range(3):
            down = part.down[number](finer[:, : 2 + 3 * number])
            features = torch.cat([features, down, part.same[number](features)], dim=1)
        assert torch.equal(found, features)
        assert found.shape == (2, 4 + 3 * 6, 3, 3)
        changed = finer.clone()
        changed[:, 5:] += 1  # what the finer scale adds in its second layer and later
        again = part(own, changed)
    assert torch.equal(again[:, : 4 + 2 * 6], found[:, : 4 + 2 * 6])
    assert not torch.equal(again[:, 4 + 2 * 6 :], found[:, 4 + 2 * 6 :])


def test_every_layer_of_a_scale_sees_the_first_one() -> None:
    torch.manual_seed(0)
    part = DenseScale(3, ScaleWidth(4, 2, 4))
    awake(part)
    assert [same[0][0].in_channels for same in part.same] == [4, 6, 8]
    assert not part.down
    own = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        assert torch.equal(part(own)[:, :4], own)


def test_an_image_that_stops_runs_no_later_block() -> None:
    graph = built()
    execution = execute(graph, images(3), Forced({"Q1": {0: True}}))
    ran = [name for name, rows in execution.ran.items() if bool(rows.any())]
    assert ran == ["x", "stem 1", "stem 2", "block 1 scale 2", "exit 1", "answer 1", "Q1", "y1"]


def test_it_is_one_program() -> None:
    graph = built(MSDNet(layers=(2, 1, 2), scales=3, growth=3, stem=2, exit=4), every_lam=True)
    session = runs(graph)
    for seed, lam in enumerate((0.0, 0.5, 1.0)):
        alike(graph, session, torch.randn(1, *IMAGE, generator=Generator().manual_seed(seed)), lam)


def test_weights_survive_a_file() -> None:
    graph, other = built(), SMALL.build(IMAGE, 4)
    unpack(pack(graph), other)
    with torch.no_grad():
        assert torch.equal(execute(graph, images(3), Open()).output, execute(other.eval(), images(3), Open()).output)


@pytest.mark.parametrize("method", ["static", "d2nn"])
def test_it_trains(method: str) -> None:
    config = run_config(
        architecture={"name": "msdnet", "layers": [1, 1], "scales": 2, "growth": 2, "stem": 2, "exit": 4},
        dataset="digits",
        method=method,
        training={"epochs": 2, "batch_size": 64},
    )
    graph, data = trained(config, ("stem 1", "stem 2", "block 1 scale 2", "y"))
    if method == "d2nn":
        points = confidence_front(graph, data.test)
        assert points[0].cost < points[-1].cost <= 1.5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layers": [4, 4]}, r"layers must name at least 3 blocks, one for each of the scales, not 2"),
        ({"scales": 5}, r"scales\) must be at most 4"),
        ({"reduction": 0}, r"reduction\) must be above 0"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        run_config(architecture={"name": "msdnet"} | options, dataset="cifar10", method="static")
    assert "\n" not in str(caught.value)


def test_batch_norm_goes_through_single_rows_in_training() -> None:
    graph = SMALL.build((3, 4, 4), 3).train()
    assert execute(graph, torch.randn(1, 3, 4, 4), Open()).output.isfinite().all()
