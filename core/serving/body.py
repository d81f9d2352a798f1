"""Reads the picture and the options of a request to /predict."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import UserError

FORM_BYTES = 65536  # of a form beside its picture
MAX_FIELDS = 16  # of a form
LINGER = 5.0  # seconds for which the rest of a refused body is read, so that its sender sees the response
REQUEST_OPTIONS = ("lam", "budget", "thresholds")
CHARSETS = (b"utf-8", b"utf8", b"us-ascii", b"ascii")  # of the names in a form; others of Python's make letters that no answer can hold
MAX_SHOWN = 60  # characters of an option that a refusal repeats
YES_OR_NO = {"true": True, "1": True, "false": False, "0": False}


class FormParser(MultiPartParser):
    """Reads forms in memory alone: their size is limited, and no picture is to be stored."""

    spool_max_size = sys.maxsize


class BodyTooLargeError(Exception):
    """Raised where a body is larger than the server takes."""


@dataclass(frozen=True)
class PostedPicture:
    """The bytes of a picture, its name, and the options beside it."""

    data: bytes
    name: str
    lam: float | None
    budget: float | None
    thresholds: bool


async def read_body(request: Request, most: int) -> bytes:
    """Return the body of a request. Raises BodyTooLargeError, before any of it is read where its length is announced."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise BodyTooLargeError
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise BodyTooLargeError
        parts.append(part)
    return b"".join(parts)


async def posted_picture(request: Request, body: bytes) -> PostedPicture:
    """Return what a request posts: a form with one file, or a picture alone. Raises UserError."""
    options: dict[str, str] = {name: value for name, value in request.query_params.items() if name in REQUEST_OPTIONS}
    data, name = body, "the picture"
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        file, fields = await _form(request, body)
        options |= fields
        data, name = await file.read(), file.filename or name
        await file.close()
    return PostedPicture(data, name, _number(options, "lam"), _number(options, "budget"), _flag(options, "thresholds"))


async def _form(request: Request, body: bytes) -> tuple[UploadFile, dict[str, str]]:
    """Return the file of a form, and its fields that are options. Raises UserError."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    _, said = parse_options_header(request.headers["content-type"])
    if said.get(b"charset", b"utf-8").lower() not in CHARSETS:
        raise UserError("the form cannot be read (its charset is not UTF-8); send its names in UTF-8")
    try:
        form = await FormParser(request.headers, stream(), max_files=1, max_fields=MAX_FIELDS).parse()
    except (MultiPartException, KeyError) as error:
        raise UserError(f"the form cannot be read ({getattr(error, 'message', None) or 'it has no boundary'}); send one picture") from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if not files:
        raise UserError("the form has no file: send the picture as a file, for example curl -F image=@cat.jpg")
    return files[0], {name: value for name, value in form.items() if name in REQUEST_OPTIONS and isinstance(value, str)}


def _number(options: Mapping[str, str], name: str) -> float | None:
    """Return an option as a number; none where it is not given. Raises UserError."""
    if not options.get(name):
        return None
    try:
        return float(options[name])
    except ValueError:
        raise UserError(f"{name} must be a number, not {options[name][:MAX_SHOWN]!r}") from None


def _flag(options: Mapping[str, str], name: str) -> bool:
    given = options.get(name, "false").lower()
    if given not in YES_OR_NO:
        raise UserError(f"{name} must be true or false, not {options[name][:MAX_SHOWN]!r}")
    return YES_OR_NO[given]


class Refusal(Response):
    """An error as JSON, `{"error": reason}`. It is sent at once; what its sender still sends is then read and dropped for some seconds.

    Closing the connection at once would make the system reset it, and the sender would not see the response.
    """

    media_type = "application/json"

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps({"error": reason}, ensure_ascii=False), status, {"connection": "close", **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, then read the rest of the body."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if not any(name == b"expect" for name, _ in scope["headers"]):  # reading would invite a sender that waits to send
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    message: Any = {"more_body": True}
                    while message.get("more_body"):
                        message = await receive()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
