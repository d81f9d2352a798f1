"""Weights that trainings elsewhere saved: what is found in their files, what is used of them, and what is refused."""

import io
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from core.architectures.lc_resnet import LCResNet
from core.config import run_config
from core.files import read_regular
from core.graph import weight_file
from core.graph.graph import Graph
from core.graph.initialisation import Initialisation, initialise_from
from core.graph.weight_file import CheckpointError, read_tensors
from core.registry import ConfigError
from core.training.assembly import assemble, initialise

SHAPE = LCResNet(depth=8, layers=False, channels=False)
IMAGE = (3, 32, 32)


def graph(classes: int = 10) -> Graph:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return SHAPE.build(IMAGE, classes)


def published(head: str = "fc", classes: int = 10) -> dict[str, Tensor]:
    """Return weights of a CIFAR ResNet-8 under the names of torchvision, with a head of this name."""
    weights = {}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for name, tensor in SHAPE.build(IMAGE, classes).state_dict().items():
            part = name.removeprefix("parts.")
            if name.startswith("parts.block"):
                node, _, rest = part.removeprefix("block ").partition(".")
                group, _, number = node.partition("-")
                weights[f"layer{group}.{int(number) - 1}.{rest}"] = tensor
            elif part.startswith("y.2."):
                weights[part.replace("y.2", head)] = tensor
            elif part.startswith("stem."):
                weights[part.removeprefix("stem.")] = tensor
    return weights


def pth(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def taken(state: bytes, classes: int = 10, **options: bool) -> Initialisation:
    return initialise_from(state, graph(classes), SHAPE.own_weights, **options)


def fault(state: bytes, **options: bool) -> str:
    with pytest.raises(CheckpointError) as caught:
        taken(state, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def prefixed(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights},
        lambda weights: {"net": weights, "acc": 93.1},
        lambda weights: {"params": weights},
        lambda weights: {"checkpoint": 1, "model": {"state_dict": {"params": weights}}},
        lambda weights: prefixed("module._orig_mod.model.", weights),
        lambda weights: {"state_dict": prefixed("net.backbone.module.module.", weights)},
        lambda weights: (
            prefixed("backbone.", {name: tensor for name, tensor in weights.items() if "fc" not in name})
            | {name: tensor for name, tensor in weights.items() if "fc" in name}
        ),
    ],
)
def test_weights_are_found_in_usual_wrappings(wrap: Callable[[dict[str, Tensor]], Any]) -> None:
    found = taken(pth(wrap(published())))
    assert not found.new
    assert not found.dropped


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "params_ema"])
def test_averaged_weights_are_preferred(key: str) -> None:
    averaged = published() | {"conv1.weight": torch.full((16, 3, 3, 3), 0.25)}
    network = graph()
    found = initialise_from(pth({"state_dict": published(), key: prefixed("module.", averaged)}), network, SHAPE.own_weights)
    assert f"the exponential moving average, {key}" in found.sentence
    assert torch.equal(network.state_dict()["parts.stem.conv1.weight"], averaged["conv1.weight"])
    both = prefixed("model.", published()) | prefixed("ema_model.", averaged) | {"n_averaged": torch.tensor(3)}
    assert "the exponential moving average, ema_model" in taken(save(both)).sentence


@pytest.mark.parametrize("head", ["linear", "classifier", "head.fc", "last_linear"])
def test_a_head_of_another_name_is_used_where_its_classes_are_as_many(head: str) -> None:
    network = graph()
    found = initialise_from(save(published(head)), network, SHAPE.own_weights)
    assert torch.equal(network.state_dict()["parts.y.2.weight"], published(head)[f"{head}.weight"])
    assert f"the head is {head}" in found.sentence
    assert not found.new
    assert not found.dropped


def test_a_head_of_other_classes_is_new_and_said_to_be() -> None:
    for head in ("fc", "linear"):
        found = taken(save(published(head, 1000)), classes=2)
        assert found.new == ("y",)
        assert found.dropped == (f"{head}.bias", f"{head}.weight") or found.dropped == (f"{head}.weight", f"{head}.bias")
        assert "new, with random weights: y; not used: " in found.sentence


def test_more_than_the_head_is_dropped_on_demand_alone() -> None:
    projections = {"layer2.0.downsample.0.weight": torch.zeros(32, 16, 1, 1)}
    file = save(published() | projections)
    text = fault(file)
    assert "1 of their" in text
    assert "such as layer2.0.downsample.0.weight" in text
    assert "training.init_partial" in text
    assert taken(file, partial=True).dropped == ("layer2.0.downsample.0.weight",)
    assert "layer1.0.shortcut.0.weight" in fault(save(published() | {"layer1.0.shortcut.0.weight": torch.zeros(2)}))


