"""The panel of the selected node: what it computed for the image, which pixels a controller relied on, and forcing modules on or off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.charts.modules import output_chart
from app.picture import MAPS, feature_maps, overlaid, show
from app.wording import plain
from core.graph.node import Node
from core.scale import lam_at
from core.store import Run

if TYPE_CHECKING:
    from core.explain.attribution import AttributionMethod
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep, Trace

AUTOMATIC = "automatic"
CONFIG = {"displayModeBar": False}
METHOD_NAMES: "dict[AttributionMethod, str]" = {
    "quick": "Gradients (fast)",
    "occlusion": "Occlusion",
    "integrated gradients": "Integrated gradients",
}


@dataclass(frozen=True)
class Inspected:
    """One image at one step of the slider: run, network, image (C, H, W), nodes forced on (True) or off, and its sweep along λ."""

    run: Run
    model: "Model"
    image: "ImageTensor"
    forced: Mapping[str, bool]
    sweep: "LamSweep"
    step: int

    @property
    def lam(self) -> float | None:
        """The λ to execute with: the slider's, or the only one of the network."""
        return lam_at(self.step) if self.model.graph.tradeoff.every_lam else self.model.lam

    @property
    def trace(self) -> "Trace":
        """What happened at this λ."""
        step = self.step if self.model.graph.tradeoff.every_lam else 0
        return self.sweep.traces[max(index for index, start in enumerate(self.sweep.starts) if start <= step)]


def inspect(inspected: Inspected, selected: str | None) -> None:
    """Draw the panel; nothing where no node is selected."""
    node = inspected.model.graph.by_name.get(selected or "")
    if node is None:
        return
    with st.container(border=True):
        at = "" if inspected.lam is None else f" at λ = {inspected.lam:.2f}"
        st.markdown(f"**{plain(node.name)}**{at}: what it computed for this image")
        if node.gates:
            _force_module(inspected.run, node)
        if node.kind == "control" and node.decides == "one":
            _force_choice(inspected.run, node, inspected.model.graph.nodes)
        if node.kind == "control":
            _decision(inspected, node)
        elif node.kind != "input":
            _output(inspected, node)
        else:
            st.caption("The image, as the network sees it, is on the left of the graph.")


def _force_module(run: Run, node: Node) -> None:
    """Let a person force a node on or off."""
    forced = state.forced(run, [node.name])
    key = f"force-{run.id}-{node.name}-{state.forced_version(run)}"
    now = ("on" if forced[node.name] else "off") if node.name in forced else AUTOMATIC

    def force() -> None:
        chosen = st.session_state[key]
        forced.pop(node.name, None)
        if chosen in ("on", "off"):
            forced[node.name] = chosen == "on"

    st.segmented_control("Force this module", (AUTOMATIC, "on", "off"), default=now, key=key, on_change=force, required=True)


def _force_choice(run: Run, control: Node, nodes: Sequence[Node]) -> None:
    """Let a person force a controller's choice, by forcing the modules that its options open."""
    opens = {node.name: {gate.column for gate in node.gates if gate.control == control.name} for node in nodes if node.gates}
    opens = {name: columns for name, columns in opens.items() if columns}
    effects = {option: {name: column in columns for name, columns in opens.items()} for column, option in enumerate(control.options)}
    forced, key = state.forced(run, list(opens)), f"choice-{run.id}-{control.name}-{state.forced_version(run)}"
    now = next((option for option, effect in effects.items() if effect.items() <= forced.items()), AUTOMATIC)

    def force() -> None:
        others = {name: runs for name, runs in forced.items() if name not in opens}
        state.force_only(run, others | effects.get(st.session_state[key], {}))

    st.segmented_control(
        "Force this controller’s choice", (AUTOMATIC, *control.options), default=now, key=key, on_change=force, required=True
    )


def _output(inspected: Inspected, node: Node) -> None:
    """Show a node's output."""
    from core.explain.attribution import activations

    output = activations(inspected.model, inspected.image, node.name, lam=inspected.lam, forced=inspected.forced)
    classes = inspected.model.classes
    if output is None:
        st.caption("This node was skipped for this image, so it has no output.")
    elif output.dim() == 3:
        show(feature_maps(output), f"Output: {min(MAPS, len(output))} of {len(output)} channels, the most varied first")
    elif output.dim() == 1:
        names = classes if len(output) == len(classes) else [str(index) for index in range(len(output))]
        st.plotly_chart(output_chart(names, output.tolist()), key=f"output-{node.name}", config=CONFIG)


def _decision(inspected: Inspected, control: Node) -> None:
    """Show which pixels a controller's choice relied on."""
    from core.explain.attribution import ATTRIBUTION_METHODS, attribution

    chosen = inspected.trace.controls[control.name].chosen
    if chosen is None:
        st.caption("This controller did not run for this image, so no pixel influenced it.")
        return
    options = list(control.options)
    taken = chosen if isinstance(chosen, str) else (chosen or options)[0]
    left, right = st.columns([0.42, 0.58])
    with right:
        option = st.selectbox("Pixels in favour of", options, index=options.index(taken), key=f"for-{control.name}")
        method = st.radio("Attribution method", ATTRIBUTION_METHODS, format_func=lambda name: METHOD_NAMES[name], key="attribution-method")
        st.caption(
            "Green pixels raised the score of this option, orange pixels lowered it. The image keeps its route while its pixels are "
            "changed. Computed with Captum."
        )
    bar = left.progress(0.0) if method != "quick" else None

    def report(share: float) -> None:
        if bar:
            bar.progress(share)

    found = attribution(
        inspected.model,
        inspected.image,
        control.name,
        options.index(option),
        method,
        lam=inspected.lam,
        forced=inspected.forced,
        report=report,
    )
    if bar:
        bar.empty()
    with left:
        show(overlaid(inspected.image, found), f"Pixels in favour of “{option}”")
