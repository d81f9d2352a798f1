"""Files fetched once from the net, checked against a known checksum and kept in the cache folder."""

import hashlib
import os
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from core.datasets import DataError, ProgressCallback

CHUNK = 1 << 18  # bytes
PATIENCE = 30  # seconds without a byte


def cache_folder() -> Path:
    """`GATESCOPE_CACHE`, or `gatescope` in the user's cache folder."""
    return Path(os.environ.get("GATESCOPE_CACHE") or Path.home() / ".cache" / "gatescope")


def fetch(url: str, md5: str, report: ProgressCallback, advice: str) -> Path:
    """The file behind an address, from the cache folder where an intact copy lies there.

    A file gets its name in the cache only when it is complete and its checksum right, so a broken download leaves nothing
    behind. Raises DataError, which ends with `advice`.
    """
    target = cache_folder() / url.rsplit("/", 1)[-1]
    try:
        if target.is_file() and _checksum(target) == md5:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        arrived = _download(url, target, md5, report)
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise DataError(f"cannot download {url} ({reason}): {advice}") from None
    if not arrived:
        raise DataError(f"{url} arrived damaged, its checksum is wrong: try again, or {advice}")
    return target


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download(url: str, target: Path, md5: str, report: ProgressCallback) -> bool:
    """Put a download in its place, if its checksum is right; says whether it was."""
    what = f"downloading {target.name}"
    digest = hashlib.md5(usedforsecurity=False)
    # a name of its own: two processes may fetch the same file at once
    handle, temporary = tempfile.mkstemp(prefix=f"{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, urlopen(url, timeout=PATIENCE) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            while piece := answer.read(CHUNK):
                file.write(piece)
                digest.update(piece)
                report(what, min(file.tell() / size, 1.0) if size else 0.0)
        if digest.hexdigest() != md5:
            return False
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    report(what, 1.0)
    return True
