"""Run configuration: everything needed to reproduce a run."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from core.architectures import Architecture
from core.datasets import Border, Dataset
from core.files import pasted_path
from core.methods import Method
from core.registry import Component, choose, first_fault
from core.store.record import RunRecord

MAX_EPOCHS = 10_000  # of a training


class Training(BaseModel):
    """The options of the training loop: epochs, optimiser, precision and initialisation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(10, ge=1, le=MAX_EPOCHS, description="Passes over the training images")
    batch_size: int = Field(64, ge=2, le=65_536, title="Batch size (images)", description="Images per step")
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw",
        title="Optimiser",
        json_schema_extra={"labels": {"adamw": "AdamW", "sgd": "SGD with momentum"}},
        description="adamw, or sgd with Nesterov momentum 0.9, which needs another learning rate and weight decay (0.1 and 5e-4, "
        "for example)",
    )
    learning_rate: float = Field(
        2e-3, gt=0, le=10, description="Peak learning rate, reached after a warm-up and followed by a cosine decay"
    )
    warmup: float = Field(
        0.1,
        ge=0,
        le=0.9,
        title="Warm-up (fraction of training)",
        description="Fraction of the training during which the learning rate rises to its peak",
    )
    control_rate: float = Field(
        1.0,
        gt=0,
        le=100,
        title="Controller learning rate (multiplier)",
        description="Learning-rate multiplier of the control nodes; above 1 where the modules are already trained",
    )
    weight_decay: float = Field(1e-2, ge=0, le=1, description="Weight decay; biases, norms and controllers have none")
    seed: int = Field(
        0, ge=0, lt=2**31, title="Training seed", description="Seed of the initial weights, the order of the images and every random choice"
    )
    border: Border = Field(
        "black",
        title="Border of shifted images",
        json_schema_extra={"labels": {"black": "Black", "reflected": "The image itself, reflected"}},
        description="What a random shift brings into an image, where the dataset shifts images: black, or the image itself, reflected",
    )
    cutout: int = Field(
        0,
        ge=0,
        le=1024,
        title="Cutout size (pixels)",
        description="Side of the square that is set to zero in a training image, at a random place (0: none)",
    )
    cutout_probability: float = Field(
        0.7, ge=0, le=1, title="Cutout probability", description="Probability with which an image has such a square"
    )
    corrupted: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Corrupted images (fraction)",
        description="Fraction of the images of a batch that get noise, a blur, weather or another corruption, so that gates also learn "
        "from harder images (0: none)",
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=10,
        title="Mixup α",
        description="Mix images and labels in pairs, with shares from the distribution Beta(α, α): 1 draws them evenly, less mixes less "
        "(0: none)",
    )
    mixup_batches: float = Field(
        0.5, ge=0, le=1, title="Mixed batches (fraction)", description="Fraction of the batches whose images are mixed"
    )
    mixup_end: float = Field(
        0.9, ge=0, le=1, title="End of mixup (fraction of training)", description="Fraction of the training after which no batch is mixed"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Probability that is taken from the label and spread evenly over all classes (0: none)"
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Averaged weights (decay)",
        description="Decay of the exponential moving average of the weights, per step, for example 0.999; the averaged weights are "
        "validated, evaluated and stored (0: no average)",
    )
    freeze_bn: float = Field(
        0.0,
        validation_alias=AliasChoices("freeze_bn", "settled"),
        ge=0,
        le=1,
        title="Freeze batch norm (final fraction of training)",
        description="Final fraction of the training during which batch-norm statistics are frozen",
    )
    init_from: str = Field(
        "",
        validation_alias=AliasChoices("init_from", "start"),
        title="Initialise from (file)",
        description="Checkpoint to initialise from: an exported run, or published .safetensors or .pth weights; {seed} in its name "
        "is replaced by the seed (empty: random weights)",
    )
    init_partial: bool = Field(
        False,
        title="Use initial weights that fit in part",
        description="Initialise from a file of which more than its head fits nothing in this network (true or false)",
    )
    init_nodes: tuple[str, ...] = Field(
        (),
        title="Weights of single nodes (node=file)",
        description="Exported runs that single nodes begin with, as node=file, for the networks that an architecture does not train along",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        json_schema_extra={"labels": {"float32": "32 bits (float32)", "bfloat16": "16 bits (bfloat16)"}},
        description="Precision of the computation; bfloat16 is faster on processors that support it",
    )
    weights_dtype: Literal["float32", "float16"] = Field(
        "float32",
        validation_alias=AliasChoices("weights_dtype", "stored"),
        title="Precision of stored weights",
        json_schema_extra={"labels": {"float32": "32 bits (float32)", "float16": "16 bits (float16)"}},
        description="Precision in which trained weights are kept; float16 halves the files, and all figures are those of the "
        "rounded weights",
    )

    @property
    def initial_weights(self) -> Path | None:
        """The file to initialise from, or None for random weights."""
        return self.file(self.init_from) if self.init_from else None

    @property
    def node_weights(self) -> dict[str, Path]:
        """The files of `init_nodes`, by node."""
        return {node: self.file(file) for node, _, file in (one.partition("=") for one in self.init_nodes)}

    def file(self, name: str) -> Path:
        """Return the file of a name in which "{seed}" is replaced by the seed."""
        return pasted_path(name.replace("{seed}", str(self.seed)))


