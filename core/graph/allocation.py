"""A limit on the memory of a network that is built from a foreign description."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.errors import UserError

BESIDES = 64 << 20  # bytes that building a network may take besides its weights
WIDENED = 4  # bytes in memory for each byte in the file: weights are stored as float16, and built twice over
FACTORIES = ("empty", "zeros", "ones", "full", "rand", "randn", "empty_strided", "new_empty", "new_zeros")


class TooLargeError(UserError):
    """Raised when a network takes more memory than its weights can fill."""


class _Limit(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of new tensors, before they are made."""

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left = limit

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        options = kwargs or {}
        if func.overloadpacket.__name__ in FACTORIES and str(options.get("device", "cpu")) != "meta":
            sizes = next((one for one in args if isinstance(one, list | tuple)), ())
            dtype = options.get("dtype") or torch.get_default_dtype()
            self.left -= math.prod(sizes) * dtype.itemsize
            if self.left < 0:
                raise TooLargeError("the configuration describes a network that is larger than the weights in the file")
        return func(*args, **options)


@contextmanager
def no_larger_than(weights: bytes) -> Iterator[None]:
    """Raise TooLargeError inside, before memory is taken, where a network is built that is much larger than its weights in a file."""
    with _Limit(WIDENED * len(weights) + BESIDES):
        yield
