"""How images are divided into parts."""

import pytest
import torch

from core.sources.split import held_out, stratified


@pytest.mark.parametrize("seed", range(5))
def test_stratified_parts_are_disjoint_complete_and_even(seed: int) -> None:
    labels = torch.tensor([0] * 50 + [1] * 200 + [2] * 10)[torch.randperm(260)]
    shares = (0.5, 0.2, 0.3)
    divided = stratified(labels, shares, seed)
    assert torch.cat(divided).sort().values.tolist() == list(range(260))
    for part, share in zip(divided, shares, strict=True):
        assert labels[part].bincount().tolist() == pytest.approx([50 * share, 200 * share, 10 * share], abs=1)


@pytest.mark.parametrize("count", range(1, 30))
def test_small_classes_reach_every_part_where_they_can(count: int) -> None:
    for shares in ((0.7, 0.1, 0.2), (0.1, 0.45, 0.45), (0.02, 0.49, 0.49)):
        divided = stratified(torch.zeros(count, dtype=torch.long), shares, 0)
        assert sum(map(len, divided)) == count
        assert count < 3 or min(map(len, divided)) >= 1


def test_held_out_rows_do_not_move_with_the_limit() -> None:
    train, kept = held_out(100, 20, None, 4)
    assert sorted([*train.tolist(), *kept.tolist()]) == list(range(100))
    few, also = held_out(100, 20, 7, 4)
    assert torch.equal(kept, also)
    assert torch.equal(few, train[:7])
