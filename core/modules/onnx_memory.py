"""Bounds the memory that ONNX files from elsewhere take while they run: they share an allocator that has a limit.

Source: https://onnxruntime.ai/docs/get-started/with-c.html#features, "Share allocator(s) between sessions"
"""

import os
from functools import cache
from typing import Any

import onnxruntime

SHARE = 0.5  # of the computer's memory
UNKNOWN_MEMORY = 8 * 1024**3  # bytes, where the system does not say how much there is
AS_REQUESTED = 1  # the arena grows by what a tensor needs, not by powers of two


def bounded_options(threads: int) -> Any:
    """Return ONNX Runtime's options for this many threads, for a session whose memory is bounded. Its threads do not spin."""
    _share_allocator()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would take the time of PyTorch's threads
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@cache
def _share_allocator() -> None:
    """Register the allocator, once in a process."""
    limit = int(SHARE * _memory())
    arena = onnxruntime.OrtArenaCfg({"max_mem": limit, "arena_extend_strategy": AS_REQUESTED})
    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use), arena)


def _memory() -> int:
    """Return the bytes of the computer's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY
