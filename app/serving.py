"""The options with which the studio is served: those that are given, and safe values for the others."""

import os
import socket
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from streamlit.config import get_config_files
from streamlit.string_util import to_snake_case

from core.hosts import LOCAL_HOSTS, leads_here

PORT = 8501  # the first port that is tried
TRIED = 100  # ports that are tried
QUIET = {"browser.gatherUsageStats": "false", "server.fileWatcherType": "none", "runner.postScriptGC": "false"}


def options(given: Sequence[str]) -> list[str]:
    """Return Streamlit's options: those given, preceded by safe ones where these, the environment and its files say nothing.

    The studio is reached from this computer only, unless `--server.address` says otherwise. There, a page that another site's name leads
    to gets no data. Source files are not watched: Streamlit looks for the files of all modules for each session, and answers nobody
    meanwhile. After each drawing it would look for garbage in all networks and answers that are kept, which the studio does when it rests
    (`app.computing`). Prints a line if the usual port is taken.
    """
    added = [word for name, value in QUIET.items() if not _is_set(name, given) for word in (f"--{name}", value)]
    address = _value("server.address", given)
    if address is None:
        address = LOCAL_HOSTS[0]
        added += ["--server.address", address]
    if leads_here(address) and not _is_set("server.allowedHosts", given):
        added += [word for host in dict.fromkeys((*LOCAL_HOSTS, address.lower())) for word in ("--server.allowedHosts", host)]
    if not _is_set("server.port", given):
        port = free_port(address)
        if port != PORT:
            print(f"Port {PORT} is taken, perhaps by another studio. This one is at http://localhost:{port}.", flush=True)
        added += ["--server.port", str(port)]
    return [*added, *given]


def free_port(address: str, first: int = PORT) -> int:
    """Return the first port from `first` on at which an address can be served; `first` itself where none of a hundred is free."""
    return next((port for port in range(first, first + TRIED) if _free(address, port)), first)


def _free(address: str, port: int) -> bool:
    try:
        family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
            tried.listen(1)
    except OSError:
        return False
    return True


def _is_set(name: str, given: Sequence[str]) -> bool:
    return _value(name, given) is not None


def _value(name: str, given: Sequence[str]) -> str | None:
    """Return the value of an option where it is set: by the options given, by the environment, or by a file of Streamlit's settings."""
    for index in reversed(range(len(given))):
        option, equals, value = given[index].partition("=")
        if option == f"--{name}":
            return value if equals else "".join(given[index + 1 : index + 2])
    section, _, option = name.partition(".")
    variable = f"STREAMLIT_{to_snake_case(section)}_{to_snake_case(option)}".upper()
    found = [os.environ[variable]] if variable in os.environ else []
    for file in reversed(get_config_files("config.toml")):
        with suppress(OSError, ValueError):  # Streamlit names a file that it cannot read
            settings = tomllib.loads(Path(file).read_text(encoding="utf-8"))
            found += [str(settings[section][option])] if option in settings.get(section, {}) else []
    return next(iter(found), None)
