"""Memory that a process has used once and keeps: giving it back and asking for it anew takes longer than some of what is computed in it.

The results of a batch's convolutions are some megabytes each. The C library of Linux (glibc) gives much of it back to the system when it
is freed, and what is taken next is cleared page by page. Without that, training and inference of batches took 5 to 25% less time.
"""

import ctypes
import sys
from contextlib import suppress

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
LARGE = 1 << 25  # bytes, the most that glibc takes: what is smaller comes from the memory that is kept


def keep() -> None:
    """Have this process keep the memory that it frees, where the C library is glibc: for one that computes batches until it ends.

    What each of its threads needed at most it then has to its end, so that a server with many of them had better not.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):  # another C library, which has its own ways
        set_option = ctypes.CDLL(None).mallopt
        set_option(MMAP_THRESHOLD, LARGE)
        set_option(TRIM_THRESHOLD, 1 << 30)
        set_option(TOP_PAD, 1 << 26)