def test_weights_of_bottlenecks_are_called_that() -> None:
    deep = published() | {"layer1.0.conv3.weight": torch.zeros(64, 16, 1, 1)}
    assert "bottleneck blocks of three convolutions" in fault(save(deep))


def test_a_refused_file_says_which_type_was_refused_and_how_to_save_it() -> None:
    for content, kind in ((Namespace(lr=1), "argparse.Namespace"), (nn.Linear(2, 2), "torch.nn.modules.linear.Linear")):
        text = fault(pth({"args": content, "model": published()}))
        assert f"the type {kind}" in text
        assert "torch.save(model.state_dict(), file)" in text


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensors_that_cannot_be_trained_are_refused() -> None:
    quantised = torch.quantize_per_tensor(torch.zeros(16, 3, 3, 3), 0.1, 0, torch.qint8)
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    sparse = torch.zeros(16, 3).to_sparse()
    for tensor, kind in ((quantised, "quantised"), (nested, "nested"), (sparse, "sparse")):
        with pytest.raises(CheckpointError, match=kind + "|cannot read safely"):
            read_tensors(pth(published() | {"conv1.weight": tensor}))
    state = pth({"conv1.weight": quantised})
    with warnings.catch_warnings(record=True) as said, suppress(CheckpointError):
        warnings.simplefilter("always")
        read_tensors(state)
    assert not said, "a refusal is one line"
    whole = published() | {"conv1.weight": torch.zeros(16, 3, 3, 3, dtype=torch.int8)}
    assert "conv1.weight holds int8" in fault(save(whole))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused_before_training(value: float) -> None:
    weights = published()
    weights["bn1.weight"] = torch.full_like(weights["bn1.weight"], value)
    assert "bn1.weight holds NaN or infinity" in fault(save(weights))


def test_weights_that_take_more_memory_than_their_file_are_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pth({"a": torch.zeros(1000)}))) as whole, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as again:
        for entry in whole.infolist():
            again.writestr(entry.filename, whole.read(entry))
    with pytest.raises(CheckpointError, match=r"was packed again.*save the weights alone"):
        read_tensors(packed.getvalue())
    with pytest.raises(CheckpointError, match=r"a repeats its numbers.*save the weights alone"):
        read_tensors(pth({"a": torch.zeros(1).expand(2_000_000)}))
    shared = torch.zeros(5_000)
    with pytest.raises(CheckpointError, match=r"share their numbers.*save the weights alone"):
        read_tensors(pth({str(number): shared for number in range(20)}))


def test_a_dictionary_to_which_many_keys_lead_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    find = weight_file._find

    def counted(loaded: Any, path: tuple[str, ...], seen: set[int]) -> Any:
        looked.append(path)
        return find(loaded, path, seen)

    monkeypatch.setattr(weight_file, "_find", counted)
    nested: dict[str, Any] = {"lr": 1}
    for _ in range(3):
        nested = dict.fromkeys((*weight_file.AVERAGE_KEYS, *weight_file.WRAPPERS), nested)
    with pytest.raises(CheckpointError, match="no state_dict"):
        read_tensors(pth(nested))
    assert len(looked) <= 4 * 15


def test_two_networks_in_a_file_are_refused() -> None:
    assert "several networks, named model and net" in fault(save(prefixed("model.", published()) | prefixed("net.", published())))


def test_damaged_files_raise_no_other_error() -> None:
    whole = pth(published())
    for place in range(0, len(whole), len(whole) // 40):
        for damaged in (whole[:place], whole[:place] + b"\xff\x00" + whole[place + 2 :]):
            with suppress(CheckpointError):
                assert read_tensors(damaged).tensors


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_published_weights_are_read_from_a_file_which_has_no_checksum(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"net.{suffix}"
    file.write_bytes(pth({"state_dict": published()}) if suffix == "pth" else save(published()))
    named = run_config(architecture=SHAPE, dataset="cifar10", method="static", training={"init_from": str(file)})
    assert initialise(named, assemble(named, IMAGE, 10)).new == ()


def test_files_that_are_not_regular_are_refused() -> None:
    config = run_config(architecture=SHAPE, dataset="cifar10", method="static", training={"init_from": "/dev/zero"})
    for name, says in (("/dev/zero", "not a regular file"), ("a" * 300, "cannot be read"), ("none.pth", "cannot be read")):
        named = config.model_copy(update={"training": config.training.model_copy(update={"init_from": name})})
        with pytest.raises(ConfigError, match=says):
            initialise(named, assemble(named, IMAGE, 10))


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(9))
    assert read_regular(tmp_path / "a", 9) == bytes(9)
    with pytest.raises(OSError, match="larger than"):
        read_regular(tmp_path / "a", 8)
