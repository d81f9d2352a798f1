"""Dividing images into training, validation and test splits."""

import pytest
import torch

from core.datasets.sources.split import holdout_split, split_by_name, stratified_split


@pytest.mark.parametrize("seed", range(5))
def test_stratified_splits_are_disjoint_complete_and_balanced(seed: int) -> None:
    labels = torch.tensor([0] * 50 + [1] * 200 + [2] * 10)[torch.randperm(260)]
    shares = (0.5, 0.2, 0.3)
    divided = stratified_split(labels, shares, seed)
    assert torch.cat(divided).sort().values.tolist() == list(range(260))
    for part, share in zip(divided, shares, strict=True):
        assert labels[part].bincount().tolist() == pytest.approx([50 * share, 200 * share, 10 * share], abs=1)


@pytest.mark.parametrize("count", range(1, 30))
def test_small_classes_are_in_every_split_if_possible(count: int) -> None:
    for shares in ((0.7, 0.1, 0.2), (0.1, 0.45, 0.45), (0.02, 0.49, 0.49)):
        divided = stratified_split(torch.zeros(count, dtype=torch.long), shares, 0)
        assert sum(map(len, divided)) == count
        assert count < 3 or min(map(len, divided)) >= 1


def test_the_holdout_does_not_depend_on_the_limit() -> None:
    train, holdout = holdout_split(100, 20, None, 4)
    assert sorted([*train.tolist(), *holdout.tolist()]) == list(range(100))
    few, same = holdout_split(100, 20, 7, 4)
    assert torch.equal(holdout, same)
    assert torch.equal(few, train[:7])


def test_names_decide_the_split_whatever_is_added() -> None:
    names = [f"class{row % 3}/{row}.png" for row in range(600)]
    labels = torch.arange(600) % 3
    few, many = (split_by_name(names[:count], labels[:count], (0.7, 0.1, 0.2), 0) for count in (400, 600))
    for before, after in zip(few, many, strict=True):
        assert set(before.tolist()) <= set(after.tolist())
    assert sorted(torch.cat(many).tolist()) == list(range(600))
    for part, share in zip(many, (0.7, 0.1, 0.2), strict=True):
        assert len(part) == pytest.approx(600 * share, rel=0.25)
    assert {len(part) for part in split_by_name(names[:9], labels[:9], (0.7, 0.1, 0.2), 3)} == {3}
    assert not torch.equal(many[2], split_by_name(names, labels, (0.7, 0.1, 0.2), 1)[2])
