"""What a row of the table of runs must hold. A row that does not is shown as damaged, and stops no list and no page."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.store.record import Figures, Lam, Name, Settings, Shape, check_lam

DAMAGED = "damaged"  # the status of a run whose row is damaged, in memory alone


class Unreadable:
    """Stands for the value of a column that cannot be read."""

    def __repr__(self) -> str:
        return "a value that cannot be read"


class StoredRun(BaseModel):
    """The columns of a run, typed."""

    model_config = ConfigDict(strict=True, from_attributes=True)

    name: Name
    status: Literal["queued", "running", "finished", "stopped", "failed"]
    reference: bool
    architecture: str
    dataset: str
    method: str
    lam: Lam | None
    seed: int
    config: Settings
    image: Annotated[Shape, Field(strict=False)] | None  # JSON has no tuples
    classes: list[Name] | None
    epoch: float = Field(ge=0, allow_inf_nan=False)
    epochs: int = Field(ge=1)
    created: datetime
    started: datetime | None
    finished: datetime | None
    heartbeat: datetime | None
    pid: int | None = Field(ge=1, lt=2**31)
    host: str | None
    stop_requested: bool
    error: str | None
    figures: dict[str, Any]
    notes: str
    tags: list[str]
    deleted: datetime | None
    sweep: str | None
    seconds: float = Field(ge=0, allow_inf_nan=False)
    machine: str | None
    variant: str | None
    gated: bool
    activity: str | None

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.figures:  # a run that was not evaluated has none
            check_lam(self.gated, Figures.model_validate(self.figures, strict=False))
        return self


HARMLESS: dict[str, Any] = {  # in place of a damaged value; None in all other columns
    "architecture": "",
    "dataset": "",
    "method": "",
    "reference": False,
    "gated": False,
    "seed": 0,
    "config": {},
    "epoch": 0.0,
    "epochs": 1,
    "created": datetime.fromtimestamp(0, UTC),
    "stop_requested": False,
    "figures": {},
    "notes": "",
    "tags": [],
    "seconds": 0.0,
}


def repairs(run: object) -> tuple[dict[str, Any], str | None]:
    """Return the harmless values to show in place of a row's damaged ones, by column, and what is wrong; nothing for a sound row."""
    try:
        StoredRun.model_validate(run)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return {}, None
    columns = {str(fault["loc"][0]) if fault["loc"] else "figures" for fault in faults} - {"status"}
    if not columns <= StoredRun.model_fields.keys():  # the first part of the place is one within the figures
        columns = columns & StoredRun.model_fields.keys() | {"figures"}
    values = {column: HARMLESS.get(column) for column in columns} | {"status": DAMAGED, "figures": {}}
    if "name" in columns:
        values["name"] = f"run {getattr(run, 'id', '')}"
    return values, describe(faults[0])


def describe(fault: Any) -> str:
    """Return in words what is wrong, and where."""
    within = fault["loc"] and fault["loc"][0] in Figures.model_fields
    place = ".".join(map(str, ("figures", *fault["loc"]) if within else fault["loc"]))
    text = " ".join(fault["msg"].removeprefix("Value error, ").split())
    text = {"Field required": "is missing"}.get(text, text.replace("Input should", "must"))
    return f"{place}: {text}" if place else text
