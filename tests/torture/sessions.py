"""Thirty sessions at once on a server of their own, each of which opens pages as a browser does, over its connection alone."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.torture.words import VALUES

ROOT = Path(__file__).parents[2]
SESSIONS, PAGES, SAMPLES = 30, 3, 9
PATIENCE = 240  # seconds
MAX_MB = 1500  # memory of the server
RETURNS, RETURNS_WITHIN = 1.1, 120  # memory after the sessions as a share of that before them, and seconds until then
STEADY = 6  # readings of the memory that have to be alike
NETWORKS = ("cascade-digits", "high-low-digits", "chain-digits", "cascade-faces", "lc-digits")


def sessions(chance: random.Random, folder: Path) -> None:
    """Serve the studio, and let thirty sessions look at networks and odd addresses at once.

    Memory is compared with that after one session saw every picture of each network, and the network that is shown where an address names
    none that is there: their answers are kept for the next.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GATESCOPE_DB": f"sqlite:///{folder / 'runs.db'}", "GATESCOPE_DATA": str(folder), "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "app", "--server.port", str(port), "--server.headless", "true"]
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    try:
        _wait(port, server)
        errors: list[str] = []
        _visit(port, [*(_page(name, sample) for name in NETWORKS for sample in range(SAMPLES)), {"run": "gone"}], errors)
        assert not errors, errors
        before = _settled(server.pid)
        seeds = [chance.randrange(2**31) for _ in range(SESSIONS)]
        threads = [threading.Thread(target=_session, args=(port, random.Random(seed), errors)) for seed in seeds]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + PAGES * PATIENCE
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        assert not any(thread.is_alive() for thread in threads), "a session waits for its page"
        assert not errors, errors
        assert server.poll() is None, "the server has ended"
        assert "Traceback" not in (folder / "log").read_text(errors="replace")
        peak = _memory(server.pid, "VmHWM")
        assert peak <= MAX_MB, f"the server took {peak} MB"
        deadline = time.monotonic() + RETURNS_WITHIN
        while (after := _memory(server.pid, "VmRSS")) > RETURNS * before and time.monotonic() < deadline:
            time.sleep(1)
        assert after <= RETURNS * before, f"the server had {before} MB before the sessions and has {after} MB after them"
    finally:
        server.terminate()
        server.wait(30)


def _page(network: str, sample: int) -> dict[str, str]:
    """Return the query of a page: a network that ships and one of its samples."""
    return {"run": f"reference/{network}", "sample": str(sample)}


def _session(port: int, chance: random.Random, errors: list[str]) -> None:
    """Open a few pages, some by odd addresses."""
    queries = []
    for _ in range(PAGES):
        query = _page(chance.choice(NETWORKS), chance.randrange(SAMPLES))
        if chance.random() < 0.3:
            query[chance.choice(("run", "lam", "node"))] = chance.choice(VALUES)[:200]
        queries.append(query)
    _visit(port, queries, errors)


def _visit(port: int, queries: Sequence[Mapping[str, str]], errors: list[str]) -> None:
    """Open the page of each query in turn, in one session. What goes wrong is added to the errors."""
    try:
        with connect(f"ws://localhost:{port}/_stcore/stream", max_size=None, ping_interval=None, subprotocols=["streamlit"]) as line:  # type: ignore[list-item]
            for query in queries:
                asked = BackMsg()
                asked.rerun_script.query_string = urlencode(query, errors="replace")
                line.send(asked.SerializeToString())
                _drawn(line)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")


def _drawn(line: object) -> None:
    """Read what a page consists of, to its end. Raises AssertionError for an error on it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = ForwardMsg.FromString(line.recv(timeout=PATIENCE))  # type: ignore[attr-defined]
        assert message.delta.new_element.WhichOneof("type") != "exception", message.delta.new_element.exception.message
        if message.WhichOneof("type") == "script_finished":
            return
    raise TimeoutError("a page was not drawn")


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise TimeoutError("the server does not answer")


def _settled(pid: int) -> int:
    """Return the memory of a process in MB once it has stayed the same for a while: what goes on in the background has ended."""
    seen = list[int]()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        seen.append(_memory(pid, "VmRSS"))
        if len(seen) > STEADY and max(seen[-STEADY:]) - min(seen[-STEADY:]) <= 1:
            return seen[-1]
        time.sleep(2)
    raise TimeoutError(f"the server's memory does not settle: {seen[-STEADY:]} MB")


def _memory(pid: int, which: str) -> int:
    """Return the memory of a process in MB, now (VmRSS) or at its highest (VmHWM); 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(which)), 0)
