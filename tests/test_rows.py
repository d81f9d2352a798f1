"""Gathering and scattering rows: the same as indexing, whatever the values look like in memory."""

import pytest
import torch
from torch import Tensor

from core.graph.rows import gather_rows, overwrite_rows, scatter_rows

VALUES = {
    "channels last": torch.randn(6, 3, 4, 5, dtype=torch.float64).contiguous(memory_format=torch.channels_last),
    "channels first": torch.randn(6, 3, 4, 5, dtype=torch.float64),
    "every second row": torch.randn(12, 3, 4, 5, dtype=torch.float64)[::2],
    "one channel": torch.randn(6, 1, 4, 5, dtype=torch.float64),
    "a number each": torch.randn(6, dtype=torch.float64),
    "classes": torch.randn(6, 10, dtype=torch.float64),
}
ROWS = {"some": [0, 3, 5], "backwards": [4, 2], "none": [], "all": [0, 1, 2, 3, 4, 5]}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_it_is_indexing_with_its_gradient(values: Tensor, rows: list[int]) -> None:
    numbers = torch.tensor(rows, dtype=torch.int64)
    mine, plain = values.clone().requires_grad_(), values.clone().requires_grad_()
    picked, expected = gather_rows(mine, numbers), plain[numbers]
    assert torch.equal(picked, expected)
    weights = torch.randn_like(expected)
    (picked * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(mine.grad, plain.grad)
    back = scatter_rows(picked, numbers, len(values))
    zero = torch.zeros_like(values)
    zero[numbers] = values[numbers]
    assert torch.equal(back, zero)


def test_the_same_row_can_be_gathered_twice() -> None:
    values = VALUES["channels last"].clone().requires_grad_()
    gather_rows(values, torch.tensor([2, 2])).sum().backward()
    assert values.grad[2].eq(2).all()
    assert values.grad.sum() == 2 * values[0].numel()


def test_channels_stay_last() -> None:
    values, numbers = VALUES["channels last"], torch.tensor([1, 4])
    for result in (gather_rows(values, numbers), scatter_rows(values[:2].contiguous(memory_format=torch.channels_last), numbers, 9)):
        assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("values", [VALUES["channels last"], VALUES["channels first"]], ids=["channels last", "channels first"])
def test_rows_are_replaced_where_they_lie(values: Tensor, rows: list[int]) -> None:
    numbers, maps = torch.tensor(rows, dtype=torch.int64), values.clone(memory_format=torch.preserve_format)
    by = torch.randn(len(rows), *values.shape[1:], dtype=values.dtype)
    expected = values.clone()
    expected[numbers] = by
    assert overwrite_rows(maps, numbers, by) is maps
    assert torch.equal(maps, expected)
