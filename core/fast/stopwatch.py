"""Times one image on the gated network and on its static network."""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles
from weakref import WeakKeyDictionary

from torch import Tensor

from core.datasets import normalised
from core.explain.model import Model
from core.explain.predict import LamSweep, forced_policy, resolve_lam
from core.fast.engine import Engine
from core.graph.graph import Graph
from core.graph.policy import Open
from core.graph.static import static_network
from core.scale import SLIDER_STEPS, lam_at

TIMED_INTERVALS = 11  # intervals of λ that are timed
TURNS_PER_INTERVAL = 5  # of each interval
HEAVY = 16 << 20  # bytes of weights from which a network is executed as it is: copies of them would fill memory
_compiled: WeakKeyDictionary[Graph, tuple[Engine, Engine]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Spread:
    """Seconds measured several times: the median, and the bounds of the middle half."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Seconds:
    """Seconds of one image: the median of the gated network, gates included, and those of its static network, both in their fastest form.

    `ratio` is the gated network's time over that of the static network which ran just after it.
    """

    gated: float
    static: Spread
    ratio: Spread


def compiled(graph: Graph) -> tuple[Engine, Engine]:
    """Return a network and its static network in their fastest form, compiled once for each graph unless its weights are heavy."""
    if heavy(graph):
        return Engine(graph, segmented=False), Engine(static_network(graph, shares_weights=True), segmented=False)
    if graph not in _compiled:
        _compiled[graph] = (Engine(graph), Engine(static_network(graph)))
    return _compiled[graph]


def heavy(graph: Graph) -> bool:
    """Return whether a network has so many weights that it is not kept compiled."""
    return sum(one.numel() * one.element_size() for one in graph.parameters()) > HEAVY


def timed(model: Model, image: Tensor, *, lam: float | None = None, forced: Mapping[str, bool] | None = None, turns: int = 9) -> Seconds:
    """Return how long one image (C, H, W) uint8 takes. Both networks take turns, after two turns of warm-up. Raises GraphError."""
    return _timed(model, compiled(model.graph), image, lam, forced, turns)


def _timed(
    model: Model, engines: tuple[Engine, Engine], image: Tensor, lam: float | None, forced: Mapping[str, bool] | None, turns: int
) -> Seconds:
    x, policy, lam = normalised(image[None]), forced_policy(model.graph, forced or {}), resolve_lam(model, lam)
    engine, static_engine = engines
    gated, static = [], []
    for _ in range(turns + 2):
        ours, theirs = engine.prepared(x, policy, lam), static_engine.prepared(x, Open(), None)
        begin = time.perf_counter()
        ours()
        between = time.perf_counter()
        theirs()
        gated.append(between - begin)
        static.append(time.perf_counter() - between)
    ratios = [ours / theirs for ours, theirs in zip(gated[2:], static[2:], strict=True)]
    return Seconds(median(gated[2:]), _spread(static[2:]), _spread(ratios))


def _spread(values: list[float]) -> Spread:
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def timed_along(model: Model, image: Tensor, sweep: LamSweep, forced: Mapping[str, bool] | None = None) -> tuple[list[Spread], Spread]:
    """Return the seconds of one image (C, H, W) uint8 at each interval of its sweep under `forced` gates, and of the static network.

    At most TIMED_INTERVALS intervals are measured; the others get the time of the nearest measured one. Both networks take turns, and a
    time is the ratio of two neighbouring turns times the static network's median, so that busy moments cancel out.
    """
    steps = time_along(model, image, sweep, forced)
    while True:
        try:
            next(steps)
        except StopIteration as found:
            return found.value  # type: ignore[no-any-return]


def time_along(
    model: Model, image: Tensor, sweep: LamSweep, forced: Mapping[str, bool] | None = None
) -> Generator[None, None, tuple[list[Spread], Spread]]:
    """Time as `timed_along` does. Yields after compiling, and after each interval, so that a caller can do something else in between."""
    every = model.graph.tradeoff.every_lam
    steps = [*sweep.starts, SLIDER_STEPS]
    middles = [(first + last - 1) // 2 for first, last in pairwise(steps)]
    picked = sorted({round(number * (len(middles) - 1) / (TIMED_INTERVALS - 1)) for number in range(TIMED_INTERVALS)})
    engines = compiled(model.graph)
    yield
    taken: dict[int, Seconds] = {}
    for number in picked:
        taken[number] = _timed(model, engines, image, lam_at(middles[number]) if every else None, forced, TURNS_PER_INTERVAL)
        yield
    nearest = [min(picked, key=lambda known: abs(known - number)) for number in range(len(middles))]
    still = Spread(*(median(getattr(one.static, name) for one in taken.values()) for name in ("median", "low", "high")))
    whole = still.median
    along = {number: Spread(one.ratio.median * whole, one.ratio.low * whole, one.ratio.high * whole) for number, one in taken.items()}
    return [along[number] for number in nearest], still
