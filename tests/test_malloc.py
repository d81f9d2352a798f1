"""Freed memory stays with the process."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIZE, COUNT = 20_000_000, 6  # bytes
PROGRAM = f"""
import os, sys
import torch
from core import malloc
if sys.argv[1] == "keep":
    malloc.keep_freed_memory()
tensors = [torch.ones({SIZE // 4}) for _ in range({COUNT})]
del tensors
print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""


GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.skipif(not GLIBC, reason="only glibc has mallopt")
def test_freed_memory_stays_with_the_process() -> None:
    returned, kept = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for how in ("return", "keep")
    )
    assert kept > returned + SIZE * COUNT / 2
