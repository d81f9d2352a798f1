"""One reproduction of a fault: what is tried, and what counts as held."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reproductions.studio import Studio


class NotThereError(Exception):
    """Raised where a checkout, or this computer, lacks what a reproduction uses."""


@dataclass(frozen=True)
class Reproduction:
    """A fault by its number, in words, and how it is tried.

    `attempt` raises AssertionError for what does not hold. `memory`: whether peak memory is the point. `quick`: whether it belongs to
    `make test`.
    """

    number: str
    tried: str
    attempt: Callable[["Studio"], None]
    memory: bool = False
    quick: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a reproduction. `verdict`: held, failed or not there; `peak`: MB of its largest process."""

    verdict: str
    reason: str
    seconds: float
    peak: int
