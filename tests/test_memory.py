"""Memory that was used once stays with the process."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import resource, sys
import torch
from core import memory
if sys.argv[1] == "keep":
    memory.keep()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        first, second = torch.ones(2_000_000), torch.ones(2_000_000)  # 8 MB each
        del first, second
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only the C library of Linux gives it back at once")
def test_kept_memory_is_not_asked_for_again() -> None:
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for how in ("give back", "keep")
    )
    assert kept < 100
    assert kept <= given_back
