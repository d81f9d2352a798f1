"""Records that describe a run, shared by its row, its exported file and its configuration. Loads without torch."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.scale import cost_share

Side = Annotated[int, Field(ge=1, le=65_536)]


class RunRecord(BaseModel):
    """A run before its training: the configuration, and the parts of it that have columns of their own."""

    model_config = ConfigDict(frozen=True)

    config: dict[str, Any]
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


class Row(BaseModel):
    """The figures of one split at one λ, and whatever else was measured there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    lam: float | None
    n: int = Field(ge=1)
    accuracy: float
    f1: float
    macs_mean: float
    macs_static: int = Field(ge=1)

    @property
    def cost_share(self) -> float:
        """Return the mean cost as a share of the static network's."""
        return cost_share(self.macs_mean, self.macs_static)


class Figures(BaseModel):
    """The results of a trained network."""

    model_config = ConfigDict(frozen=True)

    val: list[Row] = Field(min_length=1)
    test: list[Row] = Field(min_length=1)
    budget: list[Row] = []  # of validation images and the controllers' holdout together: the λ for a budget
    baselines: dict[str, dict[str, list[dict[str, float]]]] = {}  # of each split, the points of each baseline's front
    collapsed: list[dict[str, Any]] = []  # control nodes that take the same option for every image


class TrainedRecord(RunRecord):
    """A run after its training."""

    image: tuple[Side, Side, Side]  # C, H, W
    classes: list[str] = Field(min_length=1)
    figures: Figures
    seconds: float = 0.0  # of training; 0 if unknown
    machine: str | None = Field(None, max_length=255)  # where it was trained
    fingerprint: str | None = Field(None, max_length=64)  # of the images that it was trained on

    def columns(self) -> dict[str, Any]:
        """Return the values of the columns of `core.store.Run` that describe the run and its results."""
        columns = self.model_dump(include=set(TrainedRecord.model_fields))
        return columns | {"figures": self.figures.model_dump(exclude_unset=True)}  # no entry for what was not measured
