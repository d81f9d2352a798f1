"""How images are divided into parts: by a seed, each image in one part only."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Generator, Tensor


def stratified(labels: Tensor, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Rows (N,) divided into parts in which every class has about the given shares; the parts are disjoint and shuffled.

    labels: (N,) int64. A class with at least as many rows as there are parts is in each of them; what rounding leaves goes to
    the first part.
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


def by_name(names: Sequence[str], labels: Tensor, shares: Sequence[float], seed: int) -> list[Tensor]:
    """Rows (N,) divided into parts, each row by a hash of its name: what is added later moves no other row.

    Every class with at least as many rows as there are parts is in each; only to that end rows are moved, from the part that has most.
    """
    places = [int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64 for name in names]
    bounds = list(accumulate(share / sum(shares) for share in shares))[:-1]
    parts: list[list[int]] = [[] for _ in shares]
    for label in sorted(set(labels.tolist())):
        rows = sorted((labels == label).nonzero().squeeze(1).tolist(), key=places.__getitem__)
        chosen: list[list[int]] = [[] for _ in shares]
        for row in rows:
            chosen[bisect_right(bounds, places[row])].append(row)
        while len(rows) >= len(shares) and not all(chosen):
            next(part for part in chosen if not part).append(max(chosen, key=len).pop())
        for part, more in zip(parts, chosen, strict=True):
            part += more
    generator = Generator().manual_seed(seed)
    return [torch.tensor(part, dtype=torch.int64)[torch.randperm(len(part), generator=generator)] for part in parts]


def held_out(count: int, held: int, limit: int | None, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on, at most `limit`, and `held` rows kept from training, both shuffled. The limit does not move the latter."""
    order = torch.randperm(count, generator=Generator().manual_seed(seed))
    rest = order[held:]
    return rest[:limit], order[:held]


def _bounds(count: int, shares: Sequence[float]) -> list[int]:
    """Where in `count` rows each part but the first begins."""
    least = 1 if count >= len(shares) else 0
    later = [max(least, int(count * share / sum(shares) + 0.5)) for share in shares[1:]]
    while count - sum(later) < least:
        later[later.index(max(later))] -= 1
    return list(accumulate(later[:-1], initial=count - sum(later)))
