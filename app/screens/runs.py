"""Runs: all of them in a table; one of them with its curves, figures and what can be done with it, or several compared."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import state
from app.charts.comparison import courses_chart, differing, fronts_chart
from app.charts.theme import trade_off_chart
from app.progress import curves, warn
from app.wording import counted, lam_name, plain
from core.store import Run, StoreError

CHOSEN = "runs"  # in the address
COLUMNS = {
    "accuracy": st.column_config.NumberColumn("Test accuracy", format="percent", help="at the λ above, or at the run’s own"),
    "work": st.column_config.ProgressColumn(
        "Work", format="percent", min_value=0, max_value=1.25, help="mean share of the static network’s"
    ),
    "created": st.column_config.DatetimeColumn("Created", format="D MMM YYYY, HH:mm"),
}


def page() -> None:
    """The whole page."""
    st.header("Runs")
    runs = state.store().runs.all()
    if runs:
        lam = st.select_slider("Figures at λ", [step / 10 for step in range(11)], 0.5, key="figures-lam", width=420)
        _selected(runs, lam)
    else:
        st.info("No runs yet.")
        st.page_link("screens/train.py", label="Train a network", icon=":material/model_training:")
    _deleted()


def table(runs: list[Run], lam: float) -> pd.DataFrame:
    """The runs as rows. Of a run for every λ, accuracy and work are those at `lam`; of the others those at their own."""
    return pd.DataFrame([_row(run, lam) for run in runs])


def _row(run: Run, lam: float) -> dict[str, object]:
    figures = figures_at(run, lam)
    return {
        "name": run.name,
        "state": run.state,
        "architecture": run.architecture,
        "dataset": run.dataset,
        "method": run.method,
        "λ": lam_name(run.lam).removeprefix("λ = ") if run.gated else "none",
        "epochs": f"{int(run.epoch)} of {run.epochs}" if run.epoch < run.epochs else str(run.epochs),
        "accuracy": figures["accuracy"] if figures else None,
        "work": figures["macs_mean"] / max(figures["macs_static"], 1) if figures else None,
        "created": run.created,
    }


def figures_at(run: Run, lam: float) -> dict[str, float] | None:
    """A run's test figures at the λ nearest to one; none before it is finished."""
    rows = run.figures.get("test") or []
    return min(rows, key=lambda row: abs((row["lam"] if row["lam"] is not None else lam) - lam), default=None)


def _selected(runs: list[Run], lam: float) -> None:
    key = f"runs-table-{'-'.join(str(run.id) for run in runs)}"  # another list, another selection: it is kept by row number

    def choose() -> None:
        rows = st.session_state[key].selection.rows
        st.query_params.from_dict({CHOSEN: ",".join(str(runs[row].id) for row in sorted(rows) if row < len(runs))} if rows else {})

    st.dataframe(table(runs, lam), hide_index=True, on_select=choose, selection_mode="multi-row", column_config=COLUMNS, key=key)
    asked = st.query_params.get(CHOSEN, "").split(",")  # the address names what was selected, and reopens it
    chosen = [run for run in runs if str(run.id) in asked]
    if len(chosen) > 1:
        _compared(chosen)
    elif chosen:
        _details(chosen[0])
    else:
        st.caption("Select a row to see its curves and figures, or several to compare them.")


def _compared(runs: list[Run]) -> None:
    """Stacked runs beside each other."""
    st.subheader(f"{len(runs)} runs compared", divider="gray")
    plain_chart = {"displayModeBar": False}
    fronts, courses = st.columns(2, gap="large")
    with fronts:
        st.caption("Test images: accuracy against work")
        st.plotly_chart(fronts_chart(runs), key="compared-fronts", config=plain_chart)
    with courses:
        st.caption("Validation images: accuracy after each epoch, at the best λ of those that are watched")
        histories = {run.name: state.store().metrics.history(run.id) for run in runs}
        st.plotly_chart(courses_chart(histories), key="compared-courses", config=plain_chart)
    options = differing([run.config for run in runs])
    st.caption("In what they differ" if options else "They have the same configuration")
    if options:
        told = pd.DataFrame(list(options.values()), index=pd.Index(list(options), name="option"), columns=[run.name for run in runs])
        st.dataframe(told, key="compared-options")
    if any(name.startswith("dataset.") for name in options):
        st.info("They may not have been tested on the same images: then their accuracies are no comparison.", icon=":material/info:")


def _details(run: Run) -> None:
    st.subheader(plain(run.name), divider="gray")
    if run.error:
        st.error(run.error, icon=":material/error:")
    open_it, delete, _ = st.columns([0.2, 0.2, 0.6])
    with open_it:
        st.page_link("screens/explore.py", label="Open in Explore", icon=":material/travel_explore:", query_params={"run": run.name})
    with delete, st.popover("Delete…", icon=":material/delete:", key=f"delete-popover-{run.id}"):
        stops = " Its training stops." if run.state == "running" else ""
        st.write(f"**{plain(run.name)}** leaves the list.{stops} It can be restored at the end of this page.")
        if st.button("Delete it", type="primary", key=f"delete-{run.id}"):
            _do(state.store().runs.delete, run, "is deleted; it can be restored at the end of the page")
    warn(run)
    chart, figures = st.columns(2, gap="large")
    with chart:
        curves(run)
    with figures:
        _figures(run)


def _figures(run: Run) -> None:
    rows = run.figures.get("test") or []
    if not rows:
        st.caption("Figures on the test images come when the run is finished.")
        return
    if len(rows) > 1:
        st.plotly_chart(trade_off_chart(rows), key=f"trade-off-{run.id}", config={"displayModeBar": False})
    told = pd.DataFrame(
        {
            "λ": ["own" if row["lam"] is None else f"{row['lam']:g}" for row in rows],
            "accuracy": [f"{row['accuracy']:.1%}" for row in rows],
            "F1": [f"{row['f1']:.3f}" for row in rows],
            "multiply-adds": [counted(row["macs_mean"]) for row in rows],
            "static": [counted(row["macs_static"]) for row in rows],
            "images": [row["n"] for row in rows],
        }
    )
    st.dataframe(told, hide_index=True, key=f"figures-{run.id}")


def _deleted() -> None:
    gone = state.store().runs.all(deleted=True)
    if not gone:
        return
    with st.expander(f"Deleted ({len(gone)})"):
        for run in gone:
            name, button = st.columns([0.8, 0.2])
            name.text(run.name)
            if button.button("Restore", key=f"restore-{run.id}"):
                _do(state.store().runs.restore, run, "is back")


def _do(action: Callable[[int], Run], run: Run, done: str) -> None:
    try:
        action(run.id)
    except StoreError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.toast(f"{plain(run.name)} {done}.", icon=":material/check:")
    st.rerun()


page()
