"""Predictions of a network, the nodes that run for an image, and the values of λ at which its route changes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from core.datasets import normalised
from core.explain.model import Model
from core.explain.thresholds import EVERY_LAM, execute_along, located
from core.graph.cost import CostReport, cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import GraphError, Node
from core.graph.policy import Forced, Greedy, Open, Policy
from core.graph.validation import find_choices
from core.scale import SLIDER_STEPS, cost_share, lam_at, nearest_from


@dataclass(frozen=True)
class Decision:
    """The scores of a control node and the options that it opened, both None if it did not run."""

    scores: list[float] | None
    chosen: str | list[str] | None


@dataclass(frozen=True)
class Trace:
    """The execution of one image at one λ. Costs are in multiply-adds.

    gates   the scale of each gated node, 0 if it was skipped; for a node with channel gates, the scale of each channel, multiplied by
            the scale of the node
    scales  the scale of each node whose gate opens independently, 0 if it was skipped
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
        """Return the trace as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class LamSweep:
    """The execution of one image at all SLIDER_STEPS values of λ, or at the only λ of a network that was trained for one.

    traces      one per interval of λ with the same nodes and gates, in ascending order of λ
    starts      the step, 0 to SLIDER_STEPS − 1, at which each trace begins
    scores      {control node: its scores at each step, None where it did not run}
    thresholds  the values of λ at which the set of running nodes changes
    reference   the same image along the route with the largest capacity
    computed    the steps that were executed so far, if not all are: the others have the traces and scores of the nearest of them, and
                there are no thresholds yet (core/explain/gradual.py)
    """

    traces: list[Trace]
    starts: list[int]
    scores: dict[str, list[list[float] | None]]
    thresholds: list[float]
    reference: Trace
    computed: tuple[int, ...] | None = None


@torch.no_grad()
def predict(
    model: Model, images: Tensor, *, lam: float | Sequence[float | None] | None = None, forced: Mapping[str, bool] | None = None
) -> list[Trace]:
    """Return the trace of each image (N, C, H, W) uint8, at one λ or at one for each image. Raises GraphError.

    `forced` turns gated nodes on (True) or off.
    """
    lams = [resolve_lam(model, one) for one in lam] if isinstance(lam, Sequence) else [resolve_lam(model, lam)] * len(images)
    given = torch.tensor(lams) if model.graph.tradeoff.every_lam else None  # (N,)
    execution = execute(model.graph, normalised(images), forced_policy(model.graph, forced or {}), lam=given)
    return _traces(model, execution, lams)


@torch.no_grad()
def sweep_lam(model: Model, image: Tensor, forced: Mapping[str, bool] | None = None) -> LamSweep:
    """Execute an image (C, H, W) uint8 at every λ of the slider. Raises GraphError if nodes cannot be forced as `forced` says."""
    graph, policy = model.graph, forced_policy(model.graph, forced or {})
    execution = execute_along(graph, image, policy, EVERY_LAM if graph.tradeoff.every_lam else None)
    changes = located(graph, image, policy, execution)
    return sweep_of(model, execution, full_path(model, image), range(len(execution.output)), changes)


def full_path(model: Model, image: Tensor) -> Trace:
    """Return the trace of an image (C, H, W) uint8 along the route with the largest capacity."""
    graph = model.graph
    options = {name: {column: True} for name, column in graph.reference.items() if graph.by_name[name].decides == "one"}
    execution = execute_along(graph, image, Forced(options, Open()), torch.ones(1) if graph.tradeoff.every_lam else None)
    return _traces(model, execution, [1.0 if graph.tradeoff.every_lam else model.lam])[0]


def sweep_of(
    model: Model, execution: Execution, reference: Trace, steps: Sequence[int], thresholds: list[float], *, complete: bool = True
) -> LamSweep:
    """Return the sweep of an image from its execution at these ascending steps of the slider, or at a network's only λ.

    A step that was not executed gets what holds at the nearest one that was. `complete` says that nothing will be added.
    """
    every = model.graph.tradeoff.every_lam
    traces = _traces(model, execution, [lam_at(step) for step in steps] if every else [model.lam])
    begins = nearest_from(steps)
    kept = [row for row, trace in enumerate(traces) if row == 0 or not _same_route(trace, traces[row - 1])]
    lengths = [after - before for before, after in pairwise([*begins, SLIDER_STEPS if every else 1])]
    scores = {
        name: [trace.controls[name].scores for trace, length in zip(traces, lengths, strict=True) for _ in range(length)]
        for name in execution.scores
    }
    return LamSweep(
        [traces[row] for row in kept], [begins[row] for row in kept], scores, thresholds, reference, None if complete else tuple(steps)
    )


@torch.no_grad()
def thresholds(model: Model, image: Tensor, forced: Mapping[str, bool] | None = None) -> list[float]:
    """Return the ascending values of λ at which the route of an image (C, H, W) uint8 changes, none for a network trained for one λ.

    With a single control node of two options they are exact. Otherwise they are located to 1e-4 by refining the steps of the slider;
    a route that lasts for less than 0.01 between two steps can be missed.
    """
    graph, policy = model.graph, forced_policy(model.graph, forced or {})
    return located(graph, image, policy, execute_along(graph, image, policy, EVERY_LAM)) if graph.tradeoff.every_lam else []


def resolve_lam(model: Model, lam: float | None) -> float | None:
    """Return the λ to execute a model at: the given one, or the one it was trained for. Raises GraphError if they differ."""
    if lam is not None and not 0 <= lam <= 1:
        raise GraphError(f"λ must be between 0 (cheap) and 1 (accurate), not {lam:g}.")
    if model.graph.tradeoff.every_lam:
        if lam is None:
            raise GraphError(f"{model.run} serves every λ. Set λ, from 0 (cheap) to 1 (accurate).")
        return lam
    if lam is not None and model.lam is not None and lam != model.lam:
        raise GraphError(f"{model.run} was trained for λ = {model.lam:g} only. Omit λ, or set it to {model.lam:g} instead of {lam:g}.")
    return model.lam


def forced_policy(graph: Graph, forced: Mapping[str, bool]) -> Policy:
    """Return the greedy policy under which nodes are forced on (True), with the nodes that they require, or off (False).

    Raises GraphError naming the nodes that can be forced, or those that cannot be forced together.
    """
    for name in forced:
        if name not in graph.by_name or not graph.by_name[name].gates:
            gated = ", ".join(node.name for node in graph.nodes if node.gates) or "none"
            raise GraphError(f"{name!r} cannot be forced, since it has no gate. Nodes with a gate: {gated}.")
    forced_on = [name for name, on in forced.items() if on]
    opened = find_choices(graph.by_name, *forced_on)
    if opened is None:
        raise GraphError(
            f"{' and '.join(forced_on)} cannot run together, since no choice of options opens all of them. Force fewer nodes on."
        )
    columns: dict[str, dict[int, bool]] = {}
    for control, column in opened:
        columns.setdefault(control, {})[column] = True
    for name in (name for name, on in forced.items() if not on):
        for gate in graph.by_name[name].gates:
            if columns.setdefault(gate.control, {}).setdefault(gate.column, False):
                raise GraphError(f"{name!r} cannot be forced off: its gate is needed to force {', '.join(forced_on)} on.")
    for control, gates in columns.items():
        node = graph.by_name[control]
        if node.decides == "one" and not any(gates.values()) and len(gates) == len(node.options):
            raise GraphError(f"Every option of {control!r} is forced off. Leave at least one of {', '.join(node.options)} automatic.")
    return Forced(columns) if columns else Greedy()


def _same_route(trace: Trace, other: Trace) -> bool:
    """Return whether the same nodes ran with the same gates."""
    return (trace.executed, trace.gates) == (other.executed, other.gates)


def _gates(execution: Execution, node: Node) -> Tensor:
    """Return the scale of a node, (B,), or of each of its channels if they have gates, (B, channels)."""
    scales = _scales(execution, node)
    if node.channels is None:
        return scales
    return scales[:, None] * execution.gates[node.channels.control][:, node.channels.columns]


def _scales(execution: Execution, node: Node) -> Tensor:
    """Return the scale that a node's own gate gave it, (B,), 0 where it did not run."""
    return execution.gate(node) * execution.ran[node.name]


def _traces(model: Model, execution: Execution, lams: list[float | None]) -> list[Trace]:
    """Return one trace per row of an execution, whose values of λ are `lams`."""
    graph, report = model.graph, cost(model.graph, execution)
    probabilities = execution.output.softmax(dim=1).tolist()  # (B, classes)
    gates = {node.name: _gates(execution, node).tolist() for node in graph.nodes if node.gates or node.channels}
    independent = {control.name for control in graph.controls if control.decides == "each"}
    scaled = [node for node in graph.nodes if node.gates and all(gate.control in independent for gate in node.gates)]
    scales = {node.name: _scales(execution, node).tolist() for node in scaled}
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
    """Return the trace of one row of an execution."""
    predicted = max(range(len(model.classes)), key=lambda index: probabilities[row][index])
    controls = {}
    for control in model.graph.controls:
        chosen = [option for option, is_open in zip(control.options, opened[control.name][row], strict=True) if is_open]
        taken = (chosen[0] if len(chosen) == 1 else chosen) if control.decides == "one" else chosen
        runs = ran[control.name][row]
        controls[control.name] = Decision(scores[control.name][row] if runs else None, taken if runs else None)
    return Trace(
        lam=lam,
        label=model.classes[predicted],
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
