"""Baselines for a gated network, measured on the same weights and the same images.

Full path: the route with the largest capacity for all images.
Random gates: routes drawn independently of the image, at several mean costs.
Fixed routes: each route for all images; mixes of them form a front.
Confidence: early exit of a cascade by a threshold on the confidence of each exit, without controllers.
Fixed widths: each width of nested channels for all images, without gate networks; mixes of them form a front, to which the scout's answer
belongs where it may stand. Only where every width was trained, which the method "slimmable" does.

Networks whose gates open independently (LC-Net) have no routes, so only random gates and fixed widths apply. Static networks that are
trained separately are runs of the method "static".
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product

import torch
from torch import Generator, Tensor

from core.datasets import Split, no_progress, normalised
from core.evaluation.evaluate import BATCH, CountCallback, Evaluation, evaluations
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import GraphError
from core.graph.policy import Forced, Open, Random
from core.graph.static import running_nodes, static_macs
from core.methods.static_gates import GateStatistics, RandomStaticGates, gate_statistics
from core.methods.widths import at_width, exit_gate, width_steps, widths_trained
from core.pareto import ParetoPoint
from core.scale import TENTHS, cost_share

MAX_ROUTES = 100  # fixed routes of networks with more are not evaluated
MAX_COMBINATIONS = 4096  # combinations of options, many of which may be the same route
RATE_IMAGES = 256  # images on which the opening rates of gates are measured
RANDOM_RATES = TENTHS  # probabilities of the more expensive option
THRESHOLDS = tuple(1 - 10 ** (-step / 5) for step in range(21))  # confidences from 0 to 0.9999


def pareto_point(evaluation: Evaluation) -> ParetoPoint:
    """Return the cost, as a share of the static network's, and the accuracy of an evaluation."""
    return ParetoPoint(evaluation.cost_share, evaluation.accuracy)


def baselines(graph: Graph, split: Split, report: CountCallback = no_progress) -> dict[str, list[ParetoPoint]]:
    """Evaluate every baseline that applies to a network with control nodes. Return their points by name."""
    fronts = {} if _all_independent(graph) else {"full path": _fixed_points(graph, split, [graph.reference], report)}
    fronts["random gates"] = random_front(graph, split, 0, report)
    with suppress(GraphError):
        fronts["fixed routes"] = routes_front(graph, split, report)
    with suppress(GraphError):
        fronts["confidence"] = confidence_front(graph, split)
    if widths_trained(graph):
        fronts["fixed widths"] = widths_front(graph, split, report)
    return fronts


def passes(graph: Graph) -> int:
    """Return how many times `baselines` reports every image of a split."""
    widths = width_steps(graph) + (exit_gate(graph) is not None) if widths_trained(graph) else 0
    with suppress(GraphError):
        return widths + 1 + len(RANDOM_RATES) + len(routes(graph))
    return widths + len(_random_rates(graph)) + (not _all_independent(graph))


def random_front(graph: Graph, split: Split, seed: int = 0, report: CountCallback = no_progress) -> list[ParetoPoint]:
    """Evaluate gates drawn independently of the image, at each of RANDOM_RATES.

    A control node takes its more expensive option with that probability. Gates that open independently are drawn with their own
    opening rates at each of as many values of λ, and scale by their own mean where they are open.
    """
    if not _all_independent(graph):
        settings = [(0.5, Random(rate, Generator().manual_seed(seed))) for rate in RANDOM_RATES]
        return [pareto_point(evaluation) for evaluation in evaluations(graph, split, settings, report)]
    drawn = [(lam, RandomStaticGates(_gate_rates(graph, split, lam), Generator().manual_seed(seed))) for lam in _random_rates(graph)]
    return [pareto_point(evaluation) for evaluation in evaluations(graph, split, drawn, report)]


def routes_front(graph: Graph, split: Split, report: CountCallback = no_progress) -> list[ParetoPoint]:
    """Evaluate each of the network's fixed routes on all images. Raises GraphError if there are more than MAX_ROUTES."""
    return _fixed_points(graph, split, routes(graph), report)


def widths_front(graph: Graph, split: Split, report: CountCallback = no_progress) -> list[ParetoPoint]:
    """Evaluate the scout alone, if its answer may stand, and each width of nested channels, narrowest first, on all images.

    What runs for the gates' sake, as gate networks and a scout, is not counted: the widest is the static network. Raises ConfigError if no
    channels are nested.
    """
    policies = [at_width(graph, step) for step in range(1, width_steps(graph) + 1)]
    points = [pareto_point(evaluation) for evaluation in evaluations(graph, split, [(0.5, policy) for policy in policies], report)]
    aside = points[-1].cost - 1
    widths = [ParetoPoint(point.cost - aside, point.accuracy) for point in points]
    gate = exit_gate(graph)
    if gate is None:
        return widths
    (stands,) = evaluations(graph, split, [(0.5, Forced({gate.control: {gate.column: False}}, Open()))], report)
    deciding = cost_share(sum(graph.macs[one.name] * stands.execution_rates[one.name] for one in graph.controls), static_macs(graph))
    return [ParetoPoint(stands.cost_share - deciding, stands.accuracy), *widths]


