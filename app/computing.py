"""The server's computations, which all sessions share: one at a time, the most urgent first, and long ones in steps.

A session waits for its own without blocking: Streamlit stops a page that waits as soon as its visitor does something else or leaves. What
nobody waits for any more is dropped. Computing one at a time bounds memory, and keeps answers quick while many sessions wait.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import streamlit as st

from core.malloc import return_freed_memory

T = TypeVar("T")
ANSWER, SWEEP, TIMES = range(3)  # urgency: a first answer comes before any sweep along λ, and times come last
POLL = 0.05  # seconds between looks at whether a page that waits is to stop
IDLE = 2.0  # seconds without work after which freed memory is returned


class Computation(Generic[T]):
    """A computation in steps that a session waits for. Its generator returns the result."""

    def __init__(self, steps: "Callable[[], Iterator[None]]", result: Callable[[], T], urgency: int) -> None:
        """`steps` begins it, and `result` reads its result once its steps are over."""
        self.begin, self.read, self.urgency = steps, result, urgency
        self.running: Iterator[None] | None = None
        self.turn = 0  # when it last had its turn
        self.ended = threading.Event()
        self.dropped = False
        self.found: T | None = None
        self.error: BaseException | None = None

    def advance(self) -> bool:
        """Take one step; return whether that was the last."""
        try:
            self.running = self.begin() if self.running is None else self.running
            next(self.running)
        except StopIteration:
            self.found = self.read()
        except BaseException as error:  # noqa: BLE001 - the session that waits gets it
            self.error = error
        else:
            return False
        return True

    def result(self) -> T:
        """Return the result once it is there. Raises what the computation raised."""
        if self.error is not None:
            raise self.error
        return self.found  # type: ignore[return-value]  # set where there was no error


class Queue:
    """Computations that wait for their turn, and the thread that gives it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: list[Computation[object]] = []
        self._changed = threading.Condition()
        self._turns = 0
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a computation waits or runs."""
        return bool(self._waiting)

    def add(self, computation: "Computation[T]") -> "Computation[T]":
        """Let a computation wait for its turn; return it."""
        with self._changed:
            self._waiting.append(computation)  # type: ignore[arg-type]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return computation

    def _work(self) -> None:
        while True:
            computation = self._next()
            if computation.advance():
                with self._changed:
                    self._waiting.remove(computation)
                computation.ended.set()

    def _next(self) -> "Computation[object]":
        """Return the most urgent computation; of equally urgent ones the one whose last turn was longest ago. Waits until there is one."""
        with self._changed:
            idle = False
            while True:
                self._waiting = [one for one in self._waiting if not one.dropped]
                if self._waiting:
                    break
                if not self._changed.wait(None if idle else IDLE):
                    idle = True
                    return_freed_memory()
            self._turns += 1
            computation = min(self._waiting, key=lambda one: (one.urgency, one.turn))
            computation.turn = self._turns
            return computation


QUEUE = Queue("computing")
TIMING = Queue("timing")  # a network is compiled in one long step, which must not delay an answer


def computed(work: Callable[[], T], urgency: int = ANSWER) -> T:
    """Return the result of some work, computed in its turn."""
    found: list[T] = []

    def steps() -> Iterator[None]:
        found.append(work())
        yield from ()

    return wait_for(QUEUE.add(Computation(steps, lambda: found[0], urgency)))


def wait_for(computation: Computation[T]) -> T:
    """Wait for a computation, as long as the visitor of this page does; return its result."""
    try:
        while not computation.ended.wait(POLL):
            "waiting" in st.session_state  # noqa: B015 - here Streamlit stops a page whose visitor did something else
    except BaseException:
        computation.dropped = True
        raise
    return computation.result()
