"""Refuses requests that name another host than this computer, so that a page which another site's name leads to gets no answer."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.hosts import LOCAL_HOSTS, is_loopback
from core.serving.body import Refusal


class HostCheck:
    """An application behind a check of the headers Host and, where a page sends it, Origin. `host`: the name under which it is served."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app = app
        self._names = {*LOCAL_HOSTS, host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it with status 403."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            origin = headers.get(b"origin")
            if not self._is_named(f"//{host}") or (origin is not None and not self._is_named(origin.decode("latin-1"))):
                await Refusal(403, "this server answers this computer only, under the name localhost")(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_named(self, address: str) -> bool:
        """Return whether an address, "//host:port" or a URL, names this computer."""
        try:
            name = urlsplit(address).hostname or ""
        except ValueError:
            return False
        return name in self._names or is_loopback(name)
