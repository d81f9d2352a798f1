"""Model cascade: whole trained networks as modules, from cheap to dear (Liu & Deng, AAAI 2018, arXiv 1701.00299, Figure 1's cascade).

Every image starts with the cheapest member. After each answer but the last a controller decides whether the next member runs. The members
are frozen, so only the controllers are trained, on images that no member was trained on.

Differs from the paper: modules are whole networks that were trained alone, and controllers see only the answers so far.
"""

import shlex
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator
from torch import Tensor, nn

from core import bibliography
from core.architectures import Architecture
from core.architectures.plain import Plain
from core.graph.builder import Builder
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Gate
from core.graph.policy import Open
from core.graph.static import static_macs, static_network
from core.graph.validation import columns
from core.modules.answers import AnswerController, WeightedMean
from core.modules.onnx_network import OnnxNetwork, Output
from core.registry import ConfigError, choose

MAX_SIDE = 4096  # pixels
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
UNTRAINED = {"small": (8,), "large": (32, 32, 64)}  # filters of the members without any: they show the shape of a cascade
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class OnnxFile(BaseModel):
    """What the graph needs to know of an ONNX classifier before its file is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1, le=2**31, description="Size of the file in bytes")
    macs: int = Field(ge=1, description="Multiply-adds for one image")
    low: float = Field(0.0, description="Value that the classifier expects for black")
    high: float = Field(1.0, description="Value that the classifier expects for white")
    output: Output = Field("logits", description="What its scores are")


class Member(BaseModel):
    """One network of a cascade: an architecture of this project, or an ONNX file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^-~\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        description="Name of its node in the graph",
    )
    image: tuple[Side, Side, Side] = Field(description="Images that it takes: channels, height, width")
    architecture: Annotated[
        SerializeAsAny[Architecture] | None, BeforeValidator(lambda choice: choice and choose("architectures", choice))
    ] = Field(None, description="Its architecture, whose static network runs")
    route: tuple[str, ...] = Field((), description="Route of the static network, as control=option (empty: the most expensive route)")
    onnx: OnnxFile | None = Field(None, description="Or its ONNX file")
    origin: str = Field("", max_length=255, description="Where its weights come from")

    @model_validator(mode="after")
    def _one_kind(self) -> "Member":
        if (self.architecture is None) == (self.onnx is None):
            raise ValueError(f"member {self.title}: give either its architecture or its ONNX file")
        return self

    def build(self, classes: int) -> "MemberNetwork":
        """Build the member with random weights."""
        if self.onnx is not None:
            file = self.onnx
            network = OnnxNetwork(file.size, file.macs, classes, file.low, file.high, file.output)
            return MemberNetwork(self.image, network, file.macs, classes)
        assert self.architecture is not None
        graph = self.architecture.build(self.image, classes)
        named = {control: option for control, _, option in (choice.partition("=") for choice in self.route)}
        static = static_network(graph, graph.reference | columns(graph.nodes, named))
        return MemberNetwork(self.image, static, static_macs(static), classes)


class MemberNetwork(nn.Module):
    """A frozen network with images brought to its own size and colours: (B, C, H, W) in [−1, 1] to logits (B, classes)."""

    def __init__(self, image: tuple[int, int, int], network: Graph | OnnxNetwork, macs: int, classes: int) -> None:
        super().__init__()
        self.image, self.macs, self.classes = image, macs, classes
        self.network = network.requires_grad_(False)

    def measure(self) -> tuple[tuple[int, ...], int]:
        """Return the shape of the logits, (classes,), and the multiply-adds of one image."""
        return (self.classes,), self.macs

    def train(self, mode: bool = True) -> "MemberNetwork":
        """Stay in evaluation mode: the member is frozen."""
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        x = fit_image(x, self.image)
        return execute(self.network, x, Open()).output if isinstance(self.network, Graph) else self.network(x)


