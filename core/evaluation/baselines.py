"""What a gated network has to beat, measured on the same network and the same images.

Its own largest path for all images, where there are paths (gates that scale what they let through make none); random gates at the same
mean cost; the best mix of its own fixed routes; for cascades, a threshold on the confidence of each exit, which needs no controllers.
(Static networks trained on their own are runs of method static.)
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product

import torch
from torch import Generator, Tensor

from core.datasets import Split
from core.evaluation.evaluate import BATCH, Evaluation, evaluations, normalised
from core.evaluation.pareto import ParetoPoint
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.graph.policy import Forced, Open, Random
from core.graph.static import running, static_macs
from core.methods.static_gates import Consensus, Drawn, consensus

CountCallback = Callable[[int], None]  # is told how many more images are done

ROUTES = 100  # networks of more routes are not tried route by route
COMBINATIONS = 4096  # of options, of which many may come to the same route
FEW = 256  # images that tell how often gates open
RATES = tuple(step / 10 for step in range(11))
THRESHOLDS = tuple(1 - 10 ** (-step / 5) for step in range(21))  # of confidence, from 0 to 0.9999


def unheard(images: int) -> None:
    """The report of someone who does not listen."""


def point(seen: Evaluation) -> ParetoPoint:
    """The point of an evaluation: cost as a share of the static network's."""
    return ParetoPoint(seen.cost_share, seen.accuracy)


def baselines(graph: Graph, split: Split, report: CountCallback = unheard) -> dict[str, list[ParetoPoint]]:
    """All that a network with control nodes has to beat, by name; without those that cannot be had of it."""
    fronts = {} if _each(graph) else {"full path": _along(graph, split, [graph.reference], report)}
    fronts["random gates"] = random_front(graph, split, 0, report)
    with suppress(GraphError):
        fronts["fixed routes"] = routes_front(graph, split, report)
    with suppress(GraphError):
        fronts["confidence"] = confidence_front(graph, split)
    return fronts


def passes(graph: Graph) -> int:
    """How many times `baselines` looks at every image of a split, and tells so."""
    with suppress(GraphError):
        return 1 + len(RATES) + len(routes(graph))
    return len(_lams(graph)) + (not _each(graph))


def random_front(graph: Graph, split: Split, seed: int = 0, report: CountCallback = unheard) -> list[ParetoPoint]:
    """Gates that do not look at the image, at the rates RATES of taking the dearer option.

    Gates that decide each by itself open as often as they do at each of as many λ, and scale as they do there on average.
    """
    if not _each(graph):
        settings = [(0.5, Random(rate, Generator().manual_seed(seed))) for rate in RATES]
        return [point(seen) for seen in evaluations(graph, split, settings, report)]
    drawn = [(lam, Drawn(_known(graph, split, lam), Generator().manual_seed(seed))) for lam in _lams(graph)]
    return [point(seen) for seen in evaluations(graph, split, drawn, report)]


def routes_front(graph: Graph, split: Split, report: CountCallback = unheard) -> list[ParetoPoint]:
    """Each of the network's fixed routes for all images. Raises GraphError where there are more than ROUTES."""
    return _along(graph, split, routes(graph), report)


def _along(graph: Graph, split: Split, choices: Sequence[Mapping[str, int]], report: CountCallback) -> list[ParetoPoint]:
    """Each of some routes for all images."""
    taken = ({name: {column: True} for name, column in choice.items()} for choice in choices)
    return [point(seen) for seen in evaluations(graph, split, [(0.5, Forced(columns, Open())) for columns in taken], report)]


def _each(graph: Graph) -> bool:
    """Whether there are gates, and all of them decide each by itself."""
    return bool(graph.controls) and all(control.decides == "each" for control in graph.controls)


def _lams(graph: Graph) -> tuple[float, ...]:
    """The λ, or the rates, at which random gates are tried: one of them where gates of a network for one λ say how often they open."""
    return RATES if graph.every_lam or not _each(graph) else RATES[:1]


def _known(graph: Graph, split: Split, lam: float) -> Consensus:
    """What the gates of a network do for some images at one λ."""
    few = normalised(split.images[:FEW].to(graph.exchange_rate.device))
    return consensus(graph.eval(), few, lam if graph.every_lam else None)


def routes(graph: Graph) -> list[dict[str, int]]:
    """The choices of every route that differs in what runs.

    Raises GraphError where gates decide each by itself, and where there are more than ROUTES of them.
    """
    if _each(graph):
        raise GraphError("gates that decide each by itself have no routes, since any of them may be open: compare static networks by width")
    columns = [range(len(control.options)) for control in graph.controls]
    combinations = 1
    for options in columns:
        combinations *= len(options)
    if combinations > COMBINATIONS:
        raise GraphError(f"this network has {combinations} combinations of options; at most {COMBINATIONS} are looked at")
    every = (dict(zip((control.name for control in graph.controls), taken, strict=True)) for taken in product(*columns))
    found = list({running(graph, choice): choice for choice in every}.values())
    if len(found) > ROUTES:
        raise GraphError(f"this network has {len(found)} routes; at most {ROUTES} are tried one by one")
    return found


@torch.no_grad()
def confidence_front(graph: Graph, split: Split) -> list[ParetoPoint]:
    """A cascade that leaves at the first exit whose likeliest class is likely enough, at each of THRESHOLDS; no controllers are run.

    Raises GraphError for a graph whose control nodes are not one after the other, each deciding to stop or to go on.
    """
    graph.eval()
    costs = _exit_costs(graph)
    device = graph.exchange_rate.device
    sure, right = [], []
    for images, labels in zip(torch.split(split.images, BATCH), torch.split(split.labels, BATCH), strict=True):
        execution = execute(graph, normalised(images.to(device)), Open(), lam=0.5)
        answers = torch.stack(list(execution.outputs.values()), dim=1).softmax(dim=2).cpu()  # (B, exits, classes)
        sure.append(answers.amax(dim=2))
        right.append(answers.argmax(dim=2) == labels[:, None])
    return [_left(torch.cat(sure), torch.cat(right), costs, threshold) for threshold in THRESHOLDS]


def _left(sure: Tensor, right: Tensor, costs: Tensor, threshold: float) -> ParetoPoint:
    """The point at one threshold: confidence and correctness (N, exits), costs of leaving at each exit (exits,)."""
    leaves = sure >= threshold
    leaves[:, -1] = True
    exits = leaves.int().argmax(dim=1)  # (N,) the first
    return ParetoPoint(float(costs[exits].mean()), float(right.gather(1, exits[:, None]).float().mean()))


def _exit_costs(graph: Graph) -> Tensor:
    """The cost shares of leaving at each exit, (exits,), controllers not counted."""
    names = [control.name for control in graph.controls]
    exits = [output.name for output in graph.outputs]
    if len(exits) < 2 or any(control.decides == "each" for control in graph.controls):
        raise GraphError("only a cascade, which has several exits, can leave by confidence")
    static = max(static_macs(graph), 1)
    shares = []
    for stop in range(len(graph.outputs)):
        runs = running(graph, {name: int(number < stop) for number, name in enumerate(names)})
        if [name for name in runs if name in exits] != exits[: stop + 1]:
            raise GraphError("only a cascade, whose control nodes stop or go on one after the other, can leave by confidence")
        shares.append(sum(graph.macs[name] for name in runs if name not in names) / static)
    return torch.tensor(shares, dtype=torch.float64)
