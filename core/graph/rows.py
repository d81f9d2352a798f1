"""Gathering and scattering rows of a batch: the same as indexing, but faster for images that are channels-last in memory."""

import torch
from torch import Tensor


def gather_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Return the rows (n,) of values (B, ...): (n, ...)."""
    if _channels_last(values):
        return values.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return values.index_select(0, rows)


def scatter_rows(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return (count, ...) with the values (n, ...) in the rows (n,), and zero in all others."""
    if _channels_last(values):
        stored = values.permute(0, 2, 3, 1)
        return stored.new_zeros(count, *stored.shape[1:]).index_copy(0, rows, stored).permute(0, 3, 1, 2)
    return values.new_zeros(count, *values.shape[1:]).index_copy(0, rows, values)


def overwrite_rows(values: Tensor, rows: Tensor, by: Tensor) -> Tensor:
    """Overwrite the rows (n,) of maps (B, C, H, W) by others (n, C, H, W). NumPy takes a third of the time of `index_copy_`."""
    values.movedim(1, 3).numpy()[rows.numpy()] = by.movedim(1, 3).numpy()
    return values


def _channels_last(values: Tensor) -> bool:
    return values.dim() == 4 and not values.is_contiguous() and values.is_contiguous(memory_format=torch.channels_last)
