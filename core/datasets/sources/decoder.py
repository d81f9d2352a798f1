"""The process that decodes one picture which might take long or much memory, with limits of both.

The request is a line of JSON on standard input, followed by the file's bytes; the reply, a line of JSON on standard output, followed by
the pixels.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from threading import BoundedSemaphore

from PIL import AvifImagePlugin, Image

from core.datasets.sources.decoding import TOO_HEAVY, Colour, decode
from core.datasets.sources.formats import MAX_MEMORY, PictureError

CPU_SECONDS = 2  # of the process
WALL_SECONDS = 15.0  # on a machine that is busy
SPARE_BYTES = 40_000_000  # of memory, for what is held beside the picture
PROJECT = Path(__file__).parents[3]
ALONE = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads would reserve memory
_running = BoundedSemaphore(2)  # processes at a time


def decode_apart(data: bytes, title: str, colour: Colour, detail: int) -> Image.Image:
    """Decode a picture in a process of its own, as `decode` does. Raises PictureError, also where it takes too long or too much memory."""
    request = json.dumps({"title": title, "colour": colour, "detail": detail}).encode()
    command = [sys.executable, "-m", "core.datasets.sources.decoder"]
    try:
        with _running:
            done = subprocess.run(
                command, input=request + b"\n" + data, capture_output=True, cwd=PROJECT, env=os.environ | ALONE, timeout=WALL_SECONDS
            )
        line, _, pixels = done.stdout.partition(b"\n")
        reply = json.loads(line)
        if "error" in reply:
            raise PictureError(reply["error"])
        picture = Image.frombytes("RGB", tuple(reply["size"]), pixels)
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{title}: {TOO_HEAVY}") from None
    picture.info = reply["info"]
    return picture


def limit_resources() -> None:
    """Limit the memory and the processor time of this process, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = Path("/proc/self/statm")
    if size.exists():
        limit = int(size.read_text().split()[0]) * resource.getpagesize() + MAX_MEMORY + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Decode the picture on standard input."""
    warnings.simplefilter("ignore")
    request = json.loads(sys.stdin.buffer.readline())
    limit_resources()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread would reserve memory
    try:
        picture = decode(sys.stdin.buffer.read(), request["title"], tuple(request["colour"]), request["detail"])
        reply, pixels = {"size": picture.size, "info": picture.info}, picture.tobytes()
    except PictureError as error:
        reply, pixels = {"error": str(error)}, b""
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
    sys.stdout.buffer.write(pixels)


if __name__ == "__main__":
    main()
