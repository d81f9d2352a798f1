"""Draw the graph where `dot` is missing: Streamlit's own Graphviz can light nodes, but a click or a new λ needs the server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.graph_view.diagram import source
from app.graph_view.facts import NodeFacts
from app.graph_view.view import Times
from app.wording import clock, counted, headline, percent, plain, time_comparison, timing_note
from core.graph.node import Node
from core.scale import SLIDER_STEPS, lam_at

if TYPE_CHECKING:
    from core.explain.predict import LamSweep


def static_graph(
    nodes: Sequence[Node], sweep: "LamSweep", times: Times, has_slider: bool, facts: Mapping[str, NodeFacts]
) -> tuple[str | None, int]:
    """Draw the graph with a λ slider; return the node selected for its details, and the step of the slider."""
    last = SLIDER_STEPS - 1
    step = round(last * st.slider("λ: from 0, cheapest, to 1, most accurate", 0.0, 1.0, 0.5, 1 / last, key="lam")) if has_slider else 0
    interval = max(index for index, start in enumerate(sweep.starts) if start <= step)
    trace, seconds = sweep.traces[interval], times.gated[interval]
    st.subheader("".join(headline(nodes, trace, sweep.reference, most_accurate=sweep.traces[-1] if has_slider else None)))
    graph, answer = st.columns([0.75, 0.25])
    graph.graphviz_chart(source(nodes, executed=trace.executed), width="stretch")
    answer.metric("Answer", trace.label)
    static = f"static network: {counted(trace.macs_static)}"
    answer.metric("Multiply-adds for this image", counted(trace.macs), static, delta_color="off", delta_arrow="off")
    answer.caption(f"{percent(trace.cost_share)} of the static network’s computation")
    answer.caption(f"{clock(seconds)} on this computer: {time_comparison(seconds, times.static)}")
    if note := timing_note(times.gated):
        answer.caption(note)
    st.info(
        "This is a simplified drawing, because Graphviz’s `dot` is not installed. Install it for a graph that follows λ and can be "
        "clicked: `apt install graphviz`, `brew install graphviz`, or on Windows from graphviz.org/download. Then reload this page.",
        icon=":material/info:",
    )
    selected = st.selectbox("Details of a node", [node.name for node in nodes], index=None, key="details", placeholder="Choose a node")
    if selected is not None:
        _details(next(node for node in nodes if node.name == selected), facts[selected], sweep)
    return selected, step


def _details(node: Node, known: NodeFacts, sweep: "LamSweep") -> None:
    """Write down what is known of a node."""
    figures = [f"{caption.lower()}: {value}" for caption, value in known["figures"]]
    st.caption("  \n".join(plain(line) for line in (f"{node.name}. {known['title']}. {', '.join(figures)}.", *known["lines"])))
    if len(known["rates"]) > 1:
        st.caption("Share of the validation images for which it runs, along λ")
        lams, shares = zip(*known["rates"], strict=True)
        st.line_chart({"λ": lams, "share": shares}, x="λ", y="share", height=220)
    scores = sweep.scores.get(node.name, [])
    if node.kind == "control" and node.decides == "one" and len(scores) > 1 and any(scores):
        st.caption("Scores of its options for this image, along λ")
        lines = {name: [row[column] if row else None for row in scores] for column, name in enumerate(node.options)}
        st.line_chart({**lines, "λ": [lam_at(step) for step in range(len(scores))]}, x="λ", height=220)
