"""What images run, cost and are answered at several values of λ, and the figures that follow from it. Loads without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MAX_NAMED_NODES = 3  # modules that the name of a route lists


@dataclass(frozen=True, eq=False)
class Atlas:
    """The first n of `total` images at each of L values of λ, for a network with M nodes besides its input.

    lams      in ascending order; one value, which may be none, for a network that does not serve every λ
    nodes     names in graph order
    modules   (M,) bool, whether a node is a module rather than a controller
    classes   names
    labels    (n,) indices into `classes`; −1 where an image shows none of them
    ran       (n, L, M) bool, the nodes that ran
    computed  (n, L, M) float16, the share of each node that was computed: 0, 1, or a share set by its channel gates
    answers   (n, L) indices into `classes`; −1 without an answer
    costs     (n, L) float32, as shares of the static network's
    seconds   of computation so far
    """

    lams: tuple[float | None, ...]
    nodes: tuple[str, ...]
    modules: Array
    classes: tuple[str, ...]
    total: int
    labels: Array
    ran: Array
    computed: Array
    answers: Array
    costs: Array
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def complete(self) -> bool:
        """Whether all images have been executed."""
        return len(self) == self.total

    @cached_property
    def known(self) -> Array:
        """The images whose class is known, (n,) bool."""
        return self.labels >= 0

    @cached_property
    def right(self) -> Array:
        """Whether the answers are right, (n, L) bool; never where the class is not known."""
        found: Array = (self.answers == self.labels[:, None]) & self.known[:, None]
        return found

    def accuracy(self, at: int) -> float:
        """Return the share of right answers at the λ with this index, of the images whose class is known; NaN if there are none."""
        return float(self.right[self.known, at].mean()) if self.known.any() else float("nan")

    @cached_property
    def _numbered(self) -> tuple[Array, Array]:
        """The distinct routes, (R, M) bool, from the most frequent over all λ, and the number of the route of each image, (n, L)."""
        flat = self.ran.reshape(-1, len(self.nodes))
        _, first, inverse, counts = np.unique(np.packbits(flat, axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True)
        order = np.lexsort((first, -counts))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return flat[first[order]], rank[inverse.reshape(-1)].reshape(self.ran.shape[:2])

    @property
    def routes(self) -> Array:
        """The distinct routes, (R, M) bool, from the most frequent over all λ."""
        return self._numbered[0]

    @property
    def route(self) -> Array:
        """The number of the route of each image at each λ, (n, L): an index into `routes`."""
        return self._numbered[1]

    def routes_at(self, at: int) -> list[tuple[int, int]]:
        """Return (number, images) of each route taken at the λ with this index, from the most frequent."""
        numbers, counts = np.unique(self.route[:, at], return_counts=True)
        return sorted(zip(numbers.tolist(), counts.tolist(), strict=True), key=lambda found: (-found[1], found[0]))

    @cached_property
    def optional(self) -> list[int]:
        """The nodes that some routes have and others do not; of nodes that always run together, the first module."""
        return self._distinct(self.routes)

    @cached_property
    def varying(self) -> list[int]:
        """The nodes that are computed to different shares; of nodes that are always alike, the first module."""
        return self._distinct(self.computed.reshape(-1, len(self.nodes)))

    def _distinct(self, rows: Array) -> list[int]:
        """Return the columns of rows (rows, M) that are not constant, one of each kind."""
        kinds: dict[bytes, list[int]] = {}
        for column in np.flatnonzero((rows != rows[:1]).any(axis=0)).tolist():
            kinds.setdefault(np.ascontiguousarray(rows[:, column]).tobytes(), []).append(column)
        return sorted(min(alike, key=lambda node: (not self.modules[node], node)) for alike in kinds.values())

    def route_name(self, number: int) -> str:
        """Return the optional modules of a route in words."""
        ran = [self.nodes[node] for node in self.optional if self.routes[number, node]]
        skipped = [self.nodes[node] for node in self.optional if not self.routes[number, node]]
        if not self.optional:
            return "the only route"
        if not ran:
            return "no optional module"
        if len(ran) <= MAX_NAMED_NODES:
            return " + ".join(ran)
        if len(skipped) <= MAX_NAMED_NODES:
            return f"all but {', '.join(skipped)}" if skipped else "all modules"
        return f"{len(ran)} of {len(self.optional)} optional modules"

    def class_rates(self, at: int, groups: Sequence[Sequence[int]]) -> Array:
        """Return the mean share of each group of nodes that is computed for the images of each class, (classes, groups).

        `at`: index of λ. `groups`: indices into `nodes`. NaN for a class without images.
        """
        shares = np.stack([self.computed[:, at, list(group)].mean(axis=1, dtype=np.float64) for group in groups], axis=1)  # (n, groups)
        sums = np.zeros((len(self.classes), len(groups)))
        np.add.at(sums, self.labels[self.known], shares[self.known])
        return _mean(sums, self._class_counts[:, None])

    def class_costs(self, at: int) -> Array:
        """Return the 10th percentile, the mean and the 90th percentile of the cost of each class, (classes, 3); NaN without images."""
        found = np.full((len(self.classes), 3), np.nan)
        for label in np.flatnonzero(self._class_counts):
            costs = self.costs[self.labels == label, at].astype(np.float64)
            found[label] = np.quantile(costs, 0.1), costs.mean(), np.quantile(costs, 0.9)
        return found

    @cached_property
    def _class_counts(self) -> Array:
        return np.bincount(self.labels[self.known], minlength=len(self.classes))

    def confusion(self, at: int) -> Array:
        """Return the number of images of each class (row) for each answer (column), (classes, classes + 1): the last is no answer."""
        counts = np.zeros((len(self.classes), len(self.classes) + 1), dtype=np.int64)
        np.add.at(counts, (self.labels[self.known], self.answers[self.known, at]), 1)  # −1, no answer, is the last column
        return counts

    def by_cost(self, at: int) -> Array:
        """Return the images from the cheapest to the dearest at the λ with this index, (n,)."""
        return np.argsort(self.costs[:, at], kind="stable")

    def gained(self) -> Array:
        """Return the images that are wrong at the lowest λ and right at the highest: those that only a higher cost answers rightly."""
        return np.flatnonzero(self.known & ~self.right[:, 0] & self.right[:, -1])

    def lost(self) -> Array:
        """Return the images that are right at the lowest λ and wrong at the highest."""
        return np.flatnonzero(self.right[:, 0] & ~self.right[:, -1])


def _mean(sums: Array, counts: Array) -> Array:
    """Return sums / counts, NaN where a count is 0."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=np.broadcast_to(counts, sums.shape) > 0)
