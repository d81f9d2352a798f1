"""Times a gated network against its static network: both in their fastest form, in turns in one process, gates included.

The static network's form is the fastest of several, measured for each size of batch and number of threads (forms.py).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import mean, median

import torch
from torch import Generator, Tensor

from core.explain.model import Model
from core.explain.predict import sweep_lam
from core.fast.answer import Answer
from core.fast.engine import Engine
from core.fast.forms import StaticForm, StaticNetwork, fastest_form
from core.graph.cost import cost
from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Open, Policy, Random, Replay
from core.graph.static import node_alone, static_macs, static_network

DRAWS_PER_CASE = 4  # batches of different images or random gates, each run once as a warm-up; small batches get more
IMAGES = 64  # minimum over all draws of a case
IMAGES_PER_TURN = 16  # images that a network runs in a turn, at least: as in use, its weights then stay in the processor's caches
MIN_TURNS = 2  # measured turns of each draw, however long they take
PROFILED = 30  # turns of a profile
SLIDER_IMAGES = 16


@dataclass(frozen=True)
class Case:
    """One way to set the gates, named by `gates`. Each draw is a batch, a policy and the batch's cost share."""

    gates: str
    lam: float | None
    draws: tuple[tuple[Tensor, Policy, float], ...]


@dataclass(frozen=True)
class Timing:
    """One case: means over its draws, of each draw's median time. Ratios are gated over static.

    `macs_ratio` counts what the gates leave. Skip efficiency, `macs_ratio` over `time_ratio`, is 1 where time follows it. The forms say in
    words how each network ran.
    """

    run: str
    gates: str
    lam: float | None
    batch: int
    threads: int
    macs_ratio: float
    time_ratio: float
    skip_efficiency: float
    gated_ms: float
    static_ms: float
    gated_form: str
    static_form: str


def bench(
    run: str,
    graph: Graph,
    images: Tensor,
    *,
    lams: Sequence[float | None],
    rates: Sequence[float],
    batches: Sequence[int],
    threads: Sequence[int],
    seconds: float,
    against: str | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Iterator[Timing]:
    """Yield one timing per batch size, number of threads and case, for normalised images (N, C, H, W).

    Cases: the network's own gates at each of `lams`, random gates for each image that are open at each of `rates`, and all gates open.
    Each case takes `seconds`; `report` is called with the fraction that is done. `against`: a node whose network takes the place of the
    static network, for example a cascade's largest member. Raises GraphError if there is no such node.
    """
    rival = static_network(graph) if against is None else node_alone(graph, against)
    gated, static, dearer = Engine(graph), StaticNetwork(rival), static_macs(graph) / static_macs(rival)
    done, total = count(1), len(batches) * len(threads)
    for batch in batches:
        cases = list(_cases(graph, gated, images, lams, rates, batch))
        for number in threads:
            with _threads(number):
                trials = [_filled(images, batch, one) for one in range(max(1, IMAGES_PER_TURN // batch))]
                form = fastest_form(static.forms(batch), trials)
                taken = _turns(gated, form, cases, seconds)
            for case, (ours, theirs) in zip(cases, taken, strict=True):
                macs, ratio = dearer * mean(share for *_, share in case.draws), ours / theirs
                times = (macs, ratio, macs / ratio, 1e3 * ours, 1e3 * theirs)
                yield Timing(run, case.gates, case.lam, batch, number, *times, gated.form(batch), form.name)
            report(next(done) / total)


@torch.no_grad()
def profile(graph: Graph, image: Tensor, *, lam: float | None, batch: int, turns: int = PROFILED) -> dict[str, float]:
    """Return the median milliseconds of each node for a batch of images (N, C, H, W); a branch's are in its join's."""
    engine = Engine(graph)
    x = _filled(image, batch, 0)
    engine.run(x, Greedy(), lam=lam)
    taken: dict[str, list[float]] = {}
    for _ in range(turns):
        for name, seconds in engine.watched(x, Greedy(), lam=lam).items():
            taken.setdefault(name, []).append(1e3 * seconds)
    return {name: median(times) for name, times in taken.items()}


def slider(model: Model, images: Tensor, turns: int = SLIDER_IMAGES) -> list[float]:
    """Return the milliseconds that a sweep over the λ slider takes, thresholds included, for each of the images (N, C, H, W) uint8."""
    sweep_lam(model, images[0])
    taken = []
    for image in images[:turns]:
        start = time.perf_counter()
        sweep_lam(model, image)
        taken.append(1e3 * (time.perf_counter() - start))
    return taken


def _turns(gated: Engine, static: StaticForm, cases: Sequence[Case], seconds: float) -> list[tuple[float, float]]:
    """Return the seconds of each case and of the static network, which take turns of several draws; each draw runs once as a warm-up."""
    taken: list[list[tuple[list[float], list[float]]]] = [[([], []) for _ in case.draws] for case in cases]
    end = time.perf_counter() + seconds * len(cases)
    for turn in count():
        for case, draws in zip(cases, taken, strict=True):
            together = max(1, IMAGES_PER_TURN // len(case.draws[0][0]))
            numbers = [(turn * together + number) % len(draws) for number in range(together)]
            ours = [_timed(gated.prepared(*case.draws[number][:2], case.lam)) for number in numbers]
            theirs = [_timed(static.prepare(case.draws[number][0])) for number in numbers]
            if turn * together >= len(draws):
                for number, one, other in zip(numbers, ours, theirs, strict=True):
                    draws[number][0].append(one)
                    draws[number][1].append(other)
        enough = (turn + 1) * together >= (1 + MIN_TURNS) * max(len(case.draws) for case in cases)
        if enough and time.perf_counter() > end:
            break
    return [(mean(median(ours) for ours, _ in draws), mean(median(theirs) for _, theirs in draws)) for draws in taken]


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Scaled:
    """Another policy's gates. Those that open each by its score are scaled by random factors, as a trained network scales them."""

    policy: Policy
    generator: Generator

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        gates = self.policy(control, scores)
        return gates * (0.5 + torch.rand(gates.shape, generator=self.generator)) if control.decides == "each" else gates


@torch.no_grad()
def _cases(
    graph: Graph, engine: Engine, images: Tensor, lams: Sequence[float | None], rates: Sequence[float], batch: int
) -> Iterator[Case]:
    filled = [_filled(images, batch, number) for number in range(max(DRAWS_PER_CASE, IMAGES // batch))]
    lam = 0.5 if graph.tradeoff.every_lam else None
    for learned in lams:
        yield Case("learned", learned, tuple((x, Greedy(), _share(graph, engine.run(x, Greedy(), lam=learned))) for x in filled))
    generator = Generator().manual_seed(0)
    drawn: dict[str, Policy] = {f"random {rate:g}": Random(rate, generator) for rate in rates}
    for gates, policy in (drawn | {"open": Open()}).items():
        answers = [engine.run(x, Scaled(policy, generator), lam=lam) for x in filled]
        yield Case(gates, lam, tuple((x, Replay(_execution(one)), _share(graph, one)) for x, one in zip(filled, answers, strict=True)))


def _filled(images: Tensor, batch: int, number: int) -> Tensor:
    """Return the batch of this number; images repeat if there are too few."""
    rows = torch.arange(number * batch, (number + 1) * batch) % len(images)
    return images[rows]


def _execution(answer: Answer) -> Execution:
    """Return what an answer tells of an execution: the gates, and which nodes ran."""
    return Execution({}, answer.ran, {}, {}, dict(answer.gates))


def _share(graph: Graph, answer: Answer) -> float:
    return float(cost(graph, _execution(answer)).share.mean())


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
