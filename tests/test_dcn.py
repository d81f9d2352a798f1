"""Dynamic Capacity Networks: their cost in closed form, the saliency against autograd, and patches against slices of the image."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_program import alike, runs
from test_residual import awake
from torch import Generator, Tensor, nn

from core.architectures.dcn import DCN, PATCH_MARGIN, PATCH_SIDE, PATCH_STEP
from core.config import run_config
from core.explain.model import Model
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Open
from core.graph.static import static_macs, static_network
from core.modules.patches import EntropyGradient, Patches, Replace, most_salient
from core.program.file import program
from core.program.verification import random_images, verify
from core.registry import ConfigError
from tests.trainings import trained

SMALL = DCN(patches=3, coarse=(3, 4), fine=5, top=6)
IMAGE = (3, 31, 39)  # 6×8 coarse features
COARSE = 13 * 17 * 49 * 3 * 3 + 6 * 8 * 9 * 3 * 4  # multiply-adds
TOP = 2 * 3 * 16 * 4 * 6
LOOK = 144 * 9 * 3 * 5 + 144 * 9 * 5 * 5 + 2 * 36 * 9 * 5 * 5 + 9 * 5 * 4  # of one patch
SHARED = ("answer", "saliency", "y")


def built(architecture: DCN = SMALL, *, every_lam: bool = False) -> Graph:
    torch.manual_seed(0)
    graph = architecture.build(IMAGE, 5, every_lam=every_lam)
    awake(graph)
    return graph


def images(count: int) -> Tensor:
    return torch.randn(count, *IMAGE, generator=Generator().manual_seed(1))


def test_the_cost_is_that_of_coarse_layers_patches_and_three_passes_of_the_top() -> None:
    graph = built()
    assert graph.macs["coarse"] == COARSE
    assert graph.macs["fine"] == 3 * LOOK
    assert graph.macs["evidence"] == graph.macs["refined evidence"] == TOP
    assert graph.macs["saliency"] == 5 * 6 + TOP
    assert static_macs(graph) == COARSE + 3 * LOOK + 3 * (TOP + 5 * 6)


def test_the_published_network_costs_23_million() -> None:
    graph = DCN(early_exit=False).build((1, 100, 100), 10)
    assert graph.shapes["coarse"] == (24, 23, 23)
    assert graph.shapes["evidence"] == (96, 10, 10)
    coarse = 47 * 47 * 49 * 12 + 23 * 23 * 9 * 12 * 24
    look = 144 * 9 * 24 + (144 + 36 + 36 + 1) * 9 * 24 * 24
    assert static_macs(graph) == coarse + 8 * look + 3 * (10 * 10 * 16 * 24 * 96 + 960) == 22_980_396
    assert not graph.controls
    assert [output.name for output in graph.outputs] == ["y"]


def test_an_image_that_stops_pays_for_the_coarse_look_and_the_controller_only() -> None:
    graph, x = built(), images(2)
    stopped, looked = (execute(graph, x, Forced({"Q": {column: True}})) for column in (0, 1))
    assert [node.name for node in graph.nodes if bool(stopped.ran[node.name].any())] == [
        "x",
        "coarse",
        "evidence",
        "answer",
        "Q",
        "y coarse",
    ]
    assert cost(graph, stopped).used.tolist() == [COARSE + TOP + 30 + graph.macs["Q"]] * 2
    assert cost(graph, looked).used.tolist() == [static_macs(graph) + graph.macs["Q"]] * 2


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (4, 9)], ids=str)
def test_the_saliency_is_the_norm_of_autograds_gradient_of_the_entropy(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    detector, head = nn.Conv2d(4, 12, 4, stride=2), nn.Linear(12, 5)
    features = torch.randn(3, 4, *size, requires_grad=True)
    evidence = detector(features).relu()
    answer = head(F.adaptive_max_pool2d(evidence, 1).flatten(1))
    torch.distributions.Categorical(logits=answer).entropy().sum().backward()
    saliency = EntropyGradient(detector, head, size)(evidence, answer)
    assert features.grad is not None
    expected = features.grad.square().sum(dim=1, keepdim=True).sqrt()
    assert float(expected.max()) > 0
    assert torch.allclose(saliency, expected, atol=1e-6)
    assert not saliency.requires_grad


def test_patches_are_slices_of_the_image_at_the_places_of_the_largest_saliency() -> None:
    x, saliency = images(4), torch.rand(4, 1, 6, 8, generator=Generator().manual_seed(2))
    cut = Patches(5, PATCH_SIDE, PATCH_STEP, PATCH_MARGIN)(x, saliency).view(4, 5, 3, PATCH_SIDE, PATCH_SIDE)
    far = 20
    framed = F.pad(x, (far,) * 4)
    for row in range(4):
        places = [(i, j) for i in range(6) for j in range(8)]
        places.sort(key=lambda place: -float(saliency[row, 0, place[0], place[1]]))
        for rank, (i, j) in enumerate(places[:5]):
            top, left = far + PATCH_STEP * i - PATCH_MARGIN[0], far + PATCH_STEP * j - PATCH_MARGIN[0]
            assert torch.equal(cut[row, rank], framed[row, :, top : top + PATCH_SIDE, left : left + PATCH_SIDE])


def test_of_equally_salient_places_the_first_are_taken() -> None:
    saliency = torch.tensor([[[[1.0, 2.0, 1.0], [1.0, 1.0, 2.0]]]])
    assert most_salient(saliency, 4).tolist() == [[1, 5, 0, 2]]


@pytest.mark.parametrize("place", [(0, 0), (2, 3), (5, 7)], ids=str)
def test_a_patch_holds_the_pixels_that_its_coarse_feature_sees(place: tuple[int, int]) -> None:
    graph, x = built(), images(1).requires_grad_()
    with torch.no_grad():
        for layer in graph.parts["coarse"].modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.abs_()
            if isinstance(layer, nn.BatchNorm2d):
                layer.bias.fill_(100.0)  # no ReLU is closed
    graph.parts["coarse"](x)[0, :, place[0], place[1]].sum().backward()
    assert x.grad is not None
    for side, where in enumerate(place):
        seen = x.grad[0].abs().amax(dim=(0, 2 - side)).nonzero().flatten().tolist()
        assert seen == list(range(PATCH_STEP * where, PATCH_STEP * where + 11))
        assert seen[0] - PATCH_MARGIN[0] + PATCH_SIDE == seen[-1] + 1 + PATCH_MARGIN[1]


def test_with_all_patches_the_answer_is_that_of_fine_layers_everywhere() -> None:
    graph, x = built(DCN(patches=48, coarse=(3, 4), fine=5, top=6)), images(2)
    views = F.pad(x, PATCH_MARGIN * 2).unfold(2, PATCH_SIDE, PATCH_STEP).unfold(3, PATCH_SIDE, PATCH_STEP)  # (B, C, 6, 8, side, side)
    patches = views.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, PATCH_SIDE, PATCH_SIDE)
    with torch.no_grad():
        everywhere = graph.parts["fine"].layers(patches).view(2, 48, 4).transpose(1, 2).reshape(2, 4, 6, 8)
        expected = graph.parts["y"](graph.parts["evidence"](everywhere))
        assert torch.allclose(execute(graph, x, Open()).output, expected, atol=1e-5)


def test_only_the_most_salient_features_are_replaced_and_the_coarse_ones_get_the_gradient_of_the_hint() -> None:
    generator = Generator().manual_seed(3)
    coarse, fine, upstream = (torch.randn(2, 4, *size, generator=generator) for size in ((3, 5), (1, 2), (3, 5)))
    coarse.requires_grad_()
    fine.requires_grad_()
    saliency = torch.rand(2, 1, 3, 5, generator=generator)
    refined = Replace(0.25).train()(coarse, fine, saliency)
    refined.backward(upstream)
    assert coarse.grad is not None
    assert fine.grad is not None
    for row in range(2):
        order = saliency[row].flatten().argsort(descending=True).tolist()
        for rank, place in enumerate(order):
            i, j = place // 5, place % 5
            if rank < 2:
                assert torch.equal(refined[row, :, i, j], fine[row, :, 0, rank])
                assert torch.equal(fine.grad[row, :, 0, rank], upstream[row, :, i, j])
                hint = 2 * 0.25 * (coarse[row, :, i, j] - fine[row, :, 0, rank]) / 2
                assert torch.allclose(coarse.grad[row, :, i, j], hint)
            else:
                assert torch.equal(refined[row, :, i, j], coarse[row, :, i, j])
                assert torch.equal(coarse.grad[row, :, i, j], upstream[row, :, i, j])


def test_both_answers_share_the_top_layers_also_in_the_static_network_and_after_loading() -> None:
    graph, other = built(), SMALL.build(IMAGE, 5)
    unpack(pack(graph), other)
    for one in (graph, other, static_network(graph)):
        heads = {id(layer) for name in SHARED for layer in one.parts[name].modules() if isinstance(layer, nn.Linear)}
        assert len(heads) == 1
        assert one.parts["evidence"] is one.parts["refined evidence"]
    with torch.no_grad():
        assert torch.equal(execute(graph, images(3), Open()).output, execute(other.eval(), images(3), Open()).output)


@pytest.mark.parametrize("early_exit", [True, False])
def test_it_is_one_program_that_spends_what_it_says(tmp_path: Path, early_exit: bool) -> None:
    architecture = SMALL.model_copy(update={"early_exit": early_exit})
    graph = built(architecture, every_lam=early_exit)
    if early_exit:
        graph.parts["Q"].head.bias.data[1] = 5.0  # a closer look promises more accuracy: λ = 1 takes it, and λ = 0 saves its cost
    session = runs(graph)
    for seed, lam in enumerate((0.0, 1.0, 1.0, 1.0)):
        alike(graph, session, torch.randn(1, *IMAGE, generator=Generator().manual_seed(seed)), lam if early_exit else None)
    config = run_config(architecture=architecture.model_dump(), dataset="digits", method="d2nn" if early_exit else "static")
    file = tmp_path / "dcn.onnx"
    file.write_bytes(program(Model("dcn", config, graph, IMAGE, tuple("abcde"))).SerializeToString())
    checks = verify(file, lambda ready: random_images(ready, 2), [0.0, 1.0], lambda count: None)
    assert [found.executed_macs >= static_macs(graph) for found in checks] == ([False, True] if early_exit else [True])
    assert all(found.differences == () for found in checks)


@pytest.mark.parametrize(("method", "early_exit"), [("static", False), ("static", True), ("d2nn", True)])
def test_it_trains(method: str, early_exit: bool) -> None:
    config = run_config(
        architecture={"name": "dcn", "patches": 2, "coarse": [2, 4], "fine": 4, "top": 8, "early_exit": early_exit},
        dataset="digits",
        method=method,
        training={"epochs": 2, "batch_size": 64},
    )
    trained(config, ("coarse", "evidence", "answer", "fine"))


def test_a_small_image_is_framed() -> None:
    graph = DCN().build((1, 8, 30), 3)
    assert graph.shapes["frame"] == (1, 23, 30)
    assert graph.shapes["evidence"] == (96, 1, 1)
    assert "frame" not in DCN().build((1, 23, 23), 3).shapes


def test_more_patches_than_features_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^patches must be at most 48, one for each coarse feature of an image of this size$"):
        DCN(patches=49).build(IMAGE, 5)
