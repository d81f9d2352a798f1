"""Services that show the figures of trainings beside the store, one file each. A service's package is imported only where it is used."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from core.errors import UserError
from core.store import Run

TRACKED_PROJECT = "gatescope"  # under which a service lists the runs
TRACKER = "GATESCOPE_LOG"  # environment variable: the tracker of trainings for which none is named, as those that the studio starts
Ending = Literal["finished", "stopped", "failed"]


class TrackerError(UserError):
    """Raised where a tracker is unknown, lacks its package or does not open a run. The text is one line that says what to do."""


class Tracker(ABC):
    """One run in a service. Any method may raise whatever the service's package raises.

    A class is found by the name of its file: `core/trackers/wandb.py` has the tracker of `--log wandb`.
    """

    package: ClassVar[str]  # as it is imported, and as pip installs it

    @abstractmethod
    def __init__(self, library: Any, run: Run) -> None:
        """Open the run in the service, or the one that an earlier process has opened for it. `library`: the imported package."""

    @abstractmethod
    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the metrics of an epoch."""

    @abstractmethod
    def end(self, ending: Ending, epoch: int, figures: Mapping[str, float]) -> None:
        """Close the run, with the figures of the trained network if it is finished."""


def trackers() -> list[str]:
    """Return the names of all trackers, in alphabetical order, without importing any."""
    return sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py"))


@cache
def tracker(name: str) -> type[Tracker]:
    """Return the class of a tracker. Raises TrackerError if there is none of this name or its package is not installed."""
    if name not in trackers():
        raise TrackerError(f"{name!r} is not a tracker: choose one of {', '.join(trackers())}")
    found = vars(import_module(f"core.trackers.{name}")).values()
    kind = next(value for value in found if isinstance(value, type) and issubclass(value, Tracker) and value is not Tracker)
    return kind


def check_tracker(name: str | None) -> None:
    """Raise TrackerError if a tracker cannot be used: it is unknown, or its package is not installed."""
    if name:
        package = tracker(name).package
        if not _installed(package):
            raise TrackerError(f"logging to {name} needs a package that is not installed: python -m pip install {package}")


def open_run(name: str, run: Run) -> Tracker:
    """Open a run in a service. Raises TrackerError."""
    check_tracker(name)
    try:
        return tracker(name)(import_module(tracker(name).package), run)
    except Exception as error:  # a service's package may raise anything
        raise TrackerError(f"{name} does not open the run: {one_sentence(error)}. Correct this, or train without it") from error


def identity(run: Run) -> str:
    """Return a text that names a run in a service, also after it is renamed, and that no other database's run has."""
    return f"{TRACKED_PROJECT}-{run.created:%Y%m%d-%H%M%S-%f}-{run.id}"


def settings_of(run: Run) -> dict[str, Any]:
    """Return the configuration of a run on one level: the components by part, their options as part.option, and λ."""
    flat: dict[str, Any] = {}
    for part, chosen in run.config.items():
        if isinstance(chosen, dict):
            flat |= {part if option == "name" else f"{part}.{option}": value for option, value in chosen.items()}
        else:
            flat[part] = chosen
    return flat


def one_sentence(error: Exception) -> str:
    """Return what went wrong on one line, without the full stop."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def _installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ValueError:  # it is imported already and does not say from where
        return True
