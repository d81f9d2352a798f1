"""What the node that was clicked made of the image, which pixels it listened to, and what if it had been held on or off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.charts.theme import values_chart
from app.picture import MAPS, maps, overlaid, show
from app.wording import plain
from core.graph.node import Node
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import Model
    from core.explain.predict import LamSweep, Tensor, Trace

AS_DECIDED = "as decided"
PLAIN = {"displayModeBar": False}
WAY_NAMES = {"quick": "gradients (at once)", "occlusion": "occlusion", "integrated gradients": "integrated gradients"}


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


def inspect(seen: Seen, selected: str | None) -> None:
    """Draws it; nothing without a selected node."""
    node = seen.model.graph.by_name.get(selected or "")
    if node is None:
        return
    with st.container(border=True):
        at = "" if seen.lam is None else f" at λ = {seen.lam:.2f}"
        st.markdown(f"**{plain(node.name)}**{at}: what it made of this image")
        if node.gates:
            _hold(seen.run, node)
        if node.kind == "control" and node.decides == "one":
            _take(seen.run, node, seen.model.graph.nodes)
        if node.kind == "control":
            _decision(seen, node)
        elif node.kind != "input":
            _sent(seen, node)
        else:
            st.caption("The image as the network sees it stands beside the graph.")


def _hold(run: Run, node: Node) -> None:
    """What if: the choice to hold a node on or off."""
    held, key = state.held(run, [node.name]), f"hold-{run.id}-{node.name}-{state.times_let_go(run)}"  # another control when held elsewhere
    now = {True: "on", False: "off"}.get(held.get(node.name), AS_DECIDED)  # type: ignore[call-overload]

    def hold() -> None:
        chosen = st.session_state[key]
        held.pop(node.name, None)
        if chosen in ("on", "off"):
            held[node.name] = chosen == "on"

    st.segmented_control(f"What if {plain(node.name)} were", (AS_DECIDED, "on", "off"), default=now, key=key, on_change=hold, required=True)


def _take(run: Run, control: Node, nodes: Sequence[Node]) -> None:
    """What if: the choice to hold what a control node's options open as one of them would have it."""
    opens = {node.name: {gate.column for gate in node.gates if gate.control == control.name} for node in nodes if node.gates}
    opens = {name: columns for name, columns in opens.items() if columns}
    ways = {option: {name: column in columns for name, columns in opens.items()} for column, option in enumerate(control.options)}
    held, key = state.held(run, list(opens)), f"take-{run.id}-{control.name}-{state.times_let_go(run)}"
    now = next((option for option, way in ways.items() if way.items() <= held.items()), AS_DECIDED)

    def take() -> None:
        others = {name: runs for name, runs in held.items() if name not in opens}
        state.hold_instead(run, others | ways.get(st.session_state[key], {}))

    st.segmented_control(
        f"What if {plain(control.name)} had taken", (AS_DECIDED, *control.options), default=now, key=key, on_change=take, required=True
    )


def _sent(seen: Seen, node: Node) -> None:
    """What a node made of the image."""
    from core.explain.attribution import activations

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
    """Which pixels spoke for what a control node took."""
    from core.explain.attribution import ATTRIBUTION_METHODS, attribution

    chosen = seen.trace.controls[control.name].chosen
    if chosen is None:
        st.caption("It was not asked here, so no pixel spoke for or against its options.")
        return
    options = list(control.options)
    taken = chosen if isinstance(chosen, str) else (chosen or options)[0]
    left, right = st.columns([0.42, 0.58])
    with right:
        option = st.selectbox("Pixels that spoke for", options, index=options.index(taken), key=f"for-{control.name}")
        way = st.radio("Found by", ATTRIBUTION_METHODS, format_func=WAY_NAMES.__getitem__, key="way")
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
