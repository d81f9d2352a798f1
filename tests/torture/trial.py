"""One kind of trial: what it does with chance, and what counts as held."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from core.errors import UserError

Trial = Callable[[random.Random, Path], None]  # gets a generator and an empty folder; raises what is not held


@dataclass(frozen=True)
class Kind:
    """A kind of trials.

    `seconds`: of the processor, at most, for one; `short`: how many belong to `make test`; `share`: of the time; `turn`: seconds before
    the next kind has its turn, at most.
    """

    name: str
    trial: Trial
    seconds: int
    short: int
    share: int = 1
    turn: float = 60.0


class TooSlowError(Exception):
    """Raised in a trial that takes too long."""


class LostError(Exception):
    """Raised by a trial when a run is lost, or ends otherwise than an undisturbed one."""


@dataclass
class Tally:
    """What came of the trials of a kind. `peak`: the most memory of a process that made them, in MB."""

    tried: int = 0
    held: int = 0
    lost: int = 0
    peak: int = 0
    failures: list[str] = field(default_factory=list)


def attempt(kind: Kind, seed: int, folder: Path) -> Exception | None:
    """Make one trial; return why it failed, or none where it held: the right answer, or an error that the user can correct."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {kind.seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, kind.seconds)  # of the processor: on a busy computer any trial may have to wait
    try:
        kind.trial(random.Random(f"{kind.name} {seed}"), folder)
    except UserError as error:
        return None if len(str(error).splitlines()) == 1 else error
    except Exception as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return None
