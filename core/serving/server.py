"""The address at which an application is served, and its server."""

import socket

import uvicorn
from fastapi import FastAPI

from core.errors import UserError

MAX_CONNECTIONS = 1024  # beyond which connections get status 503
GRACE = 5  # seconds that open requests have once the process is to end


class ServingError(UserError):
    """Raised where the address or the port cannot be served."""


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0 takes any that is free. Raises ServingError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        opened = socket.socket(family, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(place)
        opened.listen(MAX_CONNECTIONS)
    except OSError as error:
        raise ServingError(f"{host}:{port} cannot be served ({error.strerror or error}): choose another --port or --host") from None
    return opened


def server(app: FastAPI) -> uvicorn.Server:
    """Return the server of an application. Its `run` answers requests until the process gets a signal to end."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
        )
    )
