"""How long one image takes, beside the static network."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from torch import Tensor

from core.evaluation.evaluate import normalised
from core.explain.model import Model
from core.explain.predict import LamSweep, forced_policy, resolve_lam
from core.graph.policy import Open
from core.scale import SLIDER_STEPS, lam_at

MOST = 11  # stretches of λ that are timed
TURNS = 5  # of each of them


@dataclass(frozen=True)
class Seconds:
    """For one image, alone, medians: the gated network, gates included, and its static network, both in their fastest form."""

    gated: float
    static: float


def timed(model: Model, image: Tensor, *, lam: float | None = None, forced: Mapping[str, bool] | None = None, turns: int = 9) -> Seconds:
    """How long one image (C, H, W) uint8 takes: both networks in turn, after two turns that warm up. Raises GraphError."""
    x, policy, lam = normalised(image[None]), forced_policy(model.graph, forced or {}), resolve_lam(model, lam)
    gated, static = [], []
    for _ in range(turns + 2):
        begin = time.perf_counter()
        model.engine.run(x, policy, lam=lam)
        between = time.perf_counter()
        model.static_engine.run(x, Open())
        gated.append(between - begin)
        static.append(time.perf_counter() - between)
    return Seconds(median(gated[2:]), median(static[2:]))


def timed_along(model: Model, image: Tensor, sweep: LamSweep, forced: Mapping[str, bool] | None = None) -> tuple[list[float], float]:
    """Seconds for one image (C, H, W) uint8 along each stretch of its sweep under `forced` gates, and for the static network.

    Where there are many stretches only some are measured, and the others are told the time of the nearest of them.
    """
    every = model.graph.every_lam
    steps = [*sweep.starts, SLIDER_STEPS]
    middles = [(first + last - 1) // 2 for first, last in pairwise(steps)]
    picked = sorted({round(number * (len(middles) - 1) / (MOST - 1)) for number in range(MOST)})
    lams = {number: lam_at(middles[number]) if every else None for number in picked}
    taken = {number: timed(model, image, lam=lam, forced=forced, turns=TURNS) for number, lam in lams.items()}
    nearest = [min(picked, key=lambda known: abs(known - number)) for number in range(len(middles))]
    still = median(one.static for one in taken.values())
    return [taken[number].gated * still / taken[number].static for number in nearest], still  # as if none had met a busier computer
