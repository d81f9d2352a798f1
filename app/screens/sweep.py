"""λ sweep: accuracy against cost, the best network under a budget, the routes behind it, and the baselines to beat."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app import state
from app.budget import best_of_each, best_sentence, choose_budget, open_in_explore
from app.charts.averages import STATIC_NETWORKS
from app.charts.modules import distinguishing_nodes, execution_rates_chart, routes_chart
from app.charts.tradeoff import BASELINES, Series, front_chart, highest_cost, rows_of, series_of
from app.sweep_progress import unfinished_sweeps, watch
from app.sweep_report import ReportedSeries, sweep_report
from app.terms import explained
from app.tested_images import image_sets, static_networks
from app.trials import draw_searches
from app.wording import percent, plain
from core.evaluation.report import alone, warnings
from core.evaluation.seeds import mean_rows
from core.evaluation.series import MIXED_SWEEP_SERIES
from core.evaluation.trials import searches
from core.published import PUBLISHED_POINTS
from core.scale import cost_share
from core.store import Run

PUBLISHED_NETWORKS = "published networks"
FIRST_SHOWN = "reference/model-cascade-cifar10"  # where the visitor has no network of their own
SHOW = "show"  # parameter of the address
REACHED = "The lowest cost, as a share of the static network’s, at which the network is within 0.5 points of its accuracy with all modules."
GAINED = "Mean difference in accuracy at equal cost, over costs from 30% to 70% of the static network’s."
GAINS = ("gain over random gates", "gain over fixed routes", "gain over fixed widths", "gain over confidence")


def page() -> None:
    """Draw the page."""
    st.header("λ sweep", help=explained("λ", "multiply-add", "static network", "Pareto front"))
    st.caption("How accurate gated networks are, what they cost, and which of their modules run as λ moves from low cost to high accuracy.")
    runs = state.store().listing.all()
    unfinished = unfinished_sweeps(runs)
    watch(unfinished)
    known = {series.name: series for series in series_of(runs)}
    for name, of_sweep in unfinished.items():  # a sweep whose first network is in training can be chosen already
        if not any(run.sweep == name for series in known.values() for run in series.runs) and any(run.gated for run in of_sweep):
            known[name] = Series(name, ())
    found = searches(runs)
    if not known and not found:
        st.info("There is no gated network to show yet. Train one first.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
        return
    if known:
        _series(known, runs)
    draw_searches(found)


def _series(known: dict[str, Series], runs: Sequence[Run]) -> None:
    """Draw the choice of series, and those that are chosen."""
    shown = [known[name] for name in _chosen(known, runs)]
    if waiting := [series.name for series in shown if not series.runs]:
        st.info(f"The chart of {plain(', '.join(waiting))} fills as its networks finish.", icon=":material/hourglass_top:")
    shown = [series for series in shown if series.runs]
    if not shown:
        st.caption("Choose a sweep or a network above to see its accuracy and cost.")
        return
    _front(shown, runs)
    _routes(shown)


def _chosen(known: dict[str, Series], runs: Sequence[Run]) -> list[str]:
    """Return the sweeps and networks to show: those in the address, or else the newest of the user's, or else a reference run."""
    names = list(known)
    if "shown" in st.session_state:  # a sweep that trains can become two series
        st.session_state["shown"] = [name for old in st.session_state["shown"] for name in _current(old, known)]
    asked = [name for old in st.query_params.get_all(SHOW) for name in _current(old, known)]
    newest = next((run for run in runs if run.gated and not run.reference and (run.name in known or _series_with(run, known))), None)
    first = _series_with(newest, known) if newest else None
    default = list(dict.fromkeys(asked)) or [first or (FIRST_SHOWN if FIRST_SHOWN in known else names[0])]
    chosen = st.multiselect("Sweeps and networks", names, default=default, key="shown", placeholder="Choose sweeps and networks to compare")
    st.query_params[SHOW] = chosen
    return chosen


def _current(name: str, known: dict[str, Series]) -> list[str]:
    """Return the series that have this name, are a part of the sweep of this name, or hold the run of this name."""
    if name in known:
        return [name]
    parts = [f"{name}/{part}" for part in MIXED_SWEEP_SERIES if f"{name}/{part}" in known]
    return parts or [series.name for series in known.values() if any(run.name == name for run in series.runs)]


def _series_with(run: Run, known: dict[str, Series]) -> str | None:
    """Return the series of a run, also where the run is not finished yet."""
    named = (series.name for series in known.values() if any(other.name == run.name for other in series.runs))
    return next(named, next(iter(_current(run.series, known)), None))


