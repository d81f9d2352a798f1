"""Reads the members of a model cascade: runs, and files with exported runs, published weights and ONNX classifiers.

Published weights tell their own architecture: torchvision's ResNets and MobileNetV2 (arXiv 1512.03385, 1801.04381), and CIFAR's ResNets.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from core.architectures import Architecture
from core.architectures.lc_resnet import IMAGENET, LCResNet
from core.architectures.mobile import Mobile, Stage
from core.architectures.model_cascade import MAX_SIDE, Member, OnnxFile
from core.config import RunConfig, run_config
from core.datasets import Dataset, listed
from core.files import read_regular, weights_file
from core.graph.graph import Graph
from core.graph.weight_file import CheckpointError, check_all_finite, read_tensors
from core.methods.static import Static
from core.modules.onnx_check import OnnxError
from core.modules.onnx_network import Output, count_macs, read_signature, recognise_output
from core.registry import ConfigError
from core.store import Run, Store
from core.store.exchange import Header, header_in, header_of, is_exported, weights_of
from core.store.runs import no_weights

MOBILENET_V2 = ((1, 1, 1), (2, 2, 6), (3, 2, 6), (4, 2, 6), (3, 1, 6), (3, 2, 6), (1, 1, 6))  # blocks, stride, expansion of each stage
BLOCK = re.compile(r"layer(\d)\.(\d+)\.conv(\d)\.weight")


@dataclass(frozen=True)
class Given:
    """A member of a cascade.

    weights  tensors by their names in the member's network
    macs     multiply-adds for one image
    trained  the configuration of the run that trained it; None if it was trained elsewhere
    """

    member: Member
    weights: dict[str, Tensor]
    macs: int
    trained: RunConfig | None = None

    def titled(self, title: str) -> "Given":
        """Return the member under another name."""
        return replace(self, member=self.member.model_copy(update={"title": title}))


def read_member(
    file: Path, dataset: Dataset, *, size: int | None = None, low: float = 0.0, high: float = 1.0, output: Output | None = None
) -> Given:
    """Read a member for the images and classes of a dataset. Raises ConfigError, which names the file and what to do.

    `size`: side of the images that it takes (published weights, and ONNX files that leave it open). `low`, `high`, `output`: the values
    that an ONNX classifier expects for black and white, and what its scores are (recognised if None).
    """
    image, classes = dataset.outline()
    if size is not None and not 1 <= size <= MAX_SIDE:
        raise ConfigError(f"{file}: images of {size} pixels are not possible: choose a size from 1 to {MAX_SIDE}")
    try:
        content = read_regular(weights_file(file))
        if file.suffix == ".onnx":
            return _from_onnx(file, content, image, classes, size, (low, high), output)
        if is_exported(content):
            return member_of_export(file.stem, header_in(content, file), content, classes)
        return _from_published(file, content, image, classes, size)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})") from None
    except (CheckpointError, OnnxError, ConfigError) as error:
        raise ConfigError(f"{file}: {error}") from None


def pack_members(given: Sequence[Given]) -> bytes:
    """Pack the members' weights as initial weights of their cascade, one safetensors file."""
    tensors = {f"graph.parts.{one.member.title}.network.{name}": value for one in given for name, value in one.weights.items()}
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})


def member_of_run(store: Store, run: Run, classes: Sequence[str]) -> Given:
    """Make a member of a run of the store, for these classes. Raises ConfigError or StoreError, which name the run and what to do."""
    tensors = weights_of(store, run)
    latest = store.checkpoints.read(run.id)
    if latest is None:
        raise no_weights(run)
    try:
        return member_of_export(run.name, header_of(store, run, tensors), latest[1], classes)
    except (CheckpointError, ConfigError) as error:
        raise ConfigError(f"run {run.name}: {error}") from None


def member_of_export(title: str, header: Header, content: bytes, classes: Sequence[str]) -> Given:
    """Make a member of a trained run, from what describes it and its weights. Raises ConfigError or CheckpointError."""
    config = run_config(**header.config)
    if config.gated:
        raise ConfigError(
            "this network decides per image, but a member has one cost: choose a static network, trained with the method "
            "Static network (static)"
        )
    if tuple(header.classes) != tuple(classes):
        raise ConfigError(f"its classes are {', '.join(header.classes)}, but the dataset's are {', '.join(classes)}")
    route = config.method.route if isinstance(config.method, Static) else ()
    origin = f"trained on {header.machine}" if header.machine else ""
    member = Member(title=_title(title), image=header.image, architecture=config.architecture, route=route, origin=origin)
    weights = {name.removeprefix("graph."): tensor for name, tensor in load(content).items() if name.startswith("graph.parts.")}
    return _checked(member, weights, len(classes), config)


def _from_published(file: Path, content: bytes, image: Sequence[int], classes: Sequence[str], size: int | None) -> Given:
    tensors = read_tensors(content).tensors
    architecture, known = recognise(tensors)
    if known != len(classes):
        raise ConfigError(f"it has {known} classes, but the dataset has {len(classes)}: {listed(classes)}")
    channels = next(tensor.shape[1] for name, tensor in tensors.items() if name in ("conv1.weight", "features.0.0.weight"))
    side = (size, size) if size else tuple(image[1:])
    member = Member(title=_title(file.stem), image=(channels, *side), architecture=architecture, origin=_origin(file, content))
    return _checked(member, architecture.own_weights(tensors), len(classes))


