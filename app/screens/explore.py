"""Explore: an image, the graph lit by the modules that ran for it, and λ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from app import address, compared, state
from app.cautions import cautions
from app.cheapest import cheapest_over_images
from app.components.gate_graph import gate_graph, graph_state
from app.computing import Computation, draw_after, draw_again, ended, kept
from app.forcing import force, forcing, free_conflicts
from app.graph_view.computing_page import TOO_LARGE
from app.graph_view.facts import facts
from app.graph_view.folding import costs, fold
from app.graph_view.payload import View
from app.graph_view.standalone import standalone
from app.graph_view.view import Subject, ViewOptions, view_of
from app.images import ShownImage
from app.inspector import Asked, Inspected, inspect_slowly, inspection_of
from app.offline import offline_page, weights_form
from app.own_picture import OWN_SOURCE
from app.picture import choose_image
from app.rendering import data_url
from app.trace import trace_json
from app.trained import trained_runs, variety
from app.wording import lam_name, plain
from core.errors import UserError
from core.graph.node import Node
from core.scale import SLIDER_STEPS
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep

GRAPH = "gate_graph"  # key of the component
VISIT, BEGUN = "visit", "begun"  # keys of the session
PATIENCE = 1.0  # seconds by which a page is drawn later, so that it is not drawn twice


def page() -> None:
    """Draw the page."""
    runs = trained_runs()
    arrived = address.arrived()
    if not runs:
        st.title("There is no network to explore yet")
        st.write("Train one first: a small network on handwritten digits takes less than a minute.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    left, right = st.columns([0.2, 0.8], gap="small")
    with left:
        run = _chosen_run(runs, arrived)
        try:
            sha256, model = state.network(run)
        except UserError as error:
            right.error(plain(error), icon=":material/error:")
            return
        _cautions(run, len(model.graph.controls))
        if arrived:
            state.forget_forced(run)
        if arrived or compared.KEY not in st.session_state:
            compared.follow_address()
        chosen = choose_image(run, sha256, model, arrived)
    with right:
        if chosen is None:
            st.info("Upload a picture to see which modules the network runs for it.", icon=":material/image:")
        else:
            _network(run, sha256, model, chosen)
            cheapest_over_images(run, sha256, model)


def _chosen_run(runs: list[Run], arrived: bool) -> Run:
    """Draw the choice of run; return the chosen one. At first, or if `arrived`, that of the address, or else the most varied run."""
    names = [run.name for run in runs]
    asked = st.query_params.get("run")
    if asked is not None and asked not in names:
        st.warning(f"There is no trained run called “{plain(asked)}”. Another run is shown instead.", icon=":material/search_off:")
    if asked in names and (arrived or "run" not in st.session_state):
        st.session_state["run"] = asked
    elif st.session_state.get("run") not in names:
        st.session_state["run"] = max(runs, key=variety).name
    titles = {run.name: f"{run.name} · {lam_name(run.lam) if run.gated else 'static'}" for run in runs}
    name = st.selectbox(
        "Run",
        names,
        format_func=lambda name: titles[name],
        key="run",
        label_visibility="collapsed",
        persist_state="session",
    )
    if asked in names and asked != name:
        address.show({"run": name})
    return runs[names.index(name)]


def _cautions(run: Run, controllers: int) -> None:
    """Say beside the run's name what its test figures hold against its gates."""
    short, sentences = cautions(run, controllers)
    if short:
        with st.container(key="cautions"), st.expander(short, icon=":material/warning:"):
            st.caption("  \n".join(map(plain, sentences)))


