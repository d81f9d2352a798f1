"""What the browser is sent about one image: the picture of the graph and a view of it for every λ, once, as plain data.

Loads without torch and without streamlit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.graph_view.folding import Folded
from app.graph_view.layout import Layout, cells
from app.wording import clock, counted, headline, measured, percent, scaled, sooner
from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.predict import LamSweep, Trace

FULL = 2.0  # a scale from which on a channel's cell is of the full colour
TOP = 5  # classes that the answer shows
DECIMALS = 4

View = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a person asked for: where the slider is to begin, the groups of nodes that are open, each by its first member, the query that
    reopens the view (none where the image is private), where nodes are held or a view is pinned what to compare with, the node that is
    selected, which nodes are held on or off, whether another view stands beside this one, and the image's class, if it is known.
    """

    lam: float | None = None
    opened: tuple[str, ...] = ()
    link: str | None = None
    beside: "LamSweep | View | None" = None
    selected: str | None = None
    held: Mapping[str, bool] = field(default_factory=dict)
    paired: bool = False
    truth: str | None = None


def view_of(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    layout: Layout,
    sweep: "LamSweep",
    times: tuple[Sequence[float], float],
    lam: float | None,
    every_lam: bool,
    facts: Mapping[str, View],
    asked: "Asked | None" = None,
) -> View:
    """Everything that the component draws: `shown` are the nodes as they are drawn, some of them folded.

    `times` are the seconds of each stretch of the sweep and of the static network; `lam` is the one λ of a network that serves no other;
    `facts` are what is told of a node that is clicked.
    """
    seconds, still = times
    asked = asked or Asked()
    held = {name: "on" if runs else "off" for name, runs in asked.held.items()}
    gated = any(node.kind == "control" for node in nodes)
    static = max(sweep.reference.macs_static, 1)
    widest = max(sweep.reference.macs, static, *(trace.macs for trace in sweep.traces))
    scaling = [node.name for node in shown if not isinstance(node, Folded) and node.name in sweep.reference.scales]
    drawn = [node | {"cost": counted(node["macs"]), "scales": node["name"] in scaling} for node in layout["nodes"]]
    return {
        "layout": layout | {"nodes": drawn},
        "opened": list(asked.opened),
        "selected": asked.selected,
        "link": asked.link,
        "away": True,
        "pinned": False,
        "held": _held(shown, asked.held),
        "paired": asked.paired,
        "truth": asked.truth,
        "every_lam": every_lam,
        "gated": gated,
        "lam": lam,
        "asked": asked.lam,
        "starts": sweep.starts,
        "thresholds": sweep.thresholds,
        "facts": dict(facts),
        "scores": {node.name: [_rounded(row) for row in sweep.scores[node.name]] for node in shown if node.kind == "control"},
        "static": {"macs": counted(static), "bar": static / widest, "time": clock(still)},
        "measured": measured(seconds),
        "beside": None if asked.beside is None else _beside(shown, asked.beside),
        "stretches": [
            _stretch(nodes, shown, trace, sweep.reference, widest, held, before, sweep.traces[-1] if every_lam else None)
            | {"scales": {name: scaled(trace.scales[name]) for name in scaling}}
            | {"time": clock(taken), "sooner": sooner(taken, still) if gated else ""}
            for trace, before, taken in zip(sweep.traces, [None, *sweep.traces[:-1]], seconds, strict=True)
        ],
    }


def frozen(view: View, step: int) -> View:
    """A view as it is at one step of the slider, which then does not move."""
    at = max(index for index, start in enumerate(view["starts"]) if start <= step) if view["every_lam"] else 0
    scores = {name: [rows[step if view["every_lam"] else 0]] for name, rows in view["scores"].items()}
    lam = step / 100 if view["every_lam"] else view["lam"]
    still = {
        "every_lam": False,
        "lam": lam,
        "starts": [0],
        "thresholds": [],
        "scores": scores,
        "beside": None,
        "away": False,
        "asked": None,
        "paired": True,
    }
    return {**view, **still, "stretches": [view["stretches"][at]], "pinned": True}


def _held(shown: Sequence[Node], held: Mapping[str, bool]) -> dict[str, str]:
    """How the nodes that are drawn are held: "on" or "off", or "some" of those that a folded one stands for."""
    told = {}
    for node in shown:
        members = node.members if isinstance(node, Folded) else (node.name,)
        blocks = node.blocks if isinstance(node, Folded) else members
        ways = {held[name] for name in members if name in held}
        if ways:
            told[node.name] = "some" if len(ways) > 1 or not held.keys() >= set(blocks) else "on" if ways.pop() else "off"
    return told


def _beside(shown: Sequence[Node], beside: "LamSweep | View") -> View:
    """What to compare with: the image with nothing held, or a view that was pinned, if it is of a network with the same nodes."""
    if isinstance(beside, dict):
        same = {node["name"] for node in beside["layout"]["nodes"]} == {node.name for node in shown}
        told = [{"ran": one["ran"] if same else None, "label": one["label"], "share": one["share"]} for one in beside["stretches"]]
        return {"title": "In the pinned view", "starts": beside["starts"], "stretches": told}
    told = [
        {"ran": _ran(shown, trace), "label": trace.label, "share": percent(trace.macs / max(trace.macs_static, 1))}
        for trace in beside.traces
    ]
    return {"title": "With nothing held", "starts": beside.starts, "stretches": told}


def _ran(shown: Sequence[Node], trace: "Trace") -> list[str]:
    """The nodes that ran, as they are shown; a folded one where its last member did."""
    ran = set(trace.executed)
    return [node.name for node in shown if (node.members[-1] if isinstance(node, Folded) else node.name) in ran]


def _stretch(
    nodes: Sequence[Node],
    shown: Sequence[Node],
    trace: "Trace",
    reference: "Trace",
    widest: int,
    held: Mapping[str, str],
    before: "Trace | None",
    most: "Trace | None",
) -> View:
    """What is shown along the λ at which an image takes one way; `before` is the way at smaller λ, `most` the one at λ = 1."""
    opening, figures, ending = headline(nodes, trace, reference, held=held, before=before, most=most)
    ranked = sorted(trace.probabilities.items(), key=lambda item: -item[1])[:TOP]
    answered = all(math.isfinite(share) for _, share in ranked)
    return {
        "headline": [opening, figures, ending],
        "ran": _ran(shown, trace),
        "cells": {node.name: _strip(_gates(node, trace), cells(node)) for node in shown if cells(node)},
        "taken": {node.name: _listed(trace.controls[node.name].chosen) for node in shown if node.kind == "control"},
        "label": trace.label if answered else "no answer",
        "probabilities": [[name, share, percent(share)] for name, share in ranked] if answered else [],
        "macs": counted(trace.macs),
        "bar": trace.macs / widest,
        "share": percent(trace.macs / max(trace.macs_static, 1)),
    }


def _gates(node: Node, trace: "Trace") -> float | list[float]:
    """What the cells of a node's strip show: how far its channels are open, or which of the blocks that it stands for ran."""
    if isinstance(node, Folded):
        return [FULL * (name in trace.executed) for name in node.blocks]
    return trace.gates[node.name]


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
