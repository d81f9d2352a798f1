"""What a node of the graph is, what it made of the image, and what if it had been held on or off, for the one that was clicked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.charts import rates_chart, scores_chart, values_chart
from app.diagram import opening
from app.picture import MAPS, maps, overlaid, show
from app.wording import counted, percent, plain
from core.network.node import Node
from core.store import Run

if TYPE_CHECKING:
    from core.inference.model import Model
    from core.inference.predict import LamSweep, Tensor, Trace

PLAIN = {"displayModeBar": False}
WAY_NAMES = {"quick": "gradients (at once)", "occlusion": "occlusion", "integrated gradients": "integrated gradients"}
LISTED = 4  # options of a control node that are told one by one
KINDS = {
    "input": "the image",
    "regular": "a module",
    "control": "a control node: it decides what runs",
    "dummy": "a dummy node: it sends a constant",
    "output": "an output; an image’s answer is that of the last one that ran",
}


@dataclass(frozen=True)
class Seen:
    """What is looked at: a run's network, an image (C, H, W) uint8, nodes held on or off, what came of it, and λ."""

    run: Run
    model: "Model"
    image: "Tensor"
    held: Mapping[str, bool]
    sweep: "LamSweep"
    lam: float | None

    @property
    def trace(self) -> "Trace":
        """What happened at this λ."""
        step = 0 if self.lam is None or len(self.sweep.traces) == 1 else round(100 * self.lam)
        return self.sweep.traces[max(index for index, start in enumerate(self.sweep.starts) if start <= step)]


