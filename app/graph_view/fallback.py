"""Explore without `dot`: Streamlit's own Graphviz draws in the browser; it can be lit, but neither clicked nor moved without the server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.graph_view.diagram import source
from app.wording import clock, counted, headline, measured, percent, plain, sooner
from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.predict import LamSweep


def static_graph(
    nodes: Sequence[Node],
    sweep: "LamSweep",
    times: tuple[Sequence[float], float],
    every_lam: bool,
    facts: Mapping[str, Mapping[str, Any]],
) -> tuple[str | None, float]:
    """Draws it with a λ slider; returns the node chosen for a closer look, and λ.

    `times`: seconds of each stretch, and of the static network; `facts`: what is told of each node.
    """
    step = round(100 * st.slider("λ: from 0, cheapest, to 1, most accurate", 0.0, 1.0, 0.5, 0.01, key="lam")) if every_lam else 0
    stretch = max(index for index, start in enumerate(sweep.starts) if start <= step)
    trace, (taken, still) = sweep.traces[stretch], (times[0][stretch], times[1])
    st.subheader("".join(headline(nodes, trace, sweep.reference, most=sweep.traces[-1] if every_lam else None)))
    graph, answer = st.columns([0.75, 0.25])
    graph.graphviz_chart(source(nodes, executed=trace.executed), width="stretch")
    answer.metric("Answer", trace.label)
    answer.metric(
        "Work, in multiply-adds", counted(trace.macs), f"static network {counted(trace.macs_static)}", delta_color="off", delta_arrow="off"
    )
    answer.caption(
        f"{percent(trace.macs / max(trace.macs_static, 1))} of the static network’s work; {clock(taken)} here, {sooner(taken, still)}"
    )
    if told_of_times := measured(times[0]):
        answer.caption(told_of_times)
    st.info(
        "Graphviz’s `dot` is not installed, so this is the simple picture. For one that moves with λ and can be clicked, install it: "
        "`apt install graphviz`, `brew install graphviz`, or graphviz.org/download on Windows; then reload.",
        icon=":material/info:",
    )
    selected = st.selectbox("A closer look at", [node.name for node in nodes], index=None, key="looked-at")
    if selected is not None:
        told = facts[selected]
        figures = [f"{title.lower()} {value}" for title, value in told["figures"]]
        st.caption("  \n".join(plain(line) for line in (f"{selected}: {told['kind']}; {', '.join(figures)}.", *told["lines"])))
        if len(told["rates"]) > 1:
            st.caption("Share of validation images that it runs for, along λ")
            st.line_chart(dict(zip(("λ", "share"), zip(*told["rates"], strict=True), strict=True)), x="λ", y="share", height=220)
        scores = sweep.scores.get(selected, [])
        node = next(node for node in nodes if node.name == selected)
        if node.kind == "control" and node.decides == "one" and len(scores) > 1 and any(scores):
            st.caption("Its scores for this image, along λ")
            lines = {name: [row[column] if row else None for row in scores] for column, name in enumerate(node.options)}
            st.line_chart({**lines, "λ": [at / 100 for at in range(len(scores))]}, x="λ", height=220)
    return selected, step / 100
