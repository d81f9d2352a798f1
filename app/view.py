"""What the browser is sent about one image: the picture of the graph and a view of it for every λ, once, as plain data.

Loads without torch and without streamlit.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.layout import Layout, cells
from app.wording import clock, counted, headline, percent, sooner
from core.network.node import Node

if TYPE_CHECKING:
    from core.inference.predict import LamSweep, Trace

FULL = 2.0  # a scale from which on a channel's cell is of the full colour
TOP = 5  # classes that the answer shows
DECIMALS = 3

View = dict[str, Any]


def view_of(
    nodes: Sequence[Node],
    layout: Layout,
    sweep: "LamSweep",
    times: tuple[Sequence[float], float],
    lam: float | None,
    every_lam: bool,
    asked: float | None = None,
) -> View:
    """Everything that the component draws.

    `times` are the seconds of each stretch of the sweep and of the static network; `lam` is the one λ of a network that serves no other;
    `asked` where the slider is to begin.
    """
    seconds, still = times
    gated = any(node.kind == "control" for node in nodes)
    static = max(sweep.reference.macs_static, 1)
    widest = max(sweep.reference.macs, static, *(trace.macs for trace in sweep.traces))
    return {
        "layout": layout | {"nodes": [node | {"cost": counted(node["macs"])} for node in layout["nodes"]]},
        "every_lam": every_lam,
        "gated": gated,
        "lam": lam,
        "asked": asked,
        "starts": sweep.starts,
        "thresholds": sweep.thresholds,
        "scores": {name: [_rounded(row) for row in rows] for name, rows in sweep.scores.items()},
        "static": {"macs": counted(static), "bar": static / widest, "time": clock(still)},
        "stretches": [
            _stretch(nodes, trace, sweep.reference, widest) | {"time": clock(taken), "sooner": sooner(taken, still) if gated else ""}
            for trace, taken in zip(sweep.traces, seconds, strict=True)
        ],
    }


def _stretch(nodes: Sequence[Node], trace: "Trace", reference: "Trace", widest: int) -> View:
    """What is shown along the λ at which an image takes one way."""
    before, figures, after = headline(nodes, trace, reference)
    ranked = sorted(trace.probabilities.items(), key=lambda item: -item[1])[:TOP]
    answered = all(math.isfinite(share) for _, share in ranked)
    return {
        "headline": [before, figures, after],
        "ran": trace.executed,
        "cells": {node.name: _strip(trace.gates[node.name], cells(node)) for node in nodes if node.channels},
        "taken": {name: _listed(decision.chosen) for name, decision in trace.controls.items()},
        "label": trace.label if answered else "no answer",
        "probabilities": [[name, share, percent(share)] for name, share in ranked] if answered else [],
        "macs": counted(trace.macs),
        "bar": trace.macs / widest,
        "share": percent(trace.macs / max(trace.macs_static, 1)),
    }


def _strip(gates: float | list[float], count: int) -> str:
    """The channels of a node as so many digits: 0 where all of a cell's are closed, else 1 to 9 by the mean of their scales."""
    values = gates if isinstance(gates, list) else [gates]
    step = -(-len(values) // count)
    means = [sum(some) / len(some) for some in (values[start : start + step] for start in range(0, len(values), step))]
    return "".join("0" if mean <= 0 else str(min(9, 1 + round(8 * mean / FULL))) for mean in means)


def _listed(chosen: str | list[str] | None) -> list[str]:
    return [chosen] if isinstance(chosen, str) else list(chosen or [])


def _rounded(row: list[float] | None) -> list[float] | None:
    return None if row is None else [round(value, DECIMALS) for value in row]
