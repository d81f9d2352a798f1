"""Prints how soon Explore's server answers twelve sessions at once: `python tests/browser/connections.py`.

As sessions.py, but for visitors whose browsers are on computers of their own: each session speaks over a browser's connection, and asks
for all that its browser would: a network or a sample, what follows of it as soon as the graph is there, and what is drawn every second.
"""

import json
import os
import random
import statistics
import threading
import time
from contextlib import ExitStack
from urllib.parse import parse_qs, urlencode

from large import memory
from sessions import NETWORKS, REST, SECONDS, VISITORS, print_memory, processor, studio
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 120  # seconds
SAMPLES = 8
GRAPH = "gatescope_gate_graph"  # name of the component
AT_REST = {"inspected": {"selected": None, "step": 50, "option": None, "method": ""}, "expanded": []}  # its state


class Session:
    """A visitor's connection."""

    def __init__(self, port: int) -> None:
        address = f"ws://localhost:{port}/_stcore/stream"
        self._open = ExitStack()
        self._line = self._open.enter_context(connect(address, max_size=None, ping_interval=None, subprotocols=["streamlit"]))  # type: ignore[list-item]
        self._query = ""
        self._pending: str | None = None  # what the graph still waits for
        self._polls: dict[str, tuple[float, float]] = {}  # of each fragment that is drawn again: its interval, and when it is due

    def show(self, network: str, sample: int) -> float:
        """Ask for a sample of a network; return the seconds until its graph is there."""
        self._query = urlencode({"run": f"reference/{network}", "sample": sample})
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.is_history_navigation = True
        begun = time.perf_counter()
        self._line.send(asked.SerializeToString())
        self._read(begun + PATIENCE, shown=True)
        return time.perf_counter() - begun

    def stay(self, seconds: float) -> None:
        """Take what comes, and ask for what a browser asks for without a click."""
        self._read(time.perf_counter() + seconds)

    def finish(self) -> None:
        """Take what comes until all values of λ and times are there."""
        until = time.perf_counter() + PATIENCE
        while self._pending is not None:
            if time.perf_counter() > until:
                raise TimeoutError(f"the graph still waits for {self._query}")
            self.stay(0.5)

    def close(self) -> None:
        """End the session."""
        self._open.close()

    def _read(self, until: float, *, shown: bool = False) -> None:
        """Read until then, or until the graph of the present query is `shown`."""
        while (now := time.perf_counter()) < until:
            for fragment, (interval, due) in self._polls.items():
                if due <= now:
                    self._ask(fragment, is_auto_rerun=True)
                    self._polls[fragment] = (interval, now + interval)
            first = min((due for _, due in self._polls.values()), default=until)
            try:
                message = ForwardMsg.FromString(self._line.recv(timeout=max(min(until, first) - now, 0.001)))
            except TimeoutError:
                continue
            kind = message.WhichOneof("type")
            if kind == "new_session" and not message.metadata.run.fragment_ids:
                self._polls.clear()
            elif kind == "auto_rerun":
                interval = message.auto_rerun.interval
                self._polls[message.auto_rerun.fragment_id] = (interval, time.perf_counter() + interval)
            elif kind == "delta" and self._drawn(message) and shown:
                return
        if shown:
            raise TimeoutError(f"no graph for {self._query}")

    def _drawn(self, message: ForwardMsg) -> bool:
        """Return whether a message is the graph of the present query. Asks for what follows, as soon as it is there."""
        element = message.delta.new_element
        assert element.WhichOneof("type") != "exception", element.exception.message
        component = element.bidi_component
        if component.component_name != GRAPH:
            return False
        view = json.loads(component.json)
        known, self._pending = self._pending, view["pending"]
        if view["pending"] not in (None, known):
            state = json.dumps(AT_REST | {"awaited": view["pending"]})
            self._ask(message.delta.fragment_id, (component.id, state))
        return parse_qs(view["link"]) == parse_qs(self._query)

    def _ask(self, fragment: str, state: tuple[str, str] | None = None, *, is_auto_rerun: bool = False) -> None:
        asked = BackMsg()
        request = asked.rerun_script
        request.query_string, request.fragment_id, request.is_auto_rerun = self._query, fragment, is_auto_rerun
        if state is not None:
            widget = request.widget_states.widgets.add()
            widget.id, widget.json_value = state
        self._line.send(asked.SerializeToString())


def visit(port: int, number: int, begin: threading.Barrier, taken: list[float], errors: list[str]) -> None:
    """Change networks and samples for a minute, from when all sessions are there."""
    chance = random.Random(number)
    name = NETWORKS[number % len(NETWORKS)]
    session = Session(port)
    try:
        session.show(name, 0)
        begin.wait(PATIENCE)
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            if chance.random() < 0.4:
                name = chance.choice([other for other in NETWORKS if other != name])
            taken.append(session.show(name, chance.randrange(SAMPLES)))
            session.stay(chance.uniform(0.5, 1.5))
    except Exception as error:
        begin.abort()
        errors.append(f"{type(error).__name__}: {error}")
    finally:
        session.close()


def visits(port: int, process: int) -> None:
    one = Session(port)
    for name in NETWORKS:
        one.show(name, 0)
        one.finish()
    one.close()
    time.sleep(REST)
    before = memory(process)[0]
    print(f"the server after one visitor saw each network: {before:.0f} MB; load {os.getloadavg()[0]:.1f}", flush=True)
    taken, errors, begin = list[float](), list[str](), threading.Barrier(VISITORS)
    visitors = [threading.Thread(target=visit, args=(port, number, begin, taken, errors)) for number in range(VISITORS)]
    used, at = processor(process), time.perf_counter()
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not errors, errors
    seconds, used = time.perf_counter() - at, processor(process) - used
    print(f"processor time of the server in {seconds:.0f} s on {os.cpu_count()} cores: {used:.0f} s; then {memory(process)[0]:.0f} MB")
    most = sorted(taken)[int(0.95 * len(taken))]
    figures = f"median {statistics.median(taken):.2f} s, 95% below {most:.2f} s, worst {max(taken):.2f} s"
    print(f"{VISITORS} visitors: {len(taken)} answers: {figures}")
    time.sleep(REST)
    print_memory(process, before)


def main() -> None:
    with studio() as (address, process):
        visits(int(address.rpartition(":")[2]), process)


if __name__ == "__main__":
    main()
