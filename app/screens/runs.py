"""Runs: a table of all runs; the selected run with its curves and figures, or several selected runs compared."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import state
from app.cascade_form import offer, watch
from app.charts.curves import compared_curves_chart
from app.charts.tradeoff import along_lam_chart, compared_chart
from app.compared import MAX_COMPARED, WITH
from app.comparison import differing, setting_label, table
from app.progress import curves, warn
from app.wording import counted, plain
from core.errors import UserError
from core.published import PUBLISHED_POINTS
from core.scale import TENTHS
from core.store import Run

CHOSEN = "runs"  # parameter of the address
PUBLISHED_HELP = "Networks of other authors, trained by recipes of their own. Point at a mark for its name and its source."
COLUMNS = {
    "name": st.column_config.TextColumn("Name"),
    "state": st.column_config.TextColumn("State"),
    "architecture": st.column_config.TextColumn("Architecture"),
    "dataset": st.column_config.TextColumn("Dataset"),
    "method": st.column_config.TextColumn("Method"),
    "λ": st.column_config.TextColumn("λ", help="The λ that the network was trained for; none for a static network"),
    "epochs": st.column_config.TextColumn("Epochs"),
    "accuracy": st.column_config.NumberColumn(
        "Test accuracy",
        format="percent",
        help="A network that serves every λ is shown at the λ of the slider above, any other network at its own λ.",
    ),
    "cost": st.column_config.ProgressColumn(
        "Cost", format="percent", min_value=0, max_value=1.25, help="Mean multiply-adds per test image, as a share of the static network’s."
    ),
    "created": st.column_config.DatetimeColumn("Created", format="D MMM YYYY"),
}


def page() -> None:
    """Draw the page."""
    st.header("Runs")
    runs = state.store().runs.all()
    if runs:
        lam = st.select_slider("Show accuracy and cost at λ", TENTHS, 0.5, key="figures-lam", width=420)
        _selected(runs, lam)
    else:
        st.info("There are no runs yet.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
    _deleted()


def _selected(runs: list[Run], lam: float) -> None:
    key = f"runs-table-{'-'.join(str(run.id) for run in runs)}"  # the selection is kept by row number, so another list needs another key

    def choose() -> None:
        rows = st.session_state[key].selection.rows
        st.query_params.from_dict({CHOSEN: ",".join(str(runs[row].id) for row in sorted(rows) if row < len(runs))} if rows else {})

    st.dataframe(table(runs, lam), hide_index=True, on_select=choose, selection_mode="multi-row", column_config=COLUMNS, key=key)
    watch()
    asked = st.query_params.get(CHOSEN, "").split(",")  # the address names the selected runs and reopens them
    chosen = [run for run in runs if str(run.id) in asked]
    if len(chosen) > 1:
        _compared(chosen)
    elif chosen:
        _details(chosen[0])
    else:
        st.caption("Select a run to see its curves and figures, or several runs to compare them.")


def _compared(runs: list[Run]) -> None:
    """Draw several runs side by side."""
    st.subheader(f"{len(runs)} runs compared", divider="gray")
    if len(runs) <= MAX_COMPARED + 1 and all(run.epoch for run in runs):
        first, *others = runs
        address = {"run": first.name, WITH: ",".join(str(run.id) for run in others)}
        label = "One picture through these networks"
        st.page_link("screens/explore.py", label=label, icon=":material/compare:", query_params=address)
    offer(runs)
    plain_chart = {"displayModeBar": False}
    tradeoff, along = st.columns(2, gap="large")
    with tradeoff:
        st.caption("Accuracy against cost, on test images")
        datasets = {run.dataset for run in runs}
        known = next(iter(datasets)) if len(datasets) == 1 and datasets <= PUBLISHED_POINTS.keys() else None
        beside = known is not None and st.toggle("Published networks", True, key="compared-published", help=PUBLISHED_HELP)
        chart = compared_chart(runs, published_on=known if beside else None)
        st.plotly_chart(chart, key=f"compared-tradeoff-{beside}", config=plain_chart)
    with along:
        st.caption("Accuracy after each epoch, on validation images. Of a network that serves every λ, the most accurate λ is shown.")
        chart = compared_curves_chart({run.name: state.store().metrics.history(run.id) for run in runs})
        st.plotly_chart(chart, key="compared-curves", config=plain_chart)
    configs = [run.config for run in runs]
    settings = differing(configs)
    st.caption("Settings that differ" if settings else "These runs have the same settings.")
    if settings:
        labels = pd.Index([setting_label(name, configs) for name in settings], name="setting")
        values = pd.DataFrame(list(settings.values()), index=labels, columns=[run.name for run in runs])
        st.dataframe(values, key="compared-settings", column_config={"setting": "Setting"})
    if any(name.startswith("dataset.") for name in settings):
        st.info("These runs may have been tested on different images. If so, their accuracies cannot be compared.", icon=":material/info:")


def _details(run: Run) -> None:
    st.subheader(plain(run.name), divider="gray")
    if run.error:
        st.error(plain(run.error), icon=":material/error:")
    open_it, delete, _ = st.columns([0.2, 0.2, 0.6])
    with open_it:
        st.page_link("screens/explore.py", label="Open in Explore", icon=":material/travel_explore:", query_params={"run": run.name})
        st.page_link("screens/atlas.py", label="Open the Atlas", icon=":material/map:", query_params={"run": run.name})
    with delete, st.popover("Delete…", icon=":material/delete:", key=f"delete-popover-{run.id}"):
        stops = " Its training stops." if run.state == "running" else ""
        st.write(f"**{plain(run.name)}** is removed from the list.{stops} You can restore it at the end of this page.")
        if st.button("Delete run", type="primary", key=f"delete-{run.id}"):
            _do(state.store().runs.delete, run, "is deleted. You can restore it at the end of the page")
    warn(run)
    chart, figures = st.columns(2, gap="large")
    with chart:
        curves(run)
    with figures:
        _figures(run)


def _figures(run: Run) -> None:
    rows = run.figures.get("test") or []
    if not rows:
        st.caption("Figures on the test images appear here when the run is finished.")
        return
    if len(rows) > 1:
        st.plotly_chart(along_lam_chart(rows), key=f"along-lam-{run.id}", config={"displayModeBar": False})
    values = pd.DataFrame(
        {
            "λ": ["its own" if row["lam"] is None else f"{row['lam']:g}" for row in rows],
            "Accuracy": [f"{row['accuracy']:.1%}" for row in rows],
            "F1": [f"{row['f1']:.3f}" for row in rows],
            "Multiply-adds": [counted(row["macs_mean"]) for row in rows],
            "Multiply-adds of the static network": [counted(row["macs_static"]) for row in rows],
            "Images": [row["n"] for row in rows],
        }
    )
    st.dataframe(values, hide_index=True, key=f"figures-{run.id}")


def _deleted() -> None:
    gone = state.store().runs.all(deleted=True)
    if not gone:
        return
    with st.expander(f"Deleted ({len(gone)})"):
        for run in gone:
            name, button = st.columns([0.8, 0.2])
            name.text(run.name)
            if button.button("Restore", key=f"restore-{run.id}"):
                _do(state.store().runs.restore, run, "is restored")


def _do(action: Callable[[int], Run], run: Run, done: str) -> None:
    try:
        action(run.id)
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.toast(f"{plain(run.name)} {done}.", icon=":material/check:")
    st.rerun()


page()
