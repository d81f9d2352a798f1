"""Downloads that are verified against a checksum and cached."""

import hashlib
import os
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from core.datasets import DataError, ProgressCallback

CHUNK_BYTES = 1 << 18  # bytes
TIMEOUT = 30  # seconds without data


def cache_folder() -> Path:
    """Return the folder that GATESCOPE_CACHE names, or ~/.cache/gatescope."""
    return Path(os.environ.get("GATESCOPE_CACHE") or Path.home() / ".cache" / "gatescope")


def fetch(url: str, md5: str, report: ProgressCallback, advice: str) -> Path:
    """Return the cached file of a URL, downloading it if no intact copy is cached.

    A download gets its final name only when it is complete and its checksum matches, so a failed one leaves nothing behind.
    Raises DataError, whose text ends with `advice`, a sentence.
    """
    target = cache_folder() / url.rsplit("/", 1)[-1]
    try:
        if target.is_file() and _checksum(target) == md5:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        intact = _download(url, target, md5, report)
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise DataError(f"{url} cannot be downloaded ({reason}). {advice}") from None
    if not intact:
        raise DataError(f"{url} was damaged in transit (wrong checksum). Try again. {advice}")
    return target


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download(url: str, target: Path, md5: str, report: ProgressCallback) -> bool:
    """Download a file and move it to `target` if its checksum matches. Return whether it does."""
    what = f"downloading {target.name}"
    digest = hashlib.md5(usedforsecurity=False)
    # a unique name, since two processes may download the same file at once
    handle, temporary = tempfile.mkstemp(prefix=f"{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, urlopen(url, timeout=TIMEOUT) as response:
            size = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                report(what, min(file.tell() / size, 1.0) if size else 0.0)
        if digest.hexdigest() != md5:
            return False
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    report(what, 1.0)
    return True
