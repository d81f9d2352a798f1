"""A batch on several threads: each takes a part of the images through the whole network, so that they wait for each other once.

Where few rows run for a node, dividing each of its products among threads gains little: they would meet after each of them. But one part
may have more to do than another. So both ways are timed once for each size of batch, and the quicker one is taken.
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

from core.fast.autotune import quickest
from core.fast.plan import Answer
from core.graph.policy import Forced, Greedy, Open, Policy, Replay

LEAST = 16  # images of a part: fewer take longer than what is gained

Run = Callable[[Tensor, Policy, Tensor | float | None], Answer]


class BatchSplitter:
    """Runs batches as a whole or in parts, whichever was quicker."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.divides: dict[tuple[int, int], bool] = {}  # whether in parts, by threads and size of batch

    def __call__(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        """What `run` gives for images (B, C, H, W)."""
        kind = (torch.get_num_threads(), len(x).bit_length())
        if self.divides.get(kind, True) and (answer := in_parts(self.run, x, policy, lam)):
            if kind not in self.divides:
                parted = partial(in_parts, self.run)
                self.divides[kind] = quickest((self.run, parted), x, policy, lam) is parted
            return answer
        return self.run(x, policy, lam)


def in_parts(run: Run, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer | None:
    """What `run` gives for images (B, C, H, W) in as many parts as torch has threads; nothing where they cannot be divided."""
    threads = torch.get_num_threads()
    lams = lam.reshape(-1) if isinstance(lam, Tensor) and lam.numel() > 1 else None  # (B,), or one for all
    if threads == 1 or len(x) < LEAST * threads or (lams is not None and len(lams) != len(x)):
        return None
    ends = [len(x) * part // threads for part in range(threads + 1)]
    parts = [slice(start, end) for start, end in pairwise(ends)]
    policies = [_policy_of(policy, part) for part in parts]
    if None in policies:
        return None
    asked = [lam if lams is None else lams[part] for part in parts]
    return _joined(list(_workers(threads).map(run, [x[part] for part in parts], policies, asked)))


def _policy_of(policy: Policy, part: slice) -> Policy | None:
    """A policy for a part of its images; none where it decides for all of them together, by drawing numbers in their order say."""
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
    """As many workers, each of which computes on one thread."""
    workers = ThreadPoolExecutor(threads, "engine", initializer=torch.set_num_threads, initargs=(1,))
    everyone = Barrier(threads)
    list(workers.map(lambda _: everyone.wait(), range(threads)))  # all are started now
    torch.set_num_threads(threads)  # what they set for themselves is also what threads begin with that are new to torch
    return workers
