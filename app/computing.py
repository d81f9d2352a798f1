"""The server's computations, which all sessions share: one at a time, the most urgent first, and long ones in steps.

A session waits for its own without blocking: Streamlit stops a page that waits as soon as its visitor does something else or leaves. What
nobody waits for any more is dropped. Computing one at a time bounds memory, and keeps answers quick while many sessions wait.
"""

import atexit
import gc
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType, _has_active_trigger_value
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from core.malloc import return_freed_memory

T = TypeVar("T")
ANSWER, SWEEP, TIMES, SURVEY = range(4)  # urgency: a first answer comes before any sweep along λ, and what nobody waits for comes last
PATIENCE_SLICE = 0.05  # seconds between looks at whether a page that waits is to stop
CLOSING = 10.0  # seconds that the end of the process waits for a step
SURVEYS_REST = 1.0  # seconds after an answer in which surveys rest: a browser draws it meanwhile, perhaps on this computer
DRAWN_AGAIN = "drawn again"  # key of the session: the request that follows is not the browser's, so its address may not have arrived there
IDLE, LONG_IDLE = 2.0, 30.0  # seconds without work after which garbage is collected and freed memory returned, at first and then


class Computation(Generic[T]):
    """A computation in steps that a session waits for. What its generator returns is the result."""

    def __init__(self, begin: Callable[[], Generator[None, None, T]], urgency: int) -> None:
        self.begin, self.urgency = begin, urgency
        self.turn = 0  # when it last had its turn
        self.ended = threading.Event()
        self.dropped = False
        self.error: BaseException | None = None
        self.found: T
        self._running: Generator[None, None, T] | None = None

    def advance(self) -> bool:
        """Take one step; return whether that was the last."""
        try:
            self._running = self._running or self.begin()
            next(self._running)
        except StopIteration as end:
            self.found = end.value
        except BaseException as error:  # the session that waits gets it
            self.error = error
        else:
            return False
        return True

    def result(self) -> T:
        """Return the result once it has ended. Raises what the computation raised."""
        if self.error is not None:
            raise self.error
        return self.found


class Queue:
    """Computations that wait for their turn, and the thread that gives it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._waiting: list[Computation[Any]] = []
        self._changed = threading.Condition()
        self._turns = 0
        self._answered = -SURVEYS_REST  # when the last answer was there
        self._thread: threading.Thread | None = None
        self._closed, self._resting = threading.Event(), threading.Event()

    @property
    def busy(self) -> bool:
        """Whether a computation waits or runs."""
        return bool(self._waiting)

    def add(self, computation: "Computation[T]") -> "Computation[T]":
        """Let a computation wait for its turn; return it."""
        with self._changed:
            computation.turn = self._turns  # behind those that wait already
            self._waiting.append(computation)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._changed.notify()
        return computation

    def close(self) -> None:
        """Take no further step; return once the present one has ended, or after a few seconds. A thread within torch must not be killed."""
        self._closed.set()
        self._resting.wait(CLOSING)

    def _work(self) -> None:
        while True:
            self._resting.set()
            computation = self._next()
            self._resting.clear()
            if self._closed.is_set():
                self._resting.set()
                return
            if computation.advance():
                if computation.urgency == ANSWER:
                    self._answered = time.monotonic()
                with self._changed:
                    self._waiting.remove(computation)
                computation.ended.set()

    def _next(self) -> "Computation[Any]":
        """Return the most urgent computation; of equally urgent ones the one whose last turn was longest ago. Waits until there is one."""
        with self._changed:
            rest = IDLE
            while True:
                self._waiting = [one for one in self._waiting if not one.dropped]
                if self._waiting:
                    computation = min(self._waiting, key=lambda one: (one.urgency, one.turn))
                    early = self._answered + SURVEYS_REST - time.monotonic() if computation.urgency == SURVEY else 0.0
                    if early <= 0:
                        break
                    self._changed.wait(early)
                elif not self._changed.wait(rest):
                    rest = LONG_IDLE  # sessions may end meanwhile
                    gc.collect()
                    return_freed_memory()
            self._turns += 1
            computation.turn = self._turns
            return computation


QUEUE = Queue("computing")
TIMING = Queue("timing")  # a network is compiled in one long step, which must not delay an answer


def computed(work: Callable[[], T], urgency: int = ANSWER) -> T:
    """Return the result of some work, computed in its turn."""

    def steps() -> Generator[None, None, T]:
        yield from ()
        return work()

    return wait_for(QUEUE.add(Computation(steps, urgency)))


def wait_for(computation: Computation[T]) -> T:
    """Wait for a computation, as long as the visitor of this page does; return its result."""
    while not _ended(computation):
        pass
    return computation.result()


def ended(computation: Computation[T], seconds: float = math.inf) -> bool:
    """Return whether a computation ends in this time, and before its visitor does something else.

    Streamlit itself stops a page only for what concerns all of it, and not for what concerns a fragment.
    """
    until = time.monotonic() + seconds
    while not _ended(computation):
        if time.monotonic() >= until or _fragment_asked():
            return False
    return True


@contextmanager
def kept(computation: Computation[T] | None) -> Iterator[None]:
    """Drop a computation, if there is one, where what is done before it is waited for comes to no end."""
    try:
        yield
    except BaseException:
        if computation is not None:
            computation.dropped = True
        raise


def draw_after(computation: Computation[T]) -> None:
    """Draw the fragment that runs, or the page, once more as soon as a computation has ended. Raises what the computation raised.

    If its visitor does something else in a fragment, that is done with the drawing, and the computation is dropped.
    """
    if ended(computation):
        computation.result()
    else:
        computation.dropped = True
    draw_again()


def draw_again() -> None:
    """Draw the fragment that runs, or the page, once more."""
    st.session_state[DRAWN_AGAIN] = True  # here, too, Streamlit stops a page for what concerns all of it
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # the whole page is running
        st.rerun()


def _ended(computation: Computation[T]) -> bool:
    """Wait for a computation for a moment; return whether it has ended."""
    try:
        "waiting" in st.session_state  # noqa: B015 - here Streamlit stops a page whose visitor did something else
        return computation.ended.wait(PATIENCE_SLICE)
    except BaseException:
        computation.dropped = True
        raise


def _fragment_asked() -> bool:
    """Return whether a request waits to draw the fragment that runs, or one of a person to draw another: none that comes every second."""
    context = get_script_run_ctx()
    requests = None if context is None else context.script_requests
    if requests is None:
        return False
    with requests._lock:
        if requests._state is not ScriptRequestType.RERUN:
            return False
        asked = requests._rerun_data
        clicked = asked.widget_states is not None and any(map(_has_active_trigger_value, asked.widget_states.widgets))
        return not asked.is_auto_rerun or clicked or _this_fragment() in asked.fragment_id_queue


def _this_fragment() -> str | None:
    return ThreadState.get().fragment_id