@st.fragment
def _network(run: Run, sha256: str, model: "Model", chosen: ShownImage) -> None:
    """Draw the lit graph with the inspector of the selected node, and what can be saved."""
    address.redrawn()
    graph, image = model.graph, chosen.image
    forced = state.forced(run, [node.name for node in graph.nodes if node.gates])
    before = graph_state(GRAPH)
    start_lam = address.start_lam()
    follows = GRAPH not in st.session_state or st.session_state.get(VISIT) != address.visits()
    st.session_state[VISIT] = address.visits()
    step = round(start_lam * (SLIDER_STEPS - 1)) if follows and start_lam is not None else before.step
    selected = address.selected_node(graph.nodes) if follows else before.selected
    _, problem = free_conflicts(run, sha256, image, forced, step)
    stage = _awaited(run, sha256, image, forced, before.awaited)
    with kept(stage):
        sweep = state.sweep(run, sha256, image, forced, step)
        query = address.query(run.name, chosen.query, forced)
        address.show({**(query or {"run": run.name, "sample": OWN_SOURCE}), **compared.in_address()}, selected)
        automatic = state.sweep(run, sha256, image, {}, step)
        shown = fold(graph.nodes, before.expanded)
        inspected = Inspected(model, image, dict(forced), sweep, step)
        asked = Asked(run.id, sha256, selected, before.option, before.method)
        inspection = inspection_of(inspected, asked)
        names = {node.name for node in shown}
        rows = run.figures.get("val", [])
        known = facts(graph.nodes, names, graph.shapes, state.parameters(model), graph.macs, rows, sweep, forced, automatic)
        beside, waiting = compared.views(chosen, step, before.expanded)
        pending = state.unfinished(run, sha256, image, forced) or next((one.pending for one in waiting), None)
        pending = pending if stage is None else before.awaited  # as long as it is computed, the browser need not ask again
        options = ViewOptions(
            start_lam=start_lam,
            visit=address.visits(),
            expanded=before.expanded,
            link=urlencode({**query, **compared.in_address()}) if query else None,
            compared=beside,
            automatic=automatic if forced else None,
            selected=selected,
            inspection=inspection,
            forced=dict(forced),
            forcing=forcing(graph.nodes, forced, automatic, problem),
            pending=pending,
        )
        subject = Subject(run.name, chosen.description, data_url(image), chosen.label, chosen.outside)
        times = state.times(run, sha256, image, forced)
        view = view_of(
            graph.nodes, shown, costs(shown, graph.macs), sweep, times, model.lam, graph.tradeoff.every_lam, known, subject, options
        )
        now = gate_graph(
            view,
            key=GRAPH,
            on_force=lambda wanted: force(run, graph.nodes, automatic, wanted),
            on_compare=lambda wanted: compared.change(run, chosen, forced, wanted),
        )
        with st.container(horizontal=True):
            _downloads(run, chosen, view, sweep, dict(forced), graph.tradeoff.every_lam)
            _offline(run, model, chosen, view, shown, sweep, dict(forced))
            st.page_link("screens/atlas.py", label="Open the Atlas", icon=":material/map:", query_params={"run": run.name}, width="content")
        if inspection is None and selected in graph.by_name:
            inspect_slowly(inspected, asked)
        elif stage is not None:
            draw_after(stage)
        elif pending is not None and now.awaited == pending:
            if state.unfinished(run, sha256, image, forced, timed=not waiting) is not None:
                draw_after(state.next_stage(run, sha256, image, forced))
            elif waiting:
                draw_after(waiting[0].next_stage())
            else:
                draw_again()  # another visitor's session has computed it meanwhile


def _awaited(run: Run, sha256: str, image: "ImageTensor", forced: dict[str, bool], awaited: str | None) -> Computation[None] | None:
    """Let the stage that the browser waits for be computed. Return it if it has not ended after PATIENCE: then the page is drawn first."""
    pending = state.unfinished(run, sha256, image, forced)
    if pending is None or pending != awaited or pending == st.session_state.get(BEGUN):
        return None
    if compared.compared() and state.unfinished(run, sha256, image, forced, timed=False) is None:
        return None  # their values of λ come before any times
    st.session_state[BEGUN] = pending
    stage = state.next_stage(run, sha256, image, forced)
    return None if ended(stage, PATIENCE) else stage


def _downloads(run: Run, chosen: ShownImage, view: View, sweep: "LamSweep", forced: dict[str, bool], has_slider: bool) -> None:
    """Offer a page that needs no server, and the figures. Either is made when it is clicked."""

    def page() -> str:
        return standalone(run.name, chosen.description, view, data_url(chosen.image))

    def trace() -> str:
        return trace_json(run.name, chosen.description, chosen.query, forced, sweep, has_slider)

    name = run.name.replace("/", "-")
    page_help = "One file with this graph and its slider. It opens in any browser, without a server."
    trace_help = "What ran for this image at each λ: modules, scores, gates, costs and probabilities."
    waits = sweep.computed is not None  # for the rest of the values of λ
    icon = ":material/download:"
    st.download_button(
        "Download page (HTML)", page, f"{name}.html", "text/html", icon=icon, on_click="ignore", help=page_help, disabled=waits
    )
    icon, title = ":material/data_object:", "Download trace (JSON)"
    st.download_button(title, trace, f"{name}.json", "application/json", icon=icon, on_click="ignore", help=trace_help, disabled=waits)


def _offline(
    run: Run, model: "Model", chosen: ShownImage, view: View, shown: Sequence[Node], sweep: "LamSweep", forced: dict[str, bool]
) -> None:
    """Offer a page that answers other pictures too. It is made when it is clicked."""

    def made() -> str:
        return offline_page(run, model, view, shown, sweep, state.parameters(model), chosen.description, data_url(chosen.image))

    form = weights_form(model)
    help_text = "One file with this network. A picture that you drop on it is answered in the browser, without a server or a connection."
    if form is None:
        help_text = TOO_LARGE
    elif forced:
        help_text = "Set all modules back to automatic first: the page answers with nothing forced."
    elif form == "float16":
        help_text += " Its weights are in 16 bits, so that answers can differ slightly."
    waits = sweep.computed is not None or bool(forced) or form is None
    title, file = "Download offline page (HTML)", f"{run.name.replace('/', '-')}-offline.html"
    st.download_button(title, made, file, "text/html", icon=":material/wifi_off:", on_click="ignore", help=help_text, disabled=waits)


page()