@st.fragment
def _front(shown: Sequence[Series], runs: Sequence[Run]) -> None:
    firsts, tested = image_sets(shown)
    if len(firsts) > 1:
        st.warning(
            f"These networks were tested on different images ({plain(', '.join(tested.titles))}), so their accuracies cannot be compared.",
            icon=":material/warning:",
        )
    stored = [run.figures.get("baselines", {}).get("test", {}) for series in shown for run in series.runs]
    measured = [name for name in BASELINES if any(name in known for known in stored)]
    dataset = firsts[0].dataset if len(firsts) == 1 else None
    choices = [STATIC_NETWORKS, *measured, *([PUBLISHED_NETWORKS] if dataset in PUBLISHED_POINTS else [])]
    baselines = st.pills(
        "Compare with",
        choices,
        format_func=str.capitalize,
        selection_mode="multi",
        default=choices,
        key="baselines",
        help="Static networks have no gates. The others run the network’s own modules, but do not let its controllers decide: gates that "
        "open at random, routes that are the same for every image, and early exits taken when the answer is confident. Published networks "
        "are those of other authors, trained by recipes of their own.",
    )
    statics, tested = static_networks(runs, firsts, tested)
    statics = statics if STATIC_NETWORKS in baselines else []
    gated = mean_rows(run for series in shown for run in series.runs)
    static_rows = mean_rows(statics)
    place = st.container()
    highest = highest_cost(shown, statics)
    budget = choose_budget(gated, highest, f"budget-{'-'.join(series.name for series in shown)}")
    best = best_of_each(gated, static_rows, budget, tested)
    chart = front_chart(
        shown,
        statics,
        [name for name in measured if name in baselines],
        published_on=dataset if PUBLISHED_NETWORKS in baselines else None,
        tested=tested,
        budget=budget,
        highest=highest,
        best=[row for found in best for row in (found.gated,) if row],
    )
    for found in best:
        st.markdown(best_sentence(found, budget, plain))
        if found.gated:
            open_in_explore(found.gated.runs[0].name, found.gated.lam)
    with place:  # above the slider
        key = f"front-{'-'.join(str(run.id) for series in shown for run in series.runs)}-{'-'.join(baselines)}"
        event = st.plotly_chart(chart, key=key, on_select="rerun", selection_mode="points", config={"displayModeBar": False})
        _clicked(event["selection"]["points"])
    st.caption(
        "Each point is a network at one λ, measured on the test images; with several seeds, it is their mean, with the standard deviation "
        "as bars and as a band. The line is the Pareto front. A point between two settings is reached by choosing one of the two at random "
        "for each image. Click a point to open its network in Explore at its λ."
    )
    said = [best_sentence(found, budget, str).replace("**", "") for found in best]
    _report(shown, said, chart, [*([ReportedSeries(STATIC_NETWORKS, static_rows)] if static_rows else [])])
    notes = [f"{plain(run.name)}: {plain(sentence)}" for series in shown for run in series.runs for sentence in warnings(run)]
    if notes:
        with st.expander(f"Notes on these networks ({len(notes)})", icon=":material/warning:", expanded=len(notes) == 1):
            st.markdown("\n".join(f"- {note}" for note in notes))


def _report(shown: Sequence[Series], sentences: Sequence[str], front: go.Figure, statics: Sequence[ReportedSeries]) -> None:
    """Offer the report, which is made when it is clicked."""
    heading = ", ".join(series.name for series in shown)

    def written() -> str:
        charts = {"Accuracy against cost": front}
        for series in shown:
            for seed, runs in series.seeds.items():
                rows = rows_of(runs)
                if distinguishing_nodes(rows):
                    name = series.name if len(series.seeds) == 1 else f"{series.name} · seed {seed}"
                    charts |= {f"Routes of {name}": routes_chart(rows), f"Modules of {name}": execution_rates_chart(rows)}
        own = [ReportedSeries(series.name, mean_rows(series.runs)) for series in shown]
        return sweep_report(f"λ sweep: {heading}", sentences, charts, [*own, *statics])

    st.download_button(
        "Download report (HTML)",
        written,
        f"sweep-{shown[0].name.replace('/', '-')}.html",
        "text/html",
        icon=":material/download:",
        on_click="ignore",
        help="One file with these charts, a table of the figures and the commands that repeat the runs. It opens in any browser, without "
        "a server.",
    )


def _clicked(points: Sequence[dict[str, Any]]) -> None:
    """Link a clicked point of the chart to its network at its λ."""
    point = next((point["customdata"] for point in points if point.get("customdata")), None)
    if point is not None:
        lam = float(point[1])
        with st.container(key="clicked-point"):
            open_in_explore(str(point[0]), lam if lam >= 0 else None)


def _routes(shown: Sequence[Series]) -> None:
    """Show what runs inside one network, or one family of networks, as λ changes."""
    families = {
        (series.name if len(series.seeds) == 1 else f"{series.name} · seed {seed}"): runs
        for series in shown
        for seed, runs in series.seeds.items()
    }
    st.subheader("What runs at each λ", divider="gray", help=explained("route", "gate", "controller"))
    name = (
        st.selectbox("Network", list(families), key=f"family-{'-'.join(families)}", width=420)
        if len(families) > 1
        else next(iter(families))
    )
    runs, rows = families[name], rows_of(families[name])
    if len(runs) == 1 and len(rows) > 1:
        _figures(runs)
    if not distinguishing_nodes(rows):
        st.caption(_same_route(rows))
        return
    left, right = st.columns(2, gap="large")
    left.plotly_chart(routes_chart(rows), key=f"routes-{name}", config={"displayModeBar": False})
    right.plotly_chart(execution_rates_chart(rows), key=f"modules-{name}", config={"displayModeBar": False})


def _same_route(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on a network whose modules all run for every image: channels may be skipped inside of them."""
    low, high = (percent(choose(cost_share(row["macs_mean"], row["macs_static"]) for row in rows)) for choose in (min, max))
    if low == high:
        return "All test images take the same route at every λ."
    return (
        f"Every module runs for all test images at every λ. What is skipped are channels inside of modules: on average an image costs "
        f"{low} to {high} of the static network’s computation."
    )


def _figures(runs: Sequence[Run]) -> None:
    """Show what one network gains, in a row of figures."""
    known = alone(runs, "test")
    reached = known.get("cost within 0.5 points of its full path", math.nan)
    gains = {start: value for start in GAINS for name, value in known.items() if name.startswith(start)}
    figures = [(start.capitalize(), f"{100 * value:+.1f} points", GAINED) for start, value in gains.items() if math.isfinite(value)]
    if math.isfinite(reached):
        figures.insert(0, ("Cost of nearly full accuracy", percent(reached), REACHED))
    if not figures:
        return
    for column, (name, value, explanation) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, help=explanation)


page()
