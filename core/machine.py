"""This machine in words: its processor, instruction set and cores, and the libraries that compute."""

import os
import platform
from pathlib import Path

import onnxruntime
import torch


def machine() -> str:
    """Return the processor, the instruction set that torch uses, the number of cores, and the versions of torch and ONNX Runtime."""
    return (
        f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, "
        f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    )


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown processor"