def _fixed_points(graph: Graph, split: Split, choices: Sequence[Mapping[str, int]], report: CountCallback) -> list[ParetoPoint]:
    """Evaluate each of the given routes, {control node: option}, on all images."""
    forced = ({name: {column: True} for name, column in choice.items()} for choice in choices)
    settings = [(0.5, Forced(columns, Open())) for columns in forced]
    return [pareto_point(evaluation) for evaluation in evaluations(graph, split, settings, report)]


def _all_independent(graph: Graph) -> bool:
    """Return whether there are gates, and all of them open independently."""
    return bool(graph.controls) and all(control.decides == "each" for control in graph.controls)


def _random_rates(graph: Graph) -> tuple[float, ...]:
    """Return the rates, or for independent gates the values of λ, at which random gates are evaluated.

    Independent gates of a network for a single λ have a single opening rate, so one value is enough.
    """
    return RANDOM_RATES if graph.tradeoff.every_lam or not _all_independent(graph) else RANDOM_RATES[:1]


def _gate_rates(graph: Graph, split: Split, lam: float) -> GateStatistics:
    """Measure the opening rates and mean scales of gates at one λ on the first RATE_IMAGES images."""
    images = normalised(split.images[:RATE_IMAGES].to(graph.device))
    return gate_statistics(graph.eval(), images, lam if graph.tradeoff.every_lam else None)


def routes(graph: Graph) -> list[dict[str, int]]:
    """Return {control node: option} for every route, one for each distinct set of nodes that run.

    Raises GraphError if all gates open independently, or if there are more than MAX_ROUTES routes.
    """
    if _all_independent(graph):
        raise GraphError("Gates that open independently have no routes. Compare with static networks of other widths instead.")
    columns = [range(len(control.options)) for control in graph.controls]
    combinations = 1
    for options in columns:
        combinations *= len(options)
    if combinations > MAX_COMBINATIONS:
        raise GraphError(f"This network has {combinations} combinations of options; at most {MAX_COMBINATIONS} are examined")
    choices = (dict(zip((control.name for control in graph.controls), taken, strict=True)) for taken in product(*columns))
    found = list({running_nodes(graph, choice): choice for choice in choices}.values())
    if len(found) > MAX_ROUTES:
        raise GraphError(f"This network has {len(found)} routes; at most {MAX_ROUTES} are evaluated")
    return found


@torch.no_grad()
def confidence_front(graph: Graph, split: Split) -> list[ParetoPoint]:
    """Evaluate a cascade that stops at the first exit whose confidence reaches a threshold, at each of THRESHOLDS.

    The confidence is the largest class probability. No controller is needed, so none is counted. Raises GraphError unless the control
    nodes are a sequence of decisions to stop or to continue.
    """
    graph.eval()
    costs = _exit_costs(graph)
    device = graph.device
    confidence, correct = [], []
    for images, labels in zip(torch.split(split.images, BATCH), torch.split(split.labels, BATCH), strict=True):
        execution = execute(graph, normalised(images.to(device)), Open(), lam=0.5)
        answers = torch.stack(list(execution.outputs.values()), dim=1).softmax(dim=2).cpu()  # (B, exits, classes)
        confidence.append(answers.amax(dim=2))
        correct.append(answers.argmax(dim=2) == labels[:, None])
    return [_early_exit_point(torch.cat(confidence), torch.cat(correct), costs, threshold) for threshold in THRESHOLDS]


def _early_exit_point(confidence: Tensor, correct: Tensor, costs: Tensor, threshold: float) -> ParetoPoint:
    """Return the point at one threshold. confidence, correct: (N, exits); costs: (exits,), the cost share of stopping at each exit."""
    stops = confidence >= threshold
    stops[:, -1] = True
    exits = stops.int().argmax(dim=1)  # (N,) the first exit that stops
    return ParetoPoint(float(costs[exits].mean()), float(correct.gather(1, exits[:, None]).float().mean()))


def _exit_costs(graph: Graph) -> Tensor:
    """Return the cost shares of stopping at each exit, (exits,) float64, without controllers."""
    names = [control.name for control in graph.controls]
    exits = [output.name for output in graph.outputs]
    if len(exits) < 2 or any(control.decides == "each" for control in graph.controls):
        raise GraphError("Early exit by confidence needs a cascade with several exits")
    static = static_macs(graph)
    shares = []
    for stop in range(len(graph.outputs)):
        runs = running_nodes(graph, {name: int(number < stop) for number, name in enumerate(names)})
        if [name for name in runs if name in exits] != exits[: stop + 1]:
            raise GraphError("Early exit by confidence needs a cascade whose control nodes each decide to stop or to continue")
        shares.append(cost_share(sum(graph.macs[name] for name in runs if name not in names), static))
    return torch.tensor(shares, dtype=torch.float64)