def _from_onnx(
    file: Path,
    content: bytes,
    image: Sequence[int],
    classes: Sequence[str],
    size: int | None,
    values: tuple[float, float],
    output: Output | None,
) -> Given:
    if values[0] == values[1]:
        raise ConfigError(f"black and white would both be {values[0]:g}, and all images the same: give two values")
    signature = read_signature(content)
    if signature.classes != len(classes):
        raise ConfigError(f"it has {signature.classes} classes, but the dataset has {len(classes)}: {listed(classes)}")
    if signature.names and signature.names != tuple(classes):
        raise ConfigError(f"its classes are {', '.join(signature.names)}, but the dataset's are {', '.join(classes)}")
    taken = _image_of(signature.shape, (image[0], size or image[1], size or image[2]))
    recognised = recognise_output(content, taken)
    onnx = OnnxFile(
        size=len(content),
        macs=count_macs(content, taken),
        low=values[0],
        high=values[1],
        output=output or recognised,
    )
    program = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    member = Member(title=_title(file.stem), image=taken, onnx=onnx, origin=_origin(file, content))
    return Given(member, {"program": program}, onnx.macs)


def _image_of(shape: Sequence[int | None], default: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the images (C, H, W) that an ONNX classifier takes: its own sizes, and the default where it leaves them open."""
    if len(shape) == 1:
        if shape[0] not in (None, default[0] * default[1] * default[2]):
            raise ConfigError(f"it takes {shape[0]} values, but an image of {'×'.join(map(str, default))} has another number: set --size")
        return default
    channels, height, width = (own or other for own, other in zip(shape, default, strict=True))
    if channels not in (1, 3):
        raise ConfigError(f"it takes images of {channels} channels; images here have 1 (grey) or 3 (colour)")
    return channels, height, width


def recognise(tensors: Mapping[str, Tensor]) -> tuple[Architecture, int]:
    """Return the architecture and the number of classes of published weights. Raises ConfigError if they are of another kind."""
    if "features.0.0.weight" in tensors and "classifier.1.weight" in tensors:
        return _mobilenet(tensors), len(tensors["classifier.1.weight"])
    if "conv1.weight" in tensors and "fc.weight" in tensors and any(BLOCK.fullmatch(name) for name in tensors):
        return _resnet(tensors), len(tensors["fc.weight"])
    raise ConfigError("its weights are neither an exported run's nor those of a ResNet or MobileNetV2 as torchvision names them")


def _resnet(tensors: Mapping[str, Tensor]) -> LCResNet:
    found = [tuple(map(int, match.groups())) for name in tensors if (match := BLOCK.fullmatch(name))]
    blocks = tuple(1 + max(block for group, block, _ in found if group == number) for number in sorted({group for group, *_ in found}))
    bottleneck = any(convolution == 3 for *_, convolution in found)
    width = len(tensors["conv1.weight"])
    if tensors["conv1.weight"].shape[2] == 7:
        depth = next((depth for depth, own in IMAGENET.items() if own == blocks and (depth >= 50) == bottleneck), None)
        if depth is None:
            raise ConfigError(f"a ResNet with {', '.join(map(str, blocks))} blocks per group is not known: 18, 34, 50 or 101 layers are")
        return LCResNet(images="imagenet", depth=depth, width=width)
    if bottleneck or len(set(blocks)) > 1 or any(".downsample." in name for name in tensors):
        raise ConfigError("a CIFAR ResNet must have equal groups of two-layer blocks and shortcuts without weights")
    widths = tuple(len(tensors[f"layer{group}.0.conv1.weight"]) for group in range(1, len(blocks) + 1))
    return LCResNet(depth=2 * len(blocks) * blocks[0] + 2, widths=widths)


def _mobilenet(tensors: Mapping[str, Tensor]) -> Mobile:
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("features."))
    if last != 1 + sum(count for count, *_ in MOBILENET_V2):
        raise ConfigError(f"MobileNetV2 has 17 blocks, this file {last - 1}")
    stages: list[Stage] = []
    block = 1
    for count, stride, expansion in MOBILENET_V2:
        step = 2 if expansion > 1 else 1  # the projecting convolution behind the others
        stages.append((len(tensors[f"features.{block}.conv.{step}.weight"]), count, stride, expansion if expansion > 1 else 0))
        block += count
    head = len(tensors[f"features.{last}.0.weight"])
    stem = len(tensors["features.0.0.weight"])
    return Mobile(stem=stem, stem_stride=2, stages=tuple(stages), head=head, activation="relu6")


def _checked(member: Member, weights: Mapping[str, Tensor], classes: int, trained: RunConfig | None = None) -> Given:
    """Return the member with its network's own tensors.

    Raises ConfigError if the weights lack one of its parameters, and CheckpointError if they hold NaN or infinity.
    """
    built = member.build(classes)
    network = built.network
    assert isinstance(network, Graph)
    own = network.state_dict()
    lacking = [name for name in own if name.startswith("parts.") and "num_batches" not in name and name not in weights]
    strange = [name for name in own if name in weights and weights[name].shape != own[name].shape]
    if lacking or strange:
        name = (lacking or strange)[0].removeprefix("parts.")
        raise ConfigError(f"it {'lacks' if lacking else 'has another shape of'} the tensor {name} of its architecture")
    kept = {name: weights[name].to(own[name].dtype) for name in own if name in weights and name.startswith("parts.")}
    check_all_finite(kept)
    return Given(member, kept, built.macs, trained)


def _origin(file: Path, content: bytes) -> str:
    """Return a file's name, without its folder, and the start of its hash."""
    return f"file {file.name[-200:]}, SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"


def _title(name: str) -> str:
    """Return a node's name: parts of parameters' names are separated by dots, so it has none. It looks like no option of a command."""
    letters = (letter for letter in name.rpartition("/")[2].replace(".", "-") if letter.isprintable())
    return "".join(letters).lstrip("-~ ")[:100] or "member"
