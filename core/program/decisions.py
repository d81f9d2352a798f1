"""Writes the modules of control nodes, the decisions that follow from their values, and what follows from λ."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from core.graph.node import Node
from core.graph.tradeoff import BudgetCurve, ExchangeRate, Tradeoff, WeightCurve
from core.modules.answers import AnswerController
from core.modules.controller import MIN_LOG_PROBABILITY, Controller
from core.modules.exits import ConfidenceRule, DistanceRule, EntropyRule, ExitRule, PolicyRule
from core.modules.gate_network import FIRST_OPEN, GateNetwork
from core.modules.saliency import COUNT_TOLERANCE, MIN_SALIENCY, SaliencyNetwork
from core.program.modules import Shape, write
from core.program.operators import NotWrittenError, Operators

LAM_INPUT = "lam"  # the input of a program that serves every λ, one number


def write_condition(tradeoff: Tradeoff, to: Operators) -> tuple[str | None, tuple[str, str] | None]:
    """Write λ's condition, (1, 1), and the weights (1, 1) of accuracy and of the negative cost share in the score of an option.

    None for a network that does not take them. Raises NotWrittenError.
    """
    if not tradeoff.every_lam:
        return None, None
    lam = to.add("Reshape", to.given(LAM_INPUT, ()), to.integers(1, 1))
    lam = to.add("Clip", lam, *(to.constant(np.array(bound, dtype=np.float32)) for bound in (0, 1)))
    rest = to.add("Sub", to.number(1), lam)
    if type(tradeoff) is ExchangeRate:
        cost = to.add("Mul", rest, to.constant(tradeoff.exchange_rate))
        return to.add("Div", lam, to.add("Add", lam, cost)), (lam, cost)
    if type(tradeoff) not in (BudgetCurve, WeightCurve):
        raise NotWrittenError(f"{type(tradeoff).__name__}: this way to trade accuracy for cost has no form in ONNX operators")
    assert isinstance(tradeoff, BudgetCurve)
    steps = len(tradeoff.curve)
    distance = to.add("Sub", to.add("Mul", lam, to.number(steps - 1)), to.constant(np.arange(steps, dtype=np.float32)[None]))
    near = to.add("Relu", to.add("Sub", to.number(1), to.add("Abs", distance)))  # (1, steps): of at most two neighbours, their shares
    condition = to.add("ReduceSum", to.add("Mul", near, to.constant(tradeoff.curve[None])), to.integers(1))
    if type(tradeoff) is BudgetCurve:
        return condition, None
    return condition, (condition, to.add("Sub", to.number(1), condition))


def write_values(part: nn.Module, to: Operators, inputs: Sequence[str], shapes: Sequence[Shape], condition: str | None) -> list[str]:
    """Write the module of a control node. Returns its values, (1, options): one list, or the accuracies and the negative cost shares."""
    if type(part) in (GateNetwork, SaliencyNetwork):
        assert isinstance(part, GateNetwork)
        return [_gate_network(part, to, [_summary(to, *seen) for seen in zip(inputs, shapes, strict=True)], condition)]
    if type(part) is AnswerController:
        return _controller(part, to, _answers(part, to, inputs), condition)
    if isinstance(part, ExitRule):
        return [_exit_rule(part, to, inputs[0], condition)]
    if type(part) is Controller:
        features = [_summary(to, *seen) for seen in zip(inputs, shapes, strict=True)]
        return _controller(part, to, features, condition)
    return [write(part, to, inputs, shapes)]


def write_gates(control: Node, to: Operators, values: Sequence[str], weights: tuple[str, str] | None) -> tuple[str, str]:
    """Write the gates of a control node as `Greedy` sets them. Returns their values and whether each is open, (1, options) both."""
    score = values[0]
    if len(values) == 2 and weights is not None:
        score = to.add("Add", *(to.add("Mul", value, weight) for value, weight in zip(values, weights, strict=True)))
    if control.decides == "each":
        gates = to.add("Relu", score)
        return gates, to.add("Greater", gates, to.number(0))
    places = to.constant(np.arange(len(control.options), dtype=np.int64)[None])
    opened = to.add("Equal", to.add("ArgMax", score, axis=1, keepdims=1), places)
    return to.add("Cast", opened, to=TensorProto.FLOAT), opened


def _gate_network(part: GateNetwork, to: Operators, observed: Sequence[str], condition: str | None) -> str:
    """Write a gate network, its batch norm folded into its hidden layer. `observed`: what it observes of its inputs."""
    if len(part.table):
        table = to.constant(part.table)
        if condition is None:
            return to.add("Gather", table, to.integers(0), axis=0)
        return to.add("Gather", table, _nearest_row(to, condition, len(part.table)), axis=0)
    norm, seen = part.norm, part.norm.num_features
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    matrix, bias = part.hidden.weight.detach().clone(), part.hidden.bias.detach()
    if part.blind:
        matrix[:, :seen] = 0
    else:
        bias = bias + matrix[:, :seen] @ (norm.bias - norm.running_mean * scale)
        matrix[:, :seen] *= scale
    features = list(observed)
    if part.every_lam:
        assert condition is not None
        features.append(condition)
    hidden = to.add("Relu", to.add("Gemm", _together(to, features), to.constant(matrix), to.constant(bias), transB=1))
    raw = to.add("Gemm", hidden, to.constant(part.head.weight), to.constant(part.head.bias), transB=1)
    if isinstance(part, SaliencyNetwork):
        return _winners(part, to, raw, condition)
    scores = _nested(part, to, raw)
    if part.least is None:
        return scores
    most = torch.where(part.least > 0, 2 - part.least, torch.inf)
    held = to.add("Min", to.add("Max", scores, to.constant(part.least[None])), to.constant(most[None]))
    return to.add("Where", to.add("Greater", scores, to.number(0)), held, scores)


def _nearest_row(to: Operators, condition: str, rows: int) -> str:
    """Write the row of a table nearest to each image's condition, (images,)."""
    row = to.add("Round", to.add("Mul", condition, to.number(rows - 1)))
    return to.add("Cast", to.add("Reshape", row, to.integers(-1)), to=TensorProto.INT64)


