"""Files that people name: paths as they are pasted, and the bytes of regular files up to a size."""

import errno
import os
import re
import stat
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import UserError

QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
MAX_PATH = 4096  # bytes
FOLDER_WEIGHTS = "model.safetensors"  # the file of a folder that holds its weights, as on the Hugging Face Hub
MAX_WEIGHTS_BYTES = 4 * 1024**3  # of a file with weights
MAX_HEADER_BYTES = 16_000_000  # of the header of a safetensors file, of which reading takes many times the memory


class PathError(UserError):
    """Raised where a text cannot be a path on this computer. The text is one line."""


def pasted_path(text: str | Path) -> Path:
    """Return the path in a text as people paste it: without outer spaces and quotes, invisible marks and file://, with ~ expanded.

    Raises PathError for other addresses, unknown users and paths that no system takes.
    """
    given = str(text).strip()
    if given and _exists(given):  # as in scripts whose letters need invisible marks
        return Path(given)
    visible = "".join(letter for letter in str(text) if unicodedata.category(letter) != "Cf").strip()
    if len(visible) > 1 and QUOTES.get(visible[0]) == visible[-1]:
        visible = visible[1:-1].strip()
    if visible.lower().startswith("file:"):
        visible = unquote(urlsplit(visible).path)
    if ADDRESS.match(visible):
        raise PathError(f"{visible}: addresses are not fetched. Download the file and name its path.")
    if any(unicodedata.category(letter) == "Cc" for letter in visible):
        raise PathError(f"{visible!r}: a path cannot hold control characters.")
    if len(os.fsencode(visible)) > MAX_PATH:
        raise PathError(f"{visible[:40]}…: a path of {len(visible)} characters is too long.")
    try:
        return Path(visible).expanduser()
    except RuntimeError:
        raise PathError(f"{visible}: no such user. Write the path from the root folder.") from None


def _exists(path: str) -> bool:
    try:
        return not any(unicodedata.category(letter) == "Cc" for letter in path) and os.path.lexists(path)
    except (OSError, ValueError):
        return False


def whole_path(text: str) -> str:
    """Return the path in a text from the root folder, or the text itself if it is empty or cannot be a path."""
    if not text.strip():
        return ""
    try:
        return str(Path(os.path.abspath(pasted_path(text))))
    except (PathError, OSError):
        return text


def weights_file(path: Path) -> Path:
    """Return the file with the weights that a path names: the file itself, or that of a folder as the Hugging Face Hub has them."""
    return path / FOLDER_WEIGHTS if os.path.lexists(path / FOLDER_WEIGHTS) else path


def has_long_header(content: bytes) -> bool:
    """Return whether the contents of a safetensors file have a header of more than MAX_HEADER_BYTES."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") > MAX_HEADER_BYTES


def read_regular(file: Path, most: int = MAX_WEIGHTS_BYTES) -> bytes:
    """Return the bytes of a regular file. Raises OSError, also for devices and pipes, and for more bytes than `most`."""
    with open(file, "rb", opener=_open_without_waiting) as opened:  # Path.open takes no opener
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most / 1e9:.0f} GB")
        return opened.read(status.st_size + 1)[:most]  # as much memory as the file takes: `read(most)` would reserve all of it


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; do not wait for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
