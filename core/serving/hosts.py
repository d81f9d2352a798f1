"""Refuses requests that name another host than this computer, so that a page which another site's name leads to gets no answer."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from core.serving.body import Refusal

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")  # addresses that only this computer reaches, and the hosts that name it


class HostCheck:
    """An application behind a check of the headers Host and, where a page sends it, Origin."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it with status 403."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            origin = headers.get(b"origin")
            if not is_local(f"//{host}") or (origin is not None and not is_local(origin.decode("latin-1"))):
                await Refusal(403, "this server answers this computer only, under the name localhost")(scope, receive, send)
                return
        await self.app(scope, receive, send)


def is_local(address: str) -> bool:
    """Return whether an address, "//host:port" or a URL, names this computer."""
    try:
        return urlsplit(address).hostname in LOCAL_HOSTS
    except ValueError:
        return False