def _exit_rule(part: ExitRule, to: Operators, answer: str, condition: str | None) -> str:
    """Write the threshold and the doubt of an exit rule, (images, 2), from an answer's logits. Raises NotWrittenError."""
    row = to.integers(0) if condition is None else _nearest_row(to, condition, len(part.thresholds))
    if type(part) is EntropyRule:
        doubt = _entropy(to, to.add("LogSoftmax", answer, axis=1))
    elif type(part) is ConfidenceRule:
        doubt = to.add("Sub", to.number(1), to.add("ReduceMax", to.add("Softmax", answer, axis=1), axes=[1]))
    elif type(part) is DistanceRule:
        doubt = to.add("Neg", to.add("ReduceMax", to.add("Div", answer, to.constant(part.norms)), axes=[1]))
    elif type(part) is PolicyRule:
        logs = to.add("LogSoftmax", answer, axis=1)
        observed = _together(to, [to.add("TopK", _clamped(to, logs), to.integers(part.likeliest), axis=1), _entropy(to, logs)])
        weights = to.add("Unsqueeze", to.add("Gather", to.constant(part.weights), row, axis=0), to.integers(2))
        product = to.add("MatMul", to.add("Unsqueeze", observed, to.integers(1)), weights)  # (images, 1, 1)
        doubt = to.add("Reshape", product, to.integers(-1, 1))
    else:
        raise NotWrittenError(f"{type(part).__name__}: this exit rule has no form in ONNX operators")
    threshold = to.add("Gather", to.constant(part.thresholds[:, None]), row, axis=0)  # (images, 1), or (1, 1)
    return to.add("Concat", to.add("Add", threshold, to.add("Mul", doubt, to.number(0))), doubt, axis=1)


def _entropy(to: Operators, logs: str) -> str:
    return to.add("Neg", to.add("ReduceSum", to.add("Mul", to.add("Exp", logs), logs), to.integers(1)))


def _nested(part: GateNetwork, to: Operators, scores: str) -> str:
    """Write scores (images, gates) that are 0 behind the first of nested ones that is not above zero, as `nest_scores` closes them."""
    if not part.nested:
        return scores
    gates = len(part.head.bias)
    before, floor = torch.zeros(gates, gates), torch.full((1, gates), -torch.inf)
    for columns in part.nested:
        before[columns, columns] = 1.0
        floor[0, columns.start] = FIRST_OPEN
    own = to.add("Max", scores, to.constant(floor))
    closed = to.add("Cast", to.add("LessOrEqual", own, to.number(0)), to=TensorProto.FLOAT)
    behind = to.add("MatMul", closed, to.constant(before.triu()), counted=False)
    return to.add("Where", to.add("Greater", behind, to.number(0)), to.number(0), own)


