"""A survey of images at a few values of λ: which change their route, which are answered rightly, and from which λ at which cost."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.datasets import normalised
from core.explain.model import Model
from core.graph.copies import concatenated, copies_at_once, execute_in_parts
from core.graph.cost import cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.scale import cost_share

SURVEYED_LAMS = tuple(step / 10 for step in range(11))
CHUNK_PIXELS = 1 << 20  # values of the images that are executed together, over all λ
FIRST_CHUNK = 16  # images; the first results are there soon
STEP_SECONDS = 0.25  # seconds that a chunk may take, so that others of the computer's work wait no longer


@dataclass(frozen=True)
class Surveyed:
    """What happens to one image at each of the surveyed values of λ, in ascending order of λ.

    routes      numbers that are the same where the same nodes run
    cost_shares costs as shares of the static network's
    right       whether the answer is right; none where the image's class is not known
    """

    routes: tuple[int, ...]
    cost_shares: tuple[float, ...]
    right: tuple[bool, ...] | None

    @property
    def changes_route(self) -> bool:
        """Whether the image takes different routes at different λ."""
        return len(set(self.routes)) > 1

    @property
    def wrong(self) -> int:
        """The number of surveyed values of λ at which the answer is wrong; 0 where the class is not known."""
        return 0 if self.right is None else self.right.count(False)

    @property
    def mean_cost(self) -> float:
        """The mean cost share over the surveyed values of λ."""
        return sum(self.cost_shares) / len(self.cost_shares)

    @property
    def cheapest_right(self) -> int | None:
        """The index of the λ with the lowest cost at which the answer is right, the smallest of several; none where there is none."""
        right = [index for index, is_right in enumerate(self.right or ()) if is_right]
        return min(right, key=lambda index: self.cost_shares[index]) if right else None


@dataclass(frozen=True)
class Survey:
    """The first images of a set at each of `lams`: the only λ of a network that was trained for one.

    `total` is the number of images in the set, `images` holds those that have been executed; `complete` is set when no more will be.
    """

    lams: tuple[float | None, ...]
    total: int
    images: tuple[Surveyed, ...] = ()
    complete: bool = False

    def cheapest_right_counts(self) -> tuple[list[int], int]:
        """Return the number of images for each λ that is the cheapest at which their answer is right, and of those that are never right."""
        counts, never = [0] * len(self.lams), 0
        for one in self.images:
            index = one.cheapest_right
            if index is not None:
                counts[index] += 1
            elif one.right is not None:
                never += 1
        return counts, never


def survey(model: Model, images: Tensor, labels: Sequence[str | None], seconds: float) -> Iterator[Survey]:
    """Execute images (N, C, H, W) uint8 in chunks; yield the survey after each step. `labels` are their classes, where known.

    No chunk begins once they have taken this many seconds together. Between steps the caller may take its time.
    """
    known = Survey(surveyed_lams(model), len(images))
    for execution, rows, spent in in_chunks(model, images):
        if execution is not None:
            found = _surveyed(model, execution, labels[rows], known.lams)
            known = replace(known, images=known.images + found, complete=rows.stop == len(images) or spent > seconds)
        yield known
        if known.complete:
            return


def surveyed_lams(model: Model) -> tuple[float | None, ...]:
    """Return the values of λ at which a network is surveyed: the only one of a network that was trained for one, or none without gates."""
    return SURVEYED_LAMS if model.graph.tradeoff.every_lam else (model.lam,)


@torch.no_grad()
def in_chunks(model: Model, images: Tensor) -> Iterator[tuple[Execution | None, slice, float]]:
    """Execute images (N, C, H, W) uint8 at each surveyed λ, in chunks of about STEP_SECONDS.

    Yield the execution of a chunk, whose row r is image r mod n of its n images, with these images and the seconds that all chunks took
    together. Where a single image at every λ takes longer, yield no execution after each part of it, so that others have their turn.
    """
    graph, lams = model.graph, surveyed_lams(model)
    most = max(1, CHUNK_PIXELS // (images[:1].numel() * len(lams)))
    begin, spent, chunk = 0, 0.0, min(most, FIRST_CHUNK, max(1, copies_at_once(graph) // len(lams)))
    pace = STEP_SECONDS  # seconds of an image at one λ, as a guess until the first was executed
    while begin < len(images):
        rows = slice(begin, min(begin + chunk, len(images)))
        x, parts, done, elapsed, step = normalised(images[rows]), list[Execution](), 0, 0.0, 0.0
        while done < len(lams):
            started = time.monotonic()
            parts.append(_part(graph, x, lams[done:], max(1, int((STEP_SECONDS - step) / (pace * len(x))))))
            took, executed = time.monotonic() - started, len(parts[-1].output)
            pace = max(took / executed, 1e-6)
            done, elapsed, step = done + executed // len(x), elapsed + took, step + took
            if done < len(lams) and step + pace * len(x) > STEP_SECONDS:
                yield None, rows, spent + elapsed
                step = 0.0
        spent += elapsed
        yield concatenated(parts), rows, spent
        chunk = min(most, max(1, int(len(x) * STEP_SECONDS / max(elapsed, 1e-3))))
        begin = rows.stop


def _part(graph: Graph, x: Tensor, lams: Sequence[float | None], most: int) -> Execution:
    """Execute images (N, C, H, W) at the first of these values of λ, at most so many; a network without a choice of λ just once."""
    if not graph.tradeoff.every_lam:
        return execute(graph, x, Greedy(), whole=True)
    return next(execute_in_parts(graph, x, Greedy(), torch.tensor(lams), whole=True, most=most))


def _surveyed(model: Model, execution: Execution, labels: Sequence[str | None], lams: tuple[float | None, ...]) -> tuple[Surveyed, ...]:
    """Return what happens to each of the images at each λ."""
    count, graph = len(labels), model.graph
    ran = torch.stack(list(execution.ran.values()), dim=1)  # (λ · N, nodes)
    routes = torch.unique(ran, dim=0, return_inverse=True)[1].reshape(len(lams), count).T.tolist()
    report = cost(graph, execution)
    used = report.used.reshape(len(lams), count).T.tolist()
    predicted = execution.predicted.reshape(len(lams), count).T.tolist()
    return tuple(
        Surveyed(
            tuple(routes[row]),
            tuple(cost_share(macs, report.static) for macs in used[row]),
            None if label is None else tuple(answer >= 0 and model.classes[answer] == label for answer in predicted[row]),
        )
        for row, label in enumerate(labels)
    )
