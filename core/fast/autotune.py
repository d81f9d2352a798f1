"""Times equivalent implementations once, on the first inputs of their kind, and keeps the fastest."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

TURNS_PER_IMPLEMENTATION = 3  # of each implementation; the shortest counts

Implementation = TypeVar("Implementation", bound=Callable[..., object])


def fastest(implementations: Sequence[Implementation], *inputs: object) -> Implementation:
    """Return the implementation that takes the least time for these inputs."""
    return min(implementations, key=lambda implementation: min(_seconds(implementation, *inputs) for _ in range(TURNS_PER_IMPLEMENTATION)))


def _seconds(implementation: Callable[..., object], *inputs: object) -> float:
    start = time.perf_counter()
    implementation(*inputs)
    return time.perf_counter() - start
