"""A PostgreSQL server of the tests' own, in a folder of its own, on a free port of this computer."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWNER = "postgres"  # the system's user that runs the server where the tests run as root, whom PostgreSQL refuses
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}


@contextmanager
def server(folder: Path, **settings: str) -> Iterator[str]:
    """Yield the address of a new server, without the name of a database. It has these settings, and ends with the block."""
    data, log = folder / "data", folder / "log"
    folder.mkdir(parents=True, exist_ok=True)
    root = os.name == "posix" and os.geteuid() == 0
    if root:
        shutil.chown(folder, OWNER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = OWNER if root else getpass.getuser()
    _run(root, folder, "initdb", "--pgdata", data, "--username", user, "--auth", "trust", "--no-sync", "--locale", "C.UTF-8")
    options = " ".join(f"-c {name}={value!r}" for name, value in (SETTINGS | {"port": str(port)} | settings).items())
    _run(root, folder, "pg_ctl", "start", "--wait", "--pgdata", data, "--log", log, "--options", options)
    try:
        yield f"postgresql+psycopg://{user}@127.0.0.1:{port}"
    finally:
        with suppress(RuntimeError):
            _run(root, folder, "pg_ctl", "stop", "--wait", "--mode", "immediate", "--pgdata", data)


def program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL. Raises FileNotFoundError if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} of PostgreSQL is not installed: sh tests/install.sh postgresql")
    return path


def _run(root: bool, folder: Path, name: str, *words: object) -> None:
    """Run a program of PostgreSQL, as its own user where this one is root. Raises RuntimeError."""
    command = [program(name), *map(str, words)]
    as_owner = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"] if root else []
    environment = os.environ | {"LC_ALL": "C.UTF-8", "HOME": str(folder)}
    output = folder / f"{name}.txt"  # not a pipe, which the server would keep open
    with output.open("w") as log:
        done = subprocess.run(
            [*as_owner, *command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{name} ended with status {done.returncode}: {output.read_text(errors='replace')}")
