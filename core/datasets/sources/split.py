"""Dividing a dataset into disjoint splits, reproducibly."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Generator, Tensor


def stratified_split(labels: Tensor, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Divide the rows of labels (N,) int64 into shuffled splits that hold about the given share of every class.

    A class with at least as many rows as there are splits is in each of them. The remainder of rounding goes to the first split.
    """
    generator = Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in shares]
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        for part, chosen in zip(parts, rows.tensor_split(_bounds(len(rows), shares)), strict=True):
            part.append(chosen)
    merged = [torch.cat(part) for part in parts]
    return [part[torch.randperm(len(part), generator=generator)] for part in merged]


def split_by_name(names: Sequence[str], labels: Tensor, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Divide rows into splits by a hash of their names, so that adding rows later does not move the others.

    labels: (N,) int64. A class with at least as many rows as there are splits is in each of them: a split without the class takes
    a row from the split with the most.
    """
    positions = [int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64 for name in names]
    bounds = list(accumulate(share / sum(shares) for share in shares))[:-1]
    parts: list[list[int]] = [[] for _ in shares]
    for label in sorted(set(labels.tolist())):
        rows = sorted((labels == label).nonzero().squeeze(1).tolist(), key=positions.__getitem__)
        chosen: list[list[int]] = [[] for _ in shares]
        for row in rows:
            chosen[bisect_right(bounds, positions[row])].append(row)
        while len(rows) >= len(shares) and not all(chosen):
            next(part for part in chosen if not part).append(max(chosen, key=len).pop())
        for part, more in zip(parts, chosen, strict=True):
            part += more
    generator = Generator().manual_seed(seed)
    return [torch.tensor(part, dtype=torch.int64)[torch.randperm(len(part), generator=generator)] for part in parts]


def holdout_split(count: int, holdout: int, limit: int | None, seed: int) -> tuple[Tensor, Tensor]:
    """Divide `count` shuffled rows into training rows, at most `limit`, and `holdout` rows, whose choice does not depend on the limit."""
    order = torch.randperm(count, generator=Generator().manual_seed(seed))
    rest = order[holdout:]
    return rest[:limit], order[:holdout]


def _bounds(count: int, shares: Sequence[float]) -> list[int]:
    """Return the row, out of `count`, at which each split but the first begins."""
    minimum = 1 if count >= len(shares) else 0
    later = [max(minimum, int(count * share / sum(shares) + 0.5)) for share in shares[1:]]
    while count - sum(later) < minimum:
        later[later.index(max(later))] -= 1
    return list(accumulate(later[:-1], initial=count - sum(later)))
