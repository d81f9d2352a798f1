"""What the server computes of a selected node: what it put out for the image, or which pixels a controller relied on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app.computing import computed, draw_again
from app.evidence import meaning, scale_of
from app.graph_view.payload import Attribution, Inspection
from app.inside import inside_of
from app.rendering import MAPS, feature_maps, overlaid, url
from core.graph.node import Node
from core.scale import lam_at

if TYPE_CHECKING:
    from core.explain.attribution import AttributionMethod
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep, Trace

INSPECTED = "inspected"  # key of the session: the last inspection that took seconds
QUICK: "AttributionMethod" = "quick"
METHOD_NAMES: "dict[AttributionMethod, str]" = {
    "quick": "Gradients (fast)",
    "occlusion": "Occlusion",
    "integrated gradients": "Integrated gradients",
}


@dataclass(frozen=True)
class Inspected:
    """One image at one step of the slider: network, image (C, H, W), nodes forced on (True) or off, and its sweep along λ."""

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


@dataclass(frozen=True)
class Asked:
    """What a person wants to see: a node of a run with these weights, an option of a controller (none: the chosen one), and a method."""

    run_id: int
    sha256: str
    node: str | None
    option: str | None
    method: str


def inspection_of(inspected: Inspected, asked: Asked) -> Inspection | None:
    """Return what is computed of the selected node; none without one, and as long as it takes seconds and is not known yet."""
    node = inspected.model.graph.by_name.get(asked.node or "")
    if node is None:
        return None
    if node.kind != "control" or _method(asked.method) == QUICK:
        return computed(lambda: _inspect(inspected, node, asked, lambda share: None))
    known, found = st.session_state.get(INSPECTED, (None, None))
    return found if known == _key(inspected, asked) else None


def inspect_slowly(inspected: Inspected, asked: Asked) -> None:
    """Compute what takes seconds, while the graph can already be used; then draw the page again with it."""
    place = st.empty()

    def report(share: float) -> None:
        place.empty()  # where Streamlit stops, if a person has meanwhile done something else

    found = _inspect(inspected, inspected.model.graph.by_name[asked.node or ""], asked, report)
    st.session_state[INSPECTED] = (_key(inspected, asked), found)
    draw_again()


def _key(inspected: Inspected, asked: Asked) -> tuple[object, ...]:
    """Return all that an inspection depends on."""
    return asked, inspected.image.numpy().tobytes(), tuple(sorted(inspected.forced.items())), inspected.step


def _inspect(inspected: Inspected, node: Node, asked: Asked, report: Callable[[float], None]) -> Inspection:
    """Return what is computed of a node. `report` is called with the share that is done."""
    found: Inspection = {
        "node": node.name,
        "lam": "" if inspected.lam is None else f"{inspected.lam:.2f}",
        "note": "",
        "output": None,
        "values": [],
        "attribution": None,
        "inside": None if node.kind == "input" else inside_of(inspected.model, asked.sha256, node.name),
    }
    if node.kind == "control":
        return _decision(inspected, node, asked, report, found)
    return found if node.kind == "input" else _output(inspected, node, found)


def _method(name: str) -> "AttributionMethod":
    return next((known for known in METHOD_NAMES if known == name), QUICK)


def _output(inspected: Inspected, node: Node, found: Inspection) -> Inspection:
    """Return a node's output: a picture of its feature maps, or its values with the classes that they stand for."""
    from core.explain.attribution import activations

    output = activations(inspected.model, inspected.image, node.name, lam=inspected.lam, forced=inspected.forced)
    if output is None:
        return {**found, "note": "This node was skipped for this image, so it has no output."}
    if output.dim() == 3:
        shown = f"Output: {min(MAPS, len(output))} of {len(output)} channels, the most varied first"
        return {**found, "output": {"url": url(feature_maps(output)), "caption": shown}}
    classes = inspected.model.classes
    named = classes if len(output) == len(classes) else [str(index) for index in range(len(output))]
    return {**found, "values": list(zip(named, output.tolist(), strict=True))}


def _decision(inspected: Inspected, control: Node, asked: Asked, report: Callable[[float], None], found: Inspection) -> Inspection:
    """Return which pixels were in favour of an option of a controller, or of the one that it chose."""
    from core.explain.attribution import attribution
    from core.explain.gate_evidence import gate_evidence
    from core.modules.gate_network import GateNetwork

    chosen = inspected.trace.controls[control.name].chosen
    if chosen is None:
        return {**found, "note": "This controller did not run for this image, so no pixel influenced it."}
    taken = chosen if isinstance(chosen, str) else (chosen or control.options)[0]
    if asked.option in control.options:
        taken = str(asked.option)
    method, column = _method(asked.method), control.options.index(taken)
    model, image, lam, forced = inspected.model, inspected.image, inspected.lam, inspected.forced
    evidence = None
    if isinstance(model.graph.parts[control.name], GateNetwork):
        evidence = gate_evidence(model, image, control.name, column, lam=lam, forced=forced)
    if evidence is not None and method == QUICK:
        pixels = evidence.pixels
    else:
        pixels = attribution(model, image, control.name, column, method, lam=lam, forced=forced, report=report)
    limit, unit = scale_of(pixels, method)
    shown: Attribution = {
        "picture": {"url": url(overlaid(inspected.image, pixels)), "caption": f"Pixels in favour of “{taken}”"},
        "limit": limit,
        "unit": unit,
        "meaning": meaning(control, taken, method, evidence),
        "option": taken,
        "method": method,
        "methods": [(name, title) for name, title in METHOD_NAMES.items()],
    }
    return {**found, "attribution": shown}
