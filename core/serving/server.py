"""The address at which an application is served, and its server."""

import asyncio
import socket

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.errors import UserError

MAX_CONNECTIONS = 1024  # beyond which connections get status 503
HEADER_SECONDS = 10.0  # within which the headers of a request must arrive; else its connection is closed
GRACE = 5  # seconds that open requests have once the process is to end


class ServingError(UserError):
    """Raised where the address or the port cannot be served."""


class TimedProtocol(H11Protocol):
    """A connection that is closed if the headers of a request do not arrive in time, so that silent ones do not take all places."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        """Set a deadline while headers are awaited; what arrives of them does not move it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None


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
            http=TimedProtocol,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
        )
    )