def _winners(part: SaliencyNetwork, to: Operators, raw: str, condition: str | None) -> str:
    """Write scores (images, gates) of which the winners alone are above zero, as `SaliencyNetwork.decided` returns them."""
    density = to.constant(np.full((1, 1), part.min_density, dtype=np.float32))
    if condition is not None:
        density = to.add("Add", density, to.add("Mul", to.number(1 - part.min_density), condition))  # (1 or images, 1)
    won = []
    for columns, rivals in zip(part.competing, _split(to, raw, part.competing), strict=True):
        channels = columns.stop - columns.start
        _, order = to.add_all("TopK", 2, rivals, to.integers(channels), axis=1)
        _, ranks = to.add_all("TopK", 2, order, to.integers(channels), axis=1, largest=0)
        count = to.add("Ceil", to.add("Sub", to.add("Mul", density, to.number(channels)), to.number(COUNT_TOLERANCE)))
        won.append(to.add("Less", to.add("Cast", ranks, to=TensorProto.FLOAT), to.add("Max", count, to.number(1))))
    losers = to.add("Neg", to.add("Relu", raw))
    return to.add("Where", _together(to, won), to.add("Max", raw, to.number(MIN_SALIENCY)), losers)


def _split(to: Operators, scores: str, columns: Sequence[slice]) -> list[str]:
    """Write scores (images, gates) in parts, the slices of consecutive columns."""
    return to.add_all("Split", len(columns), scores, to.integers(*(one.stop - one.start for one in columns)), axis=1)


def _controller(part: Controller, to: Operators, features: Sequence[str], condition: str | None) -> list[str]:
    if part.every_lam:
        assert condition is not None
        features = [*features, condition if part.has_successors else to.add("Mul", condition, to.number(0))]
    seen = _together(to, features)
    hidden = to.add("Relu", to.add("Gemm", seen, to.constant(part.hidden.weight), to.constant(part.hidden.bias), transB=1))
    values = to.add("Gemm", hidden, to.constant(part.head.weight), to.constant(part.head.bias), transB=1)
    if not part.every_lam:
        return [values]
    accuracy, later = to.add_all("Split", 2, values, axis=1)
    later = to.add("Softplus", later) if part.has_successors else to.add("Mul", later, to.number(0))
    return [to.add("Sigmoid", accuracy), to.add("Sub", to.constant(-part.min_remaining_cost[None]), later)]


def _summary(to: Operators, x: str, shape: Shape) -> str:
    """Write what a controller sees of a feature map or of class scores, as `summary` does (core/modules/controller.py)."""
    if len(shape) == 3:
        return _means(to, x)
    return to.add("TopK", _clamped(to, to.add("LogSoftmax", x, axis=1)), to.integers(shape[0]), axis=1)


def _answers(part: AnswerController, to: Operators, inputs: Sequence[str]) -> list[str]:
    """Write what a controller sees of answers, logits (1, classes) each, as `AnswerController.features` does."""
    logs = [to.add("LogSoftmax", one, axis=1) for one in inputs]
    clamped = [_clamped(to, log) for log in logs]
    best = [to.add("ArgMax", log, axis=1, keepdims=1) for log in logs] if len(logs) > 1 else []
    found = []
    for log, kept in zip(logs, clamped, strict=True):
        ordered = to.add("TopK", kept, to.integers(part.classes), axis=1)
        first, second = to.add_all(
            "Split", 3 if part.classes > 2 else 2, ordered, to.integers(1, 1, *[part.classes - 2][: part.classes > 2]), axis=1
        )[:2]
        entropy = to.add("ReduceSum", to.add("Mul", to.add("Exp", log), kept), to.integers(1))
        found += [ordered, to.add("Sub", first, second), to.add("Neg", entropy)]
    for earlier, later in combinations(range(len(inputs)), 2):
        agree = to.add("Cast", to.add("Equal", best[earlier], best[later]), to=TensorProto.FLOAT)
        found += [agree, to.add("GatherElements", clamped[earlier], best[later], axis=1)]
    return found


def _means(to: Operators, x: str) -> str:
    return to.add("Flatten", to.add("GlobalAveragePool", x))


def _clamped(to: Operators, logs: str) -> str:
    return to.add("Max", logs, to.number(MIN_LOG_PROBABILITY))


def _together(to: Operators, features: Sequence[str]) -> str:
    return to.add("Concat", *features, axis=1) if len(features) > 1 else features[0]
