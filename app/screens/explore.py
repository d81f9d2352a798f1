"""Explore: an image, the graph lit by what ran for it, and λ."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from app import address, state
from app.components.gate_graph import gate_graph, touched
from app.graph_view import layout
from app.graph_view.facts import facts
from app.graph_view.fallback import static_graph
from app.graph_view.folding import costs, fold
from app.graph_view.payload import Asked, View, frozen, view_of
from app.graph_view.standalone import standalone
from app.inspector import Seen, inspect
from app.picture import Shown, choose_image, data_url
from app.wording import lam_name, percent, plain
from core.graph.node import GraphError, Node
from core.registry import ConfigError
from core.store import Run, StoreError

GRAPH = "gate_graph"  # the component's key
MANY = 300  # test images
FEW = 24  # nodes that a newcomer takes in at once

PINNED = "pinned"
LISTED = 3  # held nodes that are told one by one


@dataclass(frozen=True)
class Pinned:
    """A view that is kept to compare others with: what it is of, its image as an address, and itself."""

    told: str
    picture: str
    view: View


if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.explain.model import Model
    from core.explain.predict import LamSweep, Tensor, Trace


def page() -> None:
    """The whole page."""
    run = _chosen_run()
    if run is None:
        st.title("No network to show yet")
        st.write("Train one first: a small network on handwritten digits takes less than a minute.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    try:
        sha256 = state.weights(run)
        if sha256 is None:
            raise StoreError(f"run {run.name} has no weights yet: let it train for an epoch")
        model = state.model(run, sha256)
    except (StoreError, ConfigError, ValueError, RuntimeError) as error:
        st.error(str(error), icon=":material/error:")
        return
    left, right = st.columns([0.2, 0.8], gap="medium")
    with left:
        chosen = choose_image(run, sha256, model)
    with right:
        if chosen is None:
            st.info("Upload a picture to see which parts of the network it needs.", icon=":material/image:")
        else:
            _network(run, sha256, model, chosen)


def _chosen_run() -> Run | None:
    """The run picker: the one that the address asks for, else the liveliest of those that ship, else of all."""
    runs = [run for run in state.store().runs.all() if run.status == "finished" or run.epoch >= 1]
    runs.sort(key=lambda run: (not run.reference, run.name if run.reference else "", -run.id))
    if not runs:
        return None
    names = [run.name for run in runs]
    asked = st.query_params.get("run")
    if asked is not None and asked not in names:
        st.warning(f"There is no trained run called {asked!r}; here is another.", icon=":material/search_off:")
    if asked in names:
        st.session_state["run"] = asked
    elif st.session_state.get("run") not in names:
        st.session_state["run"] = max(runs, key=_liveliness).name
    detail = {run.name: f"{run.name} · {lam_name(run.lam) if run.method != 'static' else 'static'}" for run in runs}
    name = st.selectbox(
        "Run",
        names,
        format_func=lambda name: detail[name],
        key="run",
        label_visibility="collapsed",
        width=420,
        on_change=lambda: address.show({"run": st.session_state["run"]}, GRAPH in st.session_state),
        persist_state="session",
    )
    return runs[names.index(name)]


def _liveliness(run: Run) -> tuple[bool, bool, bool, float]:
    """How much of a run's graph some images light and others do not: what a newcomer should see first, of those that ship.

    Runs that were tested on few images come last, since their data are too easy for λ to matter, and large graphs behind small ones.
    """
    rates = [list(row["execution_rates"].values()) for row in run.figures.get("test", [])]
    along = list(zip(*rates, strict=True))  # per node, along λ
    tested = min((row["n"] for row in run.figures.get("test", [])), default=0)
    return run.reference, tested >= MANY, len(along) <= FEW, sum(max(node) - min(node) for node in along) / max(len(along), 1)


@st.fragment
def _network(run: Run, sha256: str, model: "Model", chosen: Shown) -> None:
    """The lit graph, what can be taken away, and the node that was clicked."""
    graph, image = model.graph, chosen.image
    held = state.held(run, [node.name for node in graph.nodes if node.gates])
    notices = st.container()  # always there, so that the graph below it stays the same element
    with notices:
        sweep = _swept(run, sha256, image, held)
    query = address.query(run.name, chosen.query, held)
    address.show(query or {"run": run.name}, GRAPH in st.session_state)
    times = state.timed(run, sha256, image, held)
    pinned: Pinned | None = st.session_state.get(PINNED)
    free = state.swept(run, sha256, image, {})
    beside = pinned.view if pinned else free if held else None
    if held:
        with notices:
            _told_held(run, held)

    def told(names: Collection[str]) -> dict[str, View]:
        rows = run.figures.get("val", [])
        return facts(graph.nodes, names, graph.shapes, state.parameters(model), graph.macs, rows, sweep, held, free)

    if layout.installed():
        before = touched(GRAPH)
        selected = before.selected if GRAPH in st.session_state else address.asked_node(graph.nodes)
        shown = fold(graph.nodes, before.opened)
        placed = layout.lay_out(shown, costs(shown, graph.macs), sweep.reference.macs_static)
        asked = Asked(
            address.asked_lam(),
            before.opened,
            urlencode(query) if query else None,
            beside,
            selected,
            dict(held),
            pinned is not None,
            chosen.label,
        )
        view = view_of(graph.nodes, shown, placed, sweep, times, model.lam, graph.every_lam, told({node.name for node in shown}), asked)
        with _room(pinned):
            now = gate_graph(view, key=GRAPH)
        if now.pin is not None:
            st.session_state[PINNED] = Pinned(f"{run.name} · {chosen.told}", data_url(image), frozen(view, now.pin))
            st.rerun(scope="fragment")
        selected, lam = now.selected, now.step / 100
        closer = st.container()
        with st.container(horizontal=True):
            _other_route(run, graph.nodes, free)
            _take_away(run, chosen, view, sweep, held, graph.every_lam)
    else:
        selected, lam = static_graph(graph.nodes, sweep, times, graph.every_lam, told({node.name for node in graph.nodes}))
        closer = st.container()
    with closer:
        inspect(Seen(run, model, image, dict(held), sweep, lam if graph.every_lam else model.lam), selected)


def _room(pinned: Pinned | None) -> "DeltaGenerator":
    """Where the graph goes: beside the view that is pinned, if one is, which is drawn here."""
    if pinned is None:
        return st.container()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/keep: Pinned on the left: ![the image]({pinned.picture}) {plain(pinned.told)}", width="content")
        if st.button("Unpin", icon=":material/keep_off:"):
            del st.session_state[PINNED]
            st.rerun(scope="fragment")
    left, right = st.columns(2, gap="medium")
    with left:
        gate_graph(pinned.view, key="pinned-graph")
    return right


def _other_route(run: Run, nodes: Sequence[Node], free: "LamSweep") -> None:
    """What if: the choice to hold, at every λ, the route that the image takes at another λ."""
    gated = [node.name for node in nodes if node.gates]
    scales = any(node.kind == "control" and node.decides == "each" for node in nodes)
    why_not = "Gates that scale what they let through are more than a route." if scales else "This image takes one way at every λ."
    possible = len(free.traces) > 1 and bool(gated) and not scales
    with st.popover("What if: another route", icon=":material/alt_route:", disabled=not possible, help=None if possible else why_not):
        if not possible:
            return
        number = st.radio(
            "At every λ, the route that this image takes",
            range(len(free.traces)),
            format_func=lambda number: f"from λ = {free.starts[number] / 100:.2f} on, {_work(free.traces[number])}",
        )
        if st.button("Hold it", icon=":material/pan_tool:"):
            state.hold_instead(run, {name: name in free.traces[number].executed for name in gated})
            st.rerun(scope="fragment")


def _work(trace: "Trace") -> str:
    return f"{percent(trace.macs / max(trace.macs_static, 1))} of the work"


def _take_away(run: Run, chosen: Shown, view: View, sweep: "LamSweep", held: dict[str, bool], every_lam: bool) -> None:
    """What can be kept of the view: a page that needs no server, and the figures. They are made when they are asked for."""

    def page() -> str:
        return standalone(run.name, chosen.told, view, data_url(chosen.image))

    def trace() -> str:
        lams = [start / 100 if every_lam else None for start in sweep.starts]
        traces = [{"from_lam": lam, **one.to_json()} for lam, one in zip(lams, sweep.traces, strict=True)]
        told = {"run": run.name, "image": chosen.told, "address": chosen.query, "held": held, "stretches": traces}
        return json.dumps(told, indent=1).replace(": NaN", ": null")  # where there is no answer; JSON has no word for it

    name = run.name.replace("/", "-")
    st.download_button("Page with the slider (HTML)", page, f"{name}.html", "text/html", icon=":material/download:", on_click="ignore")
    st.download_button("Trace (JSON)", trace, f"{name}.json", "application/json", icon=":material/data_object:", on_click="ignore")


def _swept(run: Run, sha256: str, image: "Tensor", held: dict[str, bool]) -> "LamSweep":
    """The image at every λ; what cannot be held is let go, the last first."""
    let_go: list[str] = []
    why = ""
    while True:
        try:
            sweep = state.swept(run, sha256, image, held)
            break
        except GraphError as error:
            why = why or str(error)
            let_go.append(held.popitem()[0])
    if let_go:
        state.hold_instead(run, dict(held))
        st.error(f"{plain(why)}. So {plain(', '.join(let_go))} is left as decided.", icon=":material/block:")
    return sweep


def _told_held(run: Run, held: dict[str, bool]) -> None:
    """What is held, and the way back."""
    listed = [f"{plain(name)} is held {'on' if runs else 'off'}" for name, runs in held.items()]
    words = " and ".join(listed) if len(listed) <= LISTED else f"{len(listed)} nodes are held on or off"
    told, back = st.columns([0.8, 0.2], vertical_alignment="center")
    told.markdown(f":material/pan_tool: **What if** {words}?", help="  \n".join(listed) if len(listed) > LISTED else None)
    if back.button("Reset", icon=":material/undo:", width="stretch"):
        state.hold_instead(run, {})
        st.rerun(scope="fragment")


page()
