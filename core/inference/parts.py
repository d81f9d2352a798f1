"""A batch on several threads: each takes a part of the images through the whole network, so that they wait for each other once.

Where a few rows run for a node, dividing each of its products among threads gains little: they would meet after each of them.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from threading import Barrier

import numpy as np
import torch
from torch import Tensor

from core.inference.step import Answer
from core.network.policy import Forced, Greedy, Open, Policy, Replay

LEAST = 16  # images of a part: fewer take longer than what is gained

Run = Callable[[Tensor, Policy, Tensor | float | None], Answer]


def in_parts(run: Run, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
    """What `run` gives for images (B, C, H, W), in as many parts as torch has threads where that takes less time."""
    threads = torch.get_num_threads()
    lams = lam.reshape(-1) if isinstance(lam, Tensor) and lam.numel() > 1 else None  # (B,), or one for all
    if threads == 1 or len(x) < LEAST * threads or (lams is not None and len(lams) != len(x)):
        return run(x, policy, lam)
    ends = [len(x) * part // threads for part in range(threads + 1)]
    parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
    policies = [_policy_of(policy, part) for part in parts]
    if None in policies:
        return run(x, policy, lam)
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
