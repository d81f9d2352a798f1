"""What a network answers for an image, which of its nodes ran for it, and where along λ that changes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any

import torch
from torch import Tensor

from core.evaluation.evaluate import normalised
from core.explain.model import Model
from core.graph.cost import CostReport, cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Forced, Greedy, Open, Policy
from core.graph.tradeoff import threshold
from core.graph.validation import find_choices
from core.scale import SLIDER_STEPS, cost_share, lam_at

EVERY_LAM = torch.tensor([lam_at(step) for step in range(SLIDER_STEPS)])
PARTS = 10  # into which a step of the slider is divided where the course changes,
CLOSER = 2  # so many times: to 1e-4


@dataclass(frozen=True)
class Decision:
    """A control node's scores and the options they opened; none of either if it did not run."""

    scores: list[float] | None
    chosen: str | list[str] | None


@dataclass(frozen=True)
class Trace:
    """What happened to one image at one λ. Costs in multiply-adds.

    `gates` holds the number that each gated node was scaled by, 0 if it was skipped; of a node with gates inside, that of each
    channel, its own gate's included.
    `scales` holds what a node's own gate scaled it by where gates decide each by itself, 0 if it was skipped.
    """

    lam: float | None
    label: str
    probabilities: dict[str, float]
    executed: list[str]
    skipped: list[str]
    controls: dict[str, Decision]
    gates: dict[str, float | list[float]]
    scales: dict[str, float]
    macs: int
    macs_full: int
    macs_static: int

    @property
    def cost_share(self) -> float:
        """The cost as a share of the static network's."""
        return cost_share(self.macs, self.macs_static)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class LamSweep:
    """One image at all SLIDER_STEPS values of λ from 0 to 1, or at the one λ of a network that serves no other.

    traces      one per stretch of λ along which the same nodes run, the cheapest λ first
    starts      the step, 0 to SLIDER_STEPS − 1, at which each trace begins
    scores      {control node: scores at each step}, none where it did not run
    thresholds  the λ at which the set of running nodes changes
    reference   the same image along the path of the highest capacity
    """

    traces: list[Trace]
    starts: list[int]
    scores: dict[str, list[list[float] | None]]
    thresholds: list[float]
    reference: Trace


@torch.no_grad()
def predict(model: Model, images: Tensor, *, lam: float | None = None, forced: Mapping[str, bool] | None = None) -> list[Trace]:
    """One trace per image (N, C, H, W) uint8. `forced` holds gated nodes open or closed. Raises GraphError."""
    lam = asked_lam(model, lam)
    execution = execute(model.graph, normalised(images), holding(model.graph, forced or {}), lam=lam)
    return _traces(model, execution, [lam] * len(images))


@torch.no_grad()
def sweep_lam(model: Model, image: Tensor, forced: Mapping[str, bool] | None = None) -> LamSweep:
    """One image (C, H, W) uint8 at every λ of the slider. Raises GraphError where nodes are forced that cannot be."""
    graph, policy = model.graph, holding(model.graph, forced or {})
    lams = EVERY_LAM.tolist() if graph.every_lam else [model.lam]
    execution = _at(graph, image, policy, torch.tensor(lams) if graph.every_lam else None)
    traces = _traces(model, execution, lams)
    starts = [step for step, trace in enumerate(traces) if step == 0 or not _same_course(trace, traces[step - 1])]
    scores = {name: [trace.controls[name].scores for trace in traces] for name in execution.scores}
    one = {name: {column: True} for name, column in graph.reference.items() if graph.by_name[name].decides == "one"}
    along = Forced(one, Open())
    reference = _traces(model, _at(graph, image, along, torch.ones(1) if graph.every_lam else None), [lams[-1]])[0]
    return LamSweep([traces[step] for step in starts], starts, scores, _thresholds(graph, image, policy, execution), reference)


@torch.no_grad()
def thresholds(model: Model, image: Tensor, forced: Mapping[str, bool] | None = None) -> list[float]:
    """The values of λ, ascending, at which the nodes that run for an image (C, H, W) change; none for a network of one λ.

    In closed form where one control node of two options decides alone, to 1e-4 by looking closer at the steps of the slider otherwise
    (what changes and changes back within a thousandth is not seen).
    """
    graph, policy = model.graph, holding(model.graph, forced or {})
    return _thresholds(graph, image, policy, _at(graph, image, policy, EVERY_LAM)) if graph.every_lam else []


def _thresholds(graph: Graph, image: Tensor, policy: Policy, coarse: Execution) -> list[float]:
    """The thresholds of an image by what happened to it at each step of the slider, which is looked at more closely where that changes."""
    if not graph.every_lam:
        return []
    if len(graph.controls) == 1 and len(graph.controls[0].options) == 2 and isinstance(policy, Greedy):
        crossing = float(threshold(coarse.values[graph.controls[0].name][:1], graph.exchange_rate))
        return [crossing] if 0 < crossing < 1 else []
    known = list(zip(EVERY_LAM.tolist(), _courses(coarse), strict=True))
    spans = [(before, after) for before, after in pairwise(known) if before[1] != after[1]]  # between their ends the course changes
    for _ in range(CLOSER):
        if not spans:
            break
        lams = torch.cat([torch.linspace(before[0], after[0], PARTS + 1)[1:-1] for before, after in spans])
        found = iter(zip(lams.tolist(), _courses(_at(graph, image, policy, lams)), strict=True))
        looked_at = [[before, *islice(found, PARTS - 1), after] for before, after in spans]
        spans = [(one, next_one) for points in looked_at for one, next_one in pairwise(points) if one[1] != next_one[1]]
    return [after[0] for _, after in spans]