class RunConfig(BaseModel):
    """The configuration of one run: architecture, dataset, method, λ and training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Annotated[SerializeAsAny[Architecture], BeforeValidator(lambda choice: choose("architectures", choice))]
    dataset: Annotated[SerializeAsAny[Dataset], BeforeValidator(lambda choice: choose("datasets", choice))]
    method: Annotated[SerializeAsAny[Method], BeforeValidator(lambda choice: choose("methods", choice))]
    lam: float | None = Field(None, ge=0, le=1, title="λ", description="λ, from 0 (cheap) to 1 (accurate); none: one network for every λ")
    training: Training = Training()

    @model_validator(mode="after")
    def _fitting(self) -> "RunConfig":
        if refusal := unsuitable(self.architecture, self.method):
            raise ValueError(refusal)
        if self.method.continues and not self.training.init_from:
            raise ValueError(
                "fixed gates are copied from a trained network: name its exported file in “Initialise from” (training.init_from)"
            )
        teacher = self.method.learns_from
        if teacher is not None and not teacher.file and not self.training.init_from:
            raise ValueError(
                f"there is nothing to distil: name an exported run in “Teacher” ({teacher.option}) "
                "or “Initialise from” (training.init_from)"
            )
        if self.training.mixup and self.method.rewards_trained_images:
            raise ValueError(
                "a mixed image has no right answer to reward: set “Images reserved for controllers” (method.controller_holdout) above 0, "
                "or “Mixup α” (training.mixup) to 0"
            )
        if self.lam is not None and not self.gated:
            raise ValueError(f"{_named(self.method)} trains no gates and has no λ: leave λ out, or choose one network for every λ")
        return self

    @property
    def gated(self) -> bool:
        """Whether the network decides for each image what to run."""
        return self.method.decides is not None

    def record(self) -> RunRecord:
        """Return the description of the run for the store."""
        return RunRecord(
            config=self.model_dump(mode="json"),
            architecture=self.architecture.name,
            dataset=self.dataset.name,
            method=self.method.name,
            gated=self.gated,
            lam=self.lam,
            seed=self.training.seed,
            epochs=self.training.epochs,
        )

    def command(self) -> str:
        """Return the command that trains it, with every option that differs from its default."""
        words = [f"python -m core {self.architecture.command} --dataset {self.dataset.name}"]
        words += [f"--method {self.method.name}"] if self.architecture.by_form else []
        words += [] if self.lam is None else [f"--lam {self.lam!r}"]
        words += [f"--epochs {self.training.epochs}", f"--seed {self.training.seed}"]
        fixed = () if self.architecture.by_form else ("architecture", "method")  # the command sets their options
        for part in ("architecture", "dataset", "method", "training"):
            chosen = getattr(self, part)
            for option, value in chosen.model_dump(mode="json", exclude_defaults=True).items():
                if part not in fixed and option not in ("name", "epochs", "seed"):
                    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
                    words.append(f"--set {shlex.quote(f'{part}.{option}={text}')}")
        return " ".join(words)


def unsuitable(architecture: Architecture, method: Method) -> str:
    """Return why a method cannot train an architecture; empty if it can."""
    present, trained = architecture.decides, method.decides
    if trained and not present:
        return f"{_named(architecture)} has no control nodes to train: choose the method Static network (static)"
    if trained and trained != present and (trained, present) not in (("any", "one"), ("any", "each")):
        how = {
            "one": "pick one of several options",
            "each": "open each gate on its own",
            "any": "pick one of several options or open each gate on its own",
            "halt": "add up halting scores",
        }
        return (
            f"the control nodes of {_named(architecture)} {how[present or trained]}, and {_named(method)} trains control nodes that "
            f"{how[trained]}: choose another architecture or another method"
        )
    if method.needs_early_exits and not architecture.early_exits:
        return (
            f"{_named(method)} needs control nodes that see an answer and decide whether it stands, unlike those of {_named(architecture)} "
            "as chosen: choose the architecture resnet_cascade, or cascade with controllers that see the answer "
            "(architecture.controller_sees=answer)"
        )
    return ""


def _named(part: Component) -> str:
    """Return a component's name for a person, and behind it the one that the command line knows."""
    return f"{part.title} ({part.name})" if part.title else part.name


def run_config(**choices: Any) -> RunConfig:
    """Return a validated configuration. Raises ConfigError naming the option to correct."""
    try:
        return RunConfig.model_validate(choices)
    except ValidationError as error:
        raise first_fault(error, RunConfig) from None