def inspect(seen: Seen, parameters: Mapping[str, int], selected: str | None) -> None:
    """Draws it; without a selected node, a hint."""
    graph = seen.model.graph
    node = graph.by_name.get(selected or "")
    with st.container(border=True):
        if node is None:
            st.caption("Click a node of the graph to see what it is, what it made of the image and what opens it.")
            return
        static = max(seen.sweep.reference.macs_static, 1)
        at = "" if seen.lam is None else f" · at λ = {seen.lam:.2f}"
        st.markdown(f"**{plain(node.name)}** · {KINDS[node.kind]}{at}")
        figures = {
            "Sends": "×".join(map(str, graph.shapes[node.name])),
            "Parameters": f"{parameters.get(node.name, 0):,}",
            "Multiply-adds": counted(graph.macs[node.name]),
            "Of the static network": percent(graph.macs[node.name] / static),
        }
        for column, (title, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
            column.metric(title, value)
        left, right = st.columns(2, gap="large")
        with left:
            st.caption("  \n".join(plain(line) for line in _lines(node, graph.by_name, seen.sweep)))
            if node.gates:
                _hold(seen.run, node)
            _rates(seen, node)
        with right:
            if node.kind == "control":
                _decision(seen, node)
            elif node.kind != "input":
                _sent(seen, node)


def _hold(run: Run, node: Node) -> None:
    """What if: the choice to hold a node on or off."""
    held, key = state.held(run, [node.name]), f"hold-{run.id}-{node.name}-{state.times_let_go(run)}"  # another control when held elsewhere
    now = {True: "on", False: "off"}.get(held.get(node.name), "as decided")  # type: ignore[call-overload]

    def hold() -> None:
        chosen = st.session_state[key]
        held.pop(node.name, None)
        if chosen in ("on", "off"):
            held[node.name] = chosen == "on"

    st.segmented_control("What if it were", ("as decided", "on", "off"), default=now, key=key, on_change=hold, required=True)


def _rates(seen: Seen, node: Node) -> None:
    rows = [row for row in seen.run.figures.get("val", []) if node.name in row["execution_rates"]]
    if not node.gates and all(row["execution_rates"][node.name] == 1 for row in rows):
        return
    if len(rows) > 1:
        chart = rates_chart([row["lam"] for row in rows], [row["execution_rates"][node.name] for row in rows], seen.lam or 0.0)
        st.plotly_chart(chart, key=f"rates-{node.name}", config=PLAIN)
    elif rows:
        st.metric("Of the validation images it runs for", percent(rows[0]["execution_rates"][node.name]))


def _sent(seen: Seen, node: Node) -> None:
    """What a node made of the image."""
    from core.inference.explain import activations

    sent = activations(seen.model, seen.image, node.name, lam=seen.lam, forced=seen.held)
    if sent is None:
        st.caption("It did not run here, so there is nothing to show of what it sends.")
    elif sent.dim() == 3:
        show(maps(sent), f"What it sent: {min(MAPS, len(sent))} of {len(sent)} channels, those with most in them first")
    elif len(sent) == len(seen.model.classes):
        st.plotly_chart(values_chart(seen.model.classes, sent.tolist()), key=f"sent-{node.name}", config=PLAIN)
    elif sent.dim() == 1:
        st.plotly_chart(values_chart([str(index) for index in range(len(sent))], sent.tolist()), key=f"sent-{node.name}", config=PLAIN)


def _decision(seen: Seen, control: Node) -> None:
    """A control node's scores along λ, and which pixels spoke for what it took."""
    from core.inference.explain import WAYS, attribution

    if control.decides == "one" and seen.model.graph.every_lam:
        chart = scores_chart(control.options, seen.sweep.scores[control.name], seen.sweep.thresholds, seen.lam or 0.0)
        st.plotly_chart(chart, key=f"scores-{control.name}", config=PLAIN)
    chosen = seen.trace.controls[control.name].chosen
    if chosen is None:
        st.caption("It was not asked here, so no pixel spoke for or against its options.")
        return
    options = list(control.options)
    taken = chosen if isinstance(chosen, str) else (chosen or options)[0]
    left, right = st.columns([0.42, 0.58])
    with right:
        option = st.selectbox("Pixels that spoke for", options, index=options.index(taken), key=f"for-{control.name}")
        way = st.radio("Found by", WAYS, format_func=WAY_NAMES.__getitem__, key="way")
        st.caption("Green spoke for it, orange against it. The route stays as it was while pixels are changed (Captum).")
    bar = left.progress(0.0) if way != "quick" else None
    found = attribution(
        seen.model,
        seen.image,
        control.name,
        options.index(option),
        way,
        lam=seen.lam,
        forced=seen.held,
        report=bar.progress if bar else lambda share: None,
    )
    if bar:
        bar.empty()
    with left:
        show(overlaid(seen.image, found), f"what spoke for “{option}”")


def _lines(node: Node, nodes: Mapping[str, Node], sweep: "LamSweep") -> list[str]:
    """What it reads, what opens it, what it opens, and for which λ it runs on this image."""
    lines = []
    if node.inputs:
        reads = [edge.source + ("" if edge.default is None else f" (or {edge.default:g} where that did not run)") for edge in node.inputs]
        lines.append(f"Reads {', '.join(reads)}.")
    gates = [f"{control} takes {' or '.join(f'“{option}”' for option in options)}" for control, options in opening(node, nodes).items()]
    if gates:
        lines.append(f"Runs where {', or '.join(gates)}.")
    if node.channels:
        lines.append(f"{node.channels.count} channels inside it have gates of their own, which {node.channels.control} sets.")
    for column, option in enumerate(node.options[:LISTED]):
        opened = [other.name for other in nodes.values() if any((g.control, g.column) == (node.name, column) for g in other.gates)]
        if opened or node.decides == "one":
            lines.append(f"“{option}” opens {', '.join(opened) or 'nothing'}.")
    lines.append(_when(node.name, sweep))
    return lines


def _when(name: str, sweep: "LamSweep") -> str:
    """For which λ a node runs on the image."""
    ran = [name in trace.executed for trace in sweep.traces]
    if len(set(ran)) == 1:
        every = " at every λ" if len(sweep.traces) > 1 else ""
        return f"For this image it runs{every}." if ran[0] else f"For this image it is skipped{every}."
    ends = [*sweep.starts[1:], 101]
    spans: list[list[int]] = []
    for start, end, runs in zip(sweep.starts, ends, ran, strict=True):
        if runs and spans and spans[-1][1] == start - 1:
            spans[-1][1] = end - 1
        elif runs:
            spans.append([start, end - 1])
    told = [f"from λ = {first / 100:.2f}" + (f" to {last / 100:.2f}" if last < 100 else " on") for first, last in spans]
    return f"For this image it runs {' and '.join(told)}."
