"""Atlas: which images take which routes through a network, what they cost, and for which of them a higher cost pays."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.address import start_lam
from app.atlas import background_atlas, cost_strips, map_data, module_groups, route_strips
from app.charts import atlas as charts
from app.colours import DARK_PAPER_INK, LIGHT
from app.components.atlas_map import atlas_map, followed_step, picture_strips
from app.departure import leave
from app.samples import Samples, samples_of
from app.terms import explained
from app.trained import trained_runs, variety
from app.wording import duration, lam_name, percent, plain
from core.errors import UserError
from core.registry import title
from core.store import Run

if TYPE_CHECKING:
    from app.background import Background
    from core.explain.atlas.atlas import Atlas
    from core.explain.model import Model

PLOT = {"displayModeBar": False}
PROGRESS_SECONDS = 1.0  # seconds between looks at an atlas that grows
FIRST_DRAWN = 100  # images from which an atlas is drawn while it grows
REDRAWN = 4  # times as many images after which it is drawn again
NARROW_GROUPS = 3  # modules whose routes fit on a phone
STRIPS = 6  # routes with examples
RUNS_TRIED = 4  # runs whose test images are looked for
CONFUSIONS = 3  # wrong answers that are named
RUN_KEY, OPEN_KEY = "atlas-run", "atlas-open"  # keys of the session


def page() -> None:
    """Draw the page."""
    _leave()
    head, choice = st.columns([0.62, 0.38], vertical_alignment="bottom")
    with head:
        st.header("Atlas", help=explained("route", "λ", "gate", "controller", "static network"))
        st.caption("Which images take which way through the network, what they cost, and for which of them a higher cost pays.")
    runs = trained_runs()
    if not runs:
        st.info("There is no network to show yet. Train one first.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    with choice:
        run = _chosen_run(runs)
    try:
        sha256, model = state.network(run)
        samples = samples_of(run, model)
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if samples.replaced:
        words = f"The images of {plain(title('datasets', run.dataset))} are not on this computer. "
        words += f"{len(samples.labels)} pictures replace them, which say nothing about accuracy and classes."
        st.info(words, icon=":material/image:")
        st.caption(plain(samples.replaced))
    job = background_atlas(run, sha256, model, samples)
    atlas = job.look()
    drawn = len(atlas) if atlas.complete or len(atlas) >= FIRST_DRAWN else 0
    if job.growing:
        st.fragment(_progress, run_every=PROGRESS_SECONDS)(job, drawn)
    elif job.error is not None:
        st.error(f"The atlas has ended early: {plain(job.error)}", icon=":material/error:")
    if drawn:
        _map(run, sha256, model, samples, atlas)


def _chosen_run(runs: list[Run]) -> Run:
    """Draw the choice of run; return the one in the address, or else the one of Explore, or else the most varied."""
    names = [run.name for run in runs]
    asked = st.query_params.get("run")
    if asked is not None and asked not in names:
        st.warning(f"There is no trained run called “{plain(asked)}”. Another run is shown instead.", icon=":material/search_off:")
    if asked in names:
        st.session_state[RUN_KEY] = asked
    elif st.session_state.get(RUN_KEY) not in names:
        explored = st.session_state.get("run")
        st.session_state[RUN_KEY] = explored if explored in names else _first(runs).name
    titles = {run.name: f"{run.name} · {lam_name(run.lam) if run.gated else 'static'}" for run in runs}

    def choose() -> None:
        st.query_params["run"] = st.session_state[RUN_KEY]

    name = st.selectbox("Run", names, format_func=lambda name: titles[name], key=RUN_KEY, on_change=choose, persist_state="session")
    st.query_params["run"] = name
    return runs[names.index(name)]


def _first(runs: list[Run]) -> Run:
    """Return the most varied run whose test images are on this computer, or else the most varied one."""
    ordered = sorted(runs, key=variety, reverse=True)
    for run in ordered[:RUNS_TRIED]:
        with suppress(UserError, OSError):
            state.samples(run, state.SAMPLES)
            return run
    return ordered[0]


def _progress(job: "Background[Atlas]", drawn: int) -> None:
    """Show how far the computation is; draw the page again once much more is known."""
    atlas = job.look()
    done, total = len(atlas), atlas.total
    left = f", about {duration(atlas.seconds * (total - done) / done)} left" if done else ""
    st.progress(done / max(total, 1), f"Running the test images at {len(atlas.lams)} values of λ: {done} of {total}{left}")
    if not job.growing or done >= max(REDRAWN * drawn, FIRST_DRAWN):
        st.rerun()


def _map(run: Run, sha256: str, model: "Model", samples: Samples, atlas: "Atlas") -> None:
    """Draw the map, and below it what follows its λ."""
    st.subheader("Map of the images", divider="gray", help=explained("route", "λ"))
    name = f"atlas-{run.id}-{sha256[:8]}"
    start = _start(atlas, st.session_state.get(_step_key(name)))

    def opened(index: int) -> None:
        _open(run, atlas, st.session_state.get(_step_key(name), start), index)

    atlas_map(map_data(run, sha256, atlas, samples, name, start), key=f"{name}-map", on_open=opened)
    _following(run, name, start, model, samples, atlas)


@st.fragment
def _following(run: Run, name: str, start: int, model: "Model", samples: Samples, atlas: "Atlas") -> None:
    """Draw what follows the λ of the map with this name."""
    _leave()
    at = min(followed_step(name, start), len(atlas.lams) - 1)
    st.session_state[_step_key(name)] = at
    opened = partial(_open, run, atlas, at)
    _routes(run, model, samples, atlas, at, opened)
    _classes(model, atlas, at)
    _costs(run, samples, atlas, at, opened)


def _step_key(name: str) -> str:
    """Return the key of the session for the λ of the map with this name."""
    return f"{name}-step"


def _open(run: Run, atlas: "Atlas", at: int, index: int) -> None:
    """Let the page lead to an image in Explore at the λ with the index `at`."""
    if 0 <= index < len(atlas):
        lam = atlas.lams[at]
        st.session_state[OPEN_KEY] = {"run": run.name, "sample": str(index)} | ({} if lam is None else {"lam": f"{lam:g}"})


def _leave() -> None:
    """Go to Explore if an image was chosen."""
    if query := st.session_state.pop(OPEN_KEY, None):
        leave("explore", query)


def _start(atlas: "Atlas", known: int | None) -> int:
    """Return the index of the λ in the address, or else the known one, or else that of the middle."""
    last, lam = len(atlas.lams) - 1, start_lam()
    return round(last * lam) if lam is not None else round(last / 2) if known is None else min(known, last)


def _chart(heading: str, words: str, draw: Callable[[], object], key: str) -> None:
    """Draw a chart under a heading with a sentence that says how to read it."""
    st.markdown(f"**{heading}**")
    st.caption(words)
    st.plotly_chart(draw(), key=key, config=PLOT)


def _routes(run: Run, model: "Model", samples: Samples, atlas: "Atlas", at: int, opened: Callable[[int], None]) -> None:
    st.subheader(f"Routes{_at(atlas, at)}", divider="gray", help=explained("route"))
    taken = atlas.routes_at(at)
    if len(taken) > 1:
        words = f"{len(taken)} routes. Widths are shares of the images. The modules shown are those that some images skip."
        groups = module_groups(model.graph.nodes, atlas, atlas.optional)
        ink = DARK_PAPER_INK if st.context.theme.type == "dark" else LIGHT["ink"]
        with st.container(key="atlas-routes-wide" if len(groups) > NARROW_GROUPS else "atlas-routes"):
            _chart("From the image to the answer", words, lambda: charts.routes_flow(atlas, groups, at, ink), "atlas-flow")
    else:
        st.caption("All images take the same route here." if len(atlas.routes) > 1 else "All images take the same route at every λ.")
    strips = route_strips(atlas, samples, at, STRIPS)
    picture_strips(run.name, atlas.lams[at], strips, key=f"atlas-routes-{run.id}", on_open=opened)


def _classes(model: "Model", atlas: "Atlas", at: int) -> None:
    if not atlas.known.any():
        return
    st.subheader(f"Classes{_at(atlas, at)}", divider="gray", help=explained("multiply-add", "static network"))
    left, right = st.columns(2, gap="large")
    with left:
        groups = module_groups(model.graph.nodes, atlas, atlas.varying)
        if groups:
            words = "The share of a class’s images for which a module runs, or of its channels. Cheapest classes first."
            _chart("Which classes use which modules", words, lambda: charts.class_rates_chart(atlas, groups, at), "atlas-rates")
        else:
            st.caption("Every module runs for every image.")
    with right:
        words = "Dots are means; a line spans the middle 80% of a class’s images."
        _chart("Cost of each class", words, lambda: charts.class_costs_chart(atlas, at), "atlas-class-costs")


def _costs(run: Run, samples: Samples, atlas: "Atlas", at: int, opened: Callable[[int], None]) -> None:
    st.subheader(f"Cost and answers{_at(atlas, at)}", divider="gray", help=explained("multiply-add", "static network"))
    left, right = st.columns(2, gap="large")
    with left:
        words = "Do the images that cost more get right answers? The height is the number of images."
        _chart("Cost against correctness", words, lambda: charts.cost_and_answers_chart(atlas, at), "atlas-costs")
        if len(atlas.lams) > 1 and atlas.known.any():
            changing = percent(float((atlas.route != atlas.route[:, :1]).any(axis=1).mean()))
            words = f"The route of {changing} of the images changes with λ."
            _chart("Accuracy and mean cost along λ", words, lambda: charts.along_chart(atlas, at), "atlas-along")
    if atlas.known.any():
        with right:
            found = charts.frequent_confusions(atlas, at, CONFUSIONS)
            listed = ", ".join(f"{plain(label)} taken for {plain(answer)} ({count})" for label, answer, count in found)
            words = f"Most frequent: {listed}." if found else "Every answer is right."
            _chart("Confusion matrix", words, lambda: charts.confusion_chart(atlas, at), "atlas-confusion")
    st.subheader("Images that cost most and least, and for which a higher cost pays", divider="gray")
    picture_strips(run.name, atlas.lams[at], cost_strips(atlas, samples, at), key=f"atlas-costs-{run.id}", on_open=opened)


def _at(atlas: "Atlas", at: int) -> str:
    """Return the λ with this index for a heading; nothing where a network has only one."""
    return "" if atlas.lams[at] is None else f" at λ = {atlas.lams[at]:g}"


page()
