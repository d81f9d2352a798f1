"""Times equivalent implementations once, on the first inputs of their kind, and keeps the fastest."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

TURNS_PER_IMPLEMENTATION = 4  # of each implementation, which take turns; the shortest counts

Implementation = TypeVar("Implementation", bound=Callable[..., object])


def fastest(implementations: Sequence[Implementation], *inputs: object) -> Implementation:
    """Return the implementation that takes the least time for these inputs."""
    taken = [[_seconds(one, *inputs) for one in implementations] for _ in range(TURNS_PER_IMPLEMENTATION)]
    return min(zip(implementations, map(min, zip(*taken, strict=True)), strict=True), key=lambda pair: pair[1])[0]


def _seconds(implementation: Callable[..., object], *inputs: object) -> float:
    """Return how long it takes: on one thread the processor's time, which other processes disturb less."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    implementation(*inputs)
    return clock() - start
