"""Runs a batch on several threads: each takes a part of the images through the whole network, so that threads wait for each other once.

Where a node runs for few images, dividing each of its products among threads gains little, because the threads would meet after each
product. But one part of the batch may take longer than another. So both ways are timed once for each size of batch, and the faster is kept.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from threading import Barrier

import numpy as np
import torch
from torch import Tensor

from core.fast.answer import Answer
from core.fast.autotune import fastest
from core.graph.policy import Forced, Greedy, Open, Policy, Replay

MIN_IMAGES_PER_PART = 16  # images in a part: with fewer, dividing costs more than it gains

Run = Callable[[Tensor, Policy, Tensor | float | None], Answer]


class BatchSplitter:
    """Runs batches as a whole or in parts, whichever was faster."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.divides: dict[tuple[int, int], bool] = {}  # whether to divide, by number of threads and size of batch

    def __call__(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        """Return the answer of `run` for images (B, C, H, W)."""
        kind = (torch.get_num_threads(), len(x).bit_length())
        if self.divides.get(kind, True) and (answer := in_parts(self.run, x, policy, lam)):
            if kind not in self.divides:
                parted = partial(in_parts, self.run)
                self.divides[kind] = fastest((self.run, parted), x, policy, lam) is parted
            return answer
        return self.run(x, policy, lam)


def in_parts(run: Run, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer | None:
    """Return the answer of `run` for images (B, C, H, W) in as many parts as torch has threads, or None if they cannot be divided."""
    threads = torch.get_num_threads()
    lams = lam.reshape(-1) if isinstance(lam, Tensor) and lam.numel() > 1 else None  # (B,), or one for all
    if threads == 1 or len(x) < MIN_IMAGES_PER_PART * threads or (lams is not None and len(lams) != len(x)):
        return None
    ends = [len(x) * part // threads for part in range(threads + 1)]
    parts = [slice(start, end) for start, end in pairwise(ends)]
    policies = [_policy_of(policy, part) for part in parts]
    if None in policies:
        return None
    lams_of_parts = [lam if lams is None else lams[part] for part in parts]
    return _joined(list(_workers(threads).map(run, [x[part] for part in parts], policies, lams_of_parts)))


def _policy_of(policy: Policy, part: slice) -> Policy | None:
    """Return the policy for a part of the images, or None if it decides for all together, for example by drawing random numbers."""
    if isinstance(policy, Greedy | Open):
        return policy
    if isinstance(policy, Replay):
        return Replay(replace(policy.execution, gates={name: gates[part] for name, gates in policy.execution.gates.items()}))
    if isinstance(policy, Forced) and (otherwise := _policy_of(policy.otherwise, part)):
        return Forced(policy.columns, otherwise)
    return None


def _joined(answers: Sequence[Answer]) -> Answer:
    first = answers[0]
    return Answer(
        torch.cat([one.output for one in answers]),
        {name: torch.cat([one.gates[name] for one in answers]) for name in first.gates},
        {name: np.concatenate([one.masks[name] for one in answers]) for name in first.masks},
    )


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    """Return a pool of this many workers, each of which computes on one thread."""
    workers = ThreadPoolExecutor(threads, "engine", initializer=torch.set_num_threads, initargs=(1,))
    everyone = Barrier(threads)
    list(workers.map(lambda _: everyone.wait(), range(threads)))  # so that all have started
    torch.set_num_threads(threads)  # the workers' setting is also the default for threads that are new to torch
    return workers
