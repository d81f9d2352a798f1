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
from pathlib import Path
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.torture.words import VALUES

ROOT = Path(__file__).parents[2]
SESSIONS, PAGES = 30, 3
PATIENCE = 240  # seconds
MAX_MB = 1500  # memory of the server
NETWORKS = ("cascade-digits", "high-low-digits", "chain-digits", "cascade-faces", "lc-digits")


def sessions(chance: random.Random, folder: Path) -> None:
    """Serve the studio, and let thirty sessions look at networks and odd addresses at once."""
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
        seeds = [chance.randrange(2**31) for _ in range(SESSIONS)]
        threads = [threading.Thread(target=_session, args=(port, random.Random(seed), errors)) for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not errors, errors
        assert server.poll() is None, "the server has ended"
        assert "Traceback" not in (folder / "log").read_text(errors="replace")
        peak = _peak(server.pid)
        assert peak <= MAX_MB, f"the server took {peak} MB"
    finally:
        server.terminate()
        server.wait(30)


def _session(port: int, chance: random.Random, errors: list[str]) -> None:
    try:
        with connect(f"ws://localhost:{port}/_stcore/stream", max_size=None, ping_interval=None, subprotocols=["streamlit"]) as line:  # type: ignore[list-item]
            for _ in range(PAGES):
                query = {"run": f"reference/{chance.choice(NETWORKS)}", "sample": str(chance.randrange(9))}
                if chance.random() < 0.3:
                    query[chance.choice(("run", "lam", "node"))] = chance.choice(VALUES)[:200]
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


def _peak(pid: int) -> int:
    """Return the most memory that a process has taken, in MB; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
