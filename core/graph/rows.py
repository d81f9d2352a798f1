"""Rows of a batch: gathering and scattering, the same as indexing but faster for images that are channels-last, and which are equal."""

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
    """Overwrite the rows (n,) of values (B, …) by others (n, …). NumPy takes a third of the time of `index_copy_`."""
    values.numpy()[rows.numpy()] = by.numpy()
    return values


def first_occurrences(kind: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first position of each distinct integer of (n,), (kinds,), and which of them is at each position, (n,)."""
    kinds, of = torch.unique(kind, return_inverse=True)
    places = torch.arange(len(kind), device=kind.device)
    return places.new_full((len(kinds),), len(kind)).scatter_reduce(0, of, places, "amin"), of


def bits(numbers: Tensor) -> Tensor:
    """Return integers (n,) that are equal exactly where the given numbers are."""
    return numbers.float().contiguous().view(torch.int32).long()


def combine_keys(kind: Tensor, other: Tensor) -> Tensor:
    """Return keys (n,) from 0 on that are equal exactly where both given keys are."""
    other = other - other.min()
    together: Tensor = torch.unique(kind * (other.max() + 1) + other, return_inverse=True)[1]
    return together


def _channels_last(values: Tensor) -> bool:
    return values.dim() == 4 and not values.is_contiguous() and values.is_contiguous(memory_format=torch.channels_last)