def asked_lam(model: Model, lam: float | None) -> float | None:
    """The λ to execute with: the one asked for, or the one the network was trained for. Raises GraphError where that is another."""
    if lam is not None and not 0 <= lam <= 1:
        raise GraphError(f"λ is {lam:g}: it lies between 0 (cheap) and 1 (accurate)")
    if model.graph.every_lam:
        if lam is None:
            raise GraphError(f"{model.run} serves every λ: say which, from 0 (cheap) to 1 (accurate)")
        return lam
    if lam is not None and model.lam is not None and lam != model.lam:
        raise GraphError(f"{model.run} was trained for λ = {model.lam:g} alone and cannot answer for {lam:g}")
    return model.lam


def holding(graph: Graph, forced: Mapping[str, bool]) -> Policy:
    """The policy that makes nodes run (True), with all that they need, or keeps them from it (False), and leaves the rest to the scores.

    Raises GraphError naming what can be held, or what cannot be held together.
    """
    for name in forced:
        if name not in graph.by_name or not graph.by_name[name].gates:
            gated = ", ".join(node.name for node in graph.nodes if node.gates) or "none"
            raise GraphError(f"{name!r} has no gate to force: nodes with a gate are {gated}")
    running = [name for name, held in forced.items() if held]
    opened = find_choices(graph.by_name, *running)
    if opened is None:
        raise GraphError(f"{' and '.join(running)} cannot run together: no choice of options opens all that they need")
    columns: dict[str, dict[int, bool]] = {}
    for control, column in opened:
        columns.setdefault(control, {})[column] = True
    for name in (name for name, held in forced.items() if not held):
        for gate in graph.by_name[name].gates:
            if columns.setdefault(gate.control, {}).setdefault(gate.column, False):
                raise GraphError(f"{name!r} cannot be kept from running: it shares its gate with {', '.join(running)}")
    for control, held_columns in columns.items():
        node = graph.by_name[control]
        if node.decides == "one" and not any(held_columns.values()) and len(held_columns) == len(node.options):
            raise GraphError(f"every option of {control!r} is forced off: leave it one of {', '.join(node.options)}")
    return Forced(columns) if columns else Greedy()


def _at(graph: Graph, image: Tensor, policy: Policy, lams: Tensor | None) -> Execution:
    """One image at several λ in one batch."""
    return execute(graph, normalised(image[None]), policy, lam=lams, copies=1 if lams is None else len(lams))


def _courses(execution: Execution) -> list[list[bool]]:
    """For each row which nodes ran."""
    return torch.stack(list(execution.ran.values()), dim=1).tolist()


def _same_course(trace: Trace, other: Trace) -> bool:
    return (trace.executed, trace.gates) == (other.executed, other.gates)


def _gates(execution: Execution, node: Node) -> Tensor:
    """What a node was scaled by, (B,), or with gates inside each of its channels, (B, channels)."""
    scales = _scales(execution, node)
    if node.channels is None:
        return scales
    return scales[:, None] * execution.gates[node.channels.control][:, node.channels.columns]


def _scales(execution: Execution, node: Node) -> Tensor:
    """What a node's own gate scaled it by, (B,)."""
    return execution.gate(node) * execution.ran[node.name]


def _traces(model: Model, execution: Execution, lams: list[float | None]) -> list[Trace]:
    graph, report = model.graph, cost(model.graph, execution)
    probabilities = execution.output.softmax(dim=1).tolist()  # (B, classes)
    gates = {node.name: _gates(execution, node).tolist() for node in graph.nodes if node.gates or node.channels}
    each = {control.name for control in graph.controls if control.decides == "each"}
    scaling = [node for node in graph.nodes if node.gates and all(gate.control in each for gate in node.gates)]
    scales = {node.name: _scales(execution, node).tolist() for node in scaling}
    ran = {name: rows.tolist() for name, rows in execution.ran.items()}
    scores = {name: rows.tolist() for name, rows in execution.scores.items()}
    opened = {name: (rows > 0).tolist() for name, rows in execution.gates.items()}
    return [_trace(model, row, lam, probabilities, gates, scales, ran, scores, opened, report) for row, lam in enumerate(lams)]


def _trace(
    model: Model,
    row: int,
    lam: float | None,
    probabilities: list[list[float]],
    gates: dict[str, list[float | list[float]]],
    scales: dict[str, list[float]],
    ran: dict[str, list[bool]],
    scores: dict[str, list[list[float]]],
    opened: dict[str, list[list[bool]]],
    report: CostReport,
) -> Trace:
    likeliest = max(range(len(model.classes)), key=lambda index: probabilities[row][index])
    controls = {}
    for control in model.graph.controls:
        chosen = [option for option, is_open in zip(control.options, opened[control.name][row], strict=True) if is_open]
        taken = (chosen[0] if len(chosen) == 1 else chosen) if control.decides == "one" else chosen
        runs = ran[control.name][row]
        controls[control.name] = Decision(scores[control.name][row] if runs else None, taken if runs else None)
    return Trace(
        lam=lam,
        label=model.classes[likeliest],
        probabilities=dict(zip(model.classes, probabilities[row], strict=True)),
        executed=[name for name, rows in ran.items() if rows[row]],
        skipped=[name for name, rows in ran.items() if not rows[row]],
        controls=controls,
        gates={name: rows[row] for name, rows in gates.items()},
        scales={name: rows[row] for name, rows in scales.items()},
        macs=int(report.used[row]),
        macs_full=report.full,
        macs_static=report.static,
    )
