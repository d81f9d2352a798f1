"""A checkout of the project with a fresh folder and database, as a person uses it: commands, pages and servers, each a process."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reproductions.reproduction import NotThereError

PATIENCE = 300.0  # seconds of one process, unless a reproduction says otherwise
PAGE = Path(__file__).with_name("page.py")
EXPORTED = "assets/reference/cascade-digits.safetensors"
NETWORK = "reference/cascade-digits"
PLAIN = ("train", "plain", "--dataset", "digits", "--method", "static", "--set", "architecture.widths=[4]")
MAX_MEMORY = 12 << 30  # bytes of address space of a process
DROP_CAPABILITY, OVERRIDE_MODES = 24, 1  # of Linux: prctl's number, and the right to write what no one may
UNKNOWN = ("No such command", "No such option", "No module named core.")


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status, what it wrote, seconds, seconds of the processor, and MB of it or of its largest child.

    `late`: it had to be ended.
    """

    status: int
    out: str
    err: str
    seconds: float
    processor: float
    peak: int
    late: bool = False

    @property
    def lines(self) -> list[str]:
        """What it wrote to standard error, line by line."""
        return [line for line in self.err.splitlines() if line.strip()]


@dataclass
class Studio:
    """A checkout, and the folder in which a reproduction works. `peak`: MB of the largest process so far."""

    tree: Path
    folder: Path
    peak: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The file of the runs."""
        return self.folder / "runs.db"

    def environment(self) -> dict[str, str]:
        """Return the variables of a process: the checkout's modules, and a database and data of its own."""
        own = {"GATESCOPE_DB": f"sqlite:///{self.database}", "GATESCOPE_DATA": str(self.folder), "PYTHONPATH": str(self.tree)}
        own |= {"GATESCOPE_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return os.environ | own | self.extra

    def start(self, words: Sequence[str], *, here: Path | None = None, as_user: bool = False, **files: Any) -> subprocess.Popen[bytes]:
        """Start Python with these words, in a group of its own. `as_user`: bound by the modes of files, as root is not."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=here or self.folder,
            env=self.environment(),
            process_group=0,
            preexec_fn=_limit_user if as_user else _limit_memory,  # no thread of this process holds a lock
            **files,
        )

    def ended(self, process: subprocess.Popen[bytes], began: float, deadline: float) -> tuple[float, float, int, bool]:
        """Wait for a process; return its seconds, those of the processor, its peak in MB, and whether it was too slow and was ended."""
        late, peak = False, 0
        while True:
            peak = max(peak, _memory(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline and not late:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.peak = max(self.peak, peak)
        return time.monotonic() - began, usage.ru_utime + usage.ru_stime, peak, late

    def python(
        self,
        *words: str,
        limit: float = PATIENCE,
        given: bytes = b"",
        here: Path | None = None,
        as_user: bool = False,
        during: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
    ) -> Ended:
        """Run Python with these words. `given`: its standard input; `during` gets the process, and `limit` counts from its return."""
        names = [self.folder / f".{what}" for what in ("in", "out", "err")]
        names[0].write_bytes(given)
        began = time.monotonic()
        with names[0].open("rb") as taken, names[1].open("wb") as out, names[2].open("wb") as err:
            process = self.start(words, here=here, as_user=as_user, stdin=taken, stdout=out, stderr=err)
            try:
                during(process)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            measured = self.ended(process, began, time.monotonic() + limit)
        texts = [name.read_text(errors="replace") for name in names[1:]]
        if any(word in texts[1] for word in UNKNOWN):
            raise NotThereError(" ".join(texts[1].split())[-200:])
        return Ended(process.returncode, *texts, *measured)

    def command(self, *words: object, **options: Any) -> Ended:
        """Run `python -m core` with these words. Raises AssertionError for a traceback, a crash, or where it takes too long."""
        done = self.python("-m", "core", *map(str, words), **options)
        assert not done.late, f"{words[0]} had not ended after {done.seconds:.0f} s"
        assert "Traceback" not in done.err, f"{words[0]}: {done.lines[-1][:150]}"
        assert done.status in (0, 2), f"{words[0]} ended with status {done.status}: {done.err[-150:]}"
        return done

    def works(self, *words: object, **options: Any) -> Ended:
        """Run a command that has to succeed."""
        done = self.command(*words, **options)
        assert done.status == 0, f"{words[0]}: {done.err[-300:].strip()}"
        return done

    def refused(self, *words: object, told: str = "", **options: Any) -> str:
        """Run a command that has to be refused in one line, and return the line. `told`: what it has to say."""
        done = self.command(*words, **options)
        shown = " ".join(map(str, words))[:60]
        assert done.status == 2, f"{shown}: taken, with status {done.status}"
        assert len(done.lines) == 1, f"{shown}: refused in {len(done.lines)} lines"
        assert told in done.err, f"{shown}: {done.lines[0][:150]}"
        return done.lines[0]

    def pages(self, *steps: Mapping[str, Any], limit: float = PATIENCE) -> dict[str, Any]:
        """Draw pages in a process and return what they show. Raises AssertionError for an error on one."""
        shown = self.drawn(*steps, limit=limit)
        assert not shown["errors"], f"a page shows {shown['errors'][0][:150]}"
        return shown

    def drawn(self, *steps: Mapping[str, Any], limit: float = PATIENCE) -> dict[str, Any]:
        """Draw pages in a process and return what they show, errors included."""
        done = self.python("-P", str(PAGE), str(self.tree), json.dumps(steps), limit=limit)
        assert done.status == 0, done.err[-300:]
        found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
        return found

    def rows(self, what: str = "*", where: str = "NOT reference") -> list[tuple[Any, ...]]:
        """Return rows of the runs as they are stored; none while there is no database."""
        if not self.database.exists():
            return []
        connection = sqlite3.connect(self.database, timeout=30)
        try:
            return connection.execute(f"SELECT {what} FROM runs WHERE {where}").fetchall()
        except sqlite3.OperationalError:  # the tables are being made
            return []
        finally:
            connection.close()

    def change(self, statement: str, *values: object) -> None:
        """Change the database behind the project's back."""
        connection = sqlite3.connect(self.database, timeout=30)
        with connection:
            connection.execute(statement, values)
        connection.close()

    def trained(self, name: str = "it", *more: object) -> None:
        """Train a small network for one epoch."""
        self.works(*PLAIN, "--epochs", 1, "--name", name, *more)

    def until(self, met: Callable[[], object], limit: float = PATIENCE, what: str = "what was waited for did not happen") -> None:
        """Wait until something is true. Raises AssertionError."""
        deadline = time.monotonic() + limit
        while not met():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    @contextmanager
    def serving(self, *words: str, path: str, limit: float = PATIENCE) -> Iterator[int]:
        """Start a server on a free port, and yield the port once it answers at a path."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = self.folder / ".log"
        with log.open("wb") as out:
            process = self.start([word.format(port=port) for word in words], stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + limit
            while self.asked(port, path)[0] != 200:
                told = log.read_text(errors="replace")
                if process.poll() is not None or time.monotonic() > deadline:
                    raise NotThereError(told[-200:]) if any(word in told for word in UNKNOWN) else AssertionError(told[-200:])
                time.sleep(0.2)
            yield port
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def asked(self, port: int, path: str, host: str = "localhost", **headers: str) -> tuple[int, str]:
        """Return the status and the text of a response, for a request under the name of any host; status 0 where there is none."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        text = b""
        try:
            with socket.create_connection(("localhost", port), timeout=20) as line:
                line.sendall("\r\n".join([*lines, *([] if headers else ["Connection: close"]), "", ""]).encode())
                while (part := line.recv(65536)) and not (headers and b"\r\n\r\n" in text + part):
                    text += part
                text += part
        except OSError:
            return 0, ""
        return int(text.split()[1]) if text else 0, text.decode(errors="replace")


def _limit_memory() -> None:
    import resource

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what it starts in the background, and so would the process
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _limit_user() -> None:
    import ctypes

    _limit_memory()
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(DROP_CAPABILITY, OVERRIDE_MODES, 0, 0, 0)


def _memory(process: int) -> int:
    """Return the MB that a process, or the largest that it started, has held at most so far; 0 once it is gone.

    What `wait4` says of it counts the process that started it as well, up to the point at which Python was loaded.
    """
    folder = Path(f"/proc/{process}")
    try:
        (highest,) = [line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM")]
        started = [int(child) for tasks in folder.glob("task/*/children") for child in tasks.read_text().split()]
    except (OSError, ValueError):
        return 0
    return max(int(highest.split()[1]) // 1024, *(_memory(child) for child in started), 0)