def fit_image(x: Tensor, image: Sequence[int]) -> Tensor:
    """Bring images (B, C, H, W) to another number of channels (grey or colour) and another size, (C, H, W)."""
    channels, height, width = image
    if x.shape[1] != channels:
        x = (x * x.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True) if channels == 1 else x.expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True)
    return x


class ModelCascade(Architecture):
    """Whole trained networks, from cheap to dear: easy images stop at a cheap one."""

    title = "Model cascade"
    papers = (bibliography.D2NN_PAPER,)
    by_form = False
    name: Literal["model_cascade"] = "model_cascade"
    members: tuple[Member, ...] = Field(
        (),
        max_length=16,
        title="Members",
        description="Networks from cheap to expensive, set by `python -m core cascade` (empty: two small ones, untrained)",
    )
    combine: Literal["last", "mean", "geometric"] = Field(
        "geometric",
        title="Answer",
        description="The last member's that ran, or the arithmetic (mean) or geometric mean of all that ran, with weights fitted on "
        "holdout images",
        json_schema_extra={"labels": {"last": "The last member's", "mean": "Weighted mean", "geometric": "Weighted geometric mean"}},
    )
    unseen: Literal["holdout", "validation"] = Field(
        "holdout",
        title="Images for the controllers",
        description="Images that no member was trained on: a part of the training images, or half of the validation images",
        json_schema_extra={"labels": {"holdout": "Left out of training", "validation": "Half of the validation images"}},
    )
    unseen_fraction: float = Field(
        0.1, gt=0, lt=1, title="Holdout fraction", description="holdout: fraction of the training images that the members left out"
    )
    unseen_seed: int = Field(0, ge=0, lt=2**31, title="Holdout seed", description="holdout: seed that chose them, that of the members")
    hidden: int = Field(32, ge=1, le=1024, title="Hidden units", description="Hidden units of each controller")

    @property
    def frozen(self) -> tuple[str, ...]:
        return tuple(member.title for member in self.members) or tuple(UNTRAINED)

    @property
    def needs_weights(self) -> bool:
        return bool(self.members)

    @property
    def origins(self) -> dict[str, str]:
        return {member.title: member.origin for member in self.members if member.origin}

    @property
    def command(self) -> str:
        return f"cascade {shlex.join(self.frozen)} --combine {self.combine}"

    def build(self, image: tuple[int, int, int], classes: int, *, every_lam: bool = False) -> Graph:
        members = self.members or tuple(
            Member(title=title, image=image, architecture=Plain(widths=widths)) for title, widths in UNTRAINED.items()
        )
        if len(members) < 2:
            raise ConfigError("a model cascade needs at least two members: build one with `python -m core cascade FILE FILE --dataset D`")
        g = Builder(image, every_lam=every_lam)
        go_on: tuple[Gate, ...] = ()
        answers: list[str] = []
        for number, member in enumerate(members, start=1):
            answers.append(g.add(member.title, member.build(classes), g.input, when=go_on))
            if self.combine == "last":
                g.output(f"y{number}", nn.Identity(), answers[-1])
            else:
                g.output(f"y{number}", WeightedMean(number, geometric=self.combine == "geometric"), *answers)
            if number < len(members):
                part = AnswerController(number, classes, 2, hidden=self.hidden, every_lam=every_lam)
                go_on = g.control(f"Q{number}", *answers, options=("stop", "go on"), part=part)[1:]
        return g.build()

    def fit(self, graph: Graph, images: Tensor, labels: Tensor) -> None:
        """Fit the weights of averaged answers to images (N, C, H, W) that no member was trained on, of classes (N,)."""
        means = [part for output in graph.outputs if isinstance(part := graph.parts[output.name], WeightedMean)]
        if means:
            answers = torch.stack([graph.parts[name](images) for name in self.frozen])  # (members, N, classes)
            for mean in means:
                mean.fit(answers[: len(mean.weights)], labels)
