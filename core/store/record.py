"""Records that describe a run, shared by its row, its exported file and its configuration. Loads without torch."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core.scale import cost_share

DEPTH = 20  # levels of a configuration: reading a deeper one could exhaust the stack
MAX_FIGURES = 1000  # values of λ of a split, and points of a front: every page compares them
ROUNDING = 1e-6  # by which a mean of shares may exceed 1

Side = Annotated[int, Field(ge=1, le=1024)]
Shape = tuple[Literal[1, 3], Side, Side]  # C, H, W of an image: grey or in colour
Share = Annotated[float, Field(ge=0, le=1 + ROUNDING, allow_inf_nan=False)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Lam = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def without_controls(text: str) -> str:
    """Return a text as it is. Raises ValueError for one with control characters, which would give a terminal orders."""
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("must be without control characters")
    return text


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is. Raises ValueError unless its components are named, its options stand by name and it is shallow."""
    level: Sequence[Any] = [config]
    for _ in range(DEPTH):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())]
        if not level:
            break
    else:
        raise ValueError(f"has more than {DEPTH} levels")
    for part in ("architecture", "dataset", "method", "training"):
        chosen = config.get(part, {})
        if not isinstance(chosen, dict) or (part != "training" and not isinstance(chosen.get("name", ""), str)):
            raise ValueError(f"{part} must have its options by name")
    return config


Settings = Annotated[dict[str, Any], AfterValidator(settings)]


class RunRecord(BaseModel):
    """A run before its training: the configuration, and the parts of it that have columns of their own."""

    model_config = ConfigDict(frozen=True)

    config: Settings
    architecture: str
    dataset: str
    method: str
    gated: bool  # whether its network decides for each image what to run, and so has a λ
    lam: float | None = Field(ge=0, le=1)  # None: no gates, or one network for every λ
    seed: int = Field(ge=0, lt=2**31)
    epochs: int = Field(ge=1, lt=2**31)

    def columns(self) -> dict[str, Any]:
        """Return the values of the columns of `core.store.Run` that describe the run."""
        return self.model_dump(include=set(RunRecord.model_fields))


class StoredRoute(BaseModel):
    """A set of nodes, and the share of the images for which exactly these ran. Evidence of a collapsed control node also has its λ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: list[str]
    share: Share
    lam: Lam | None = None


class Spending(BaseModel):
    """The mean cost of some images at one λ. Other entries are left out."""

    model_config = ConfigDict(frozen=True)

    lam: Lam
    n: int = Field(ge=1)
    macs_mean: Cost
    macs_static: int = Field(ge=1, lt=2**63)


class Row(BaseModel):
    """The figures of one split at one λ. Other entries are left out."""

    model_config = ConfigDict(frozen=True)

    lam: Lam | None
    n: int = Field(ge=1)
    accuracy: Share
    f1: Share
    macs_mean: Cost
    macs_static: int = Field(ge=1, lt=2**63)
    execution_rates: dict[str, Share] = Field(min_length=1)
    routes: list[StoredRoute] = Field(min_length=1)
    dependence: Share | None = None
    dependences: dict[str, Share] | None = None
    precision: Share | None = None
    recall: Share | None = None
    channel_rates: dict[str, Share] | None = None

    @property
    def cost_share(self) -> float:
        """Return the mean cost as a share of the static network's."""
        return cost_share(self.macs_mean, self.macs_static)


class Point(BaseModel):
    """A point of a baseline's front."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost: Cost
    accuracy: Share


Front = Annotated[list[Point], Field(max_length=MAX_FIGURES)]


class CollapsedControl(BaseModel):
    """A control node that takes the same option for every image, and its routes as evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    control: str
    rates: dict[str, Share]
    routes: list[StoredRoute]


class Figures(BaseModel):
    """The results of a trained network."""

    model_config = ConfigDict(frozen=True)

    val: list[Row] = Field(min_length=1, max_length=MAX_FIGURES)
    test: list[Row] = Field(min_length=1, max_length=MAX_FIGURES)
    budget: list[Spending] = []  # of validation images and the controllers' holdout together: the λ for a budget
    baselines: dict[str, dict[str, Front]] = {}  # of each split, the points of each baseline's front
    collapsed: list[CollapsedControl] = []  # control nodes that take the same option for every image

    @model_validator(mode="after")
    def _alike(self) -> Self:
        rows = [*self.val, *self.test]
        lams = [row.lam for row in self.val]
        if [row.lam for row in self.test] != lams:
            raise ValueError("every split must have figures at the same λ")
        if len(lams) > 1 and None in lams:
            raise ValueError("every row of several must have its λ")
        if any(row.execution_rates.keys() != rows[0].execution_rates.keys() for row in rows):
            raise ValueError("every row must have the execution rates of the same nodes")
        return self


class TrainedRecord(RunRecord):
    """A run after its training."""

    image: Shape
    classes: list[Annotated[Name, AfterValidator(without_controls)]] = Field(min_length=1)
    figures: Figures
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)  # of training; 0 if unknown
    machine: str | None = Field(None, max_length=255)  # where it was trained
    fingerprint: str | None = Field(None, max_length=64)  # of the images that it was trained on

    @model_validator(mode="after")
    def _at_lam(self) -> Self:
        check_lam(self.gated, self.figures)
        return self

    def columns(self) -> dict[str, Any]:
        """Return the values of the columns of `core.store.Run` that describe the run and its results."""
        columns = self.model_dump(include=set(TrainedRecord.model_fields))
        return columns | {"figures": self.figures.model_dump(exclude_unset=True)}  # no entry for what was not measured


def check_lam(gated: bool, figures: Figures) -> None:
    """Raise ValueError if the figures of a gated network do not say at which λ they were measured."""
    if gated and any(row.lam is None for row in figures.test):
        raise ValueError("figures.test of a gated network must have a λ in every row")
