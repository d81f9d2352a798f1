"""A run on the Train page, in training or ended: how far it is, its curves, its graph coloured by what ran, and its log."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import state
from app.charts.curves import ACCURACY, RATES, curve_chart, grouped
from app.computing import SWEEP, computed
from app.graph_view.sketch import sketch
from app.progress import no_curves, status, warn
from app.runs.curves import openness
from app.wording import percent
from core.config import run_config
from core.errors import UserError
from core.store import Run

if TYPE_CHECKING:
    from core.store.metrics import History
    from core.training.preview import Outline

LOG_BYTES = 6_000  # of the end of a log that is shown
LOSS = "train"
COST = "val cost share"
OUTLINES = 16  # networks whose graphs are kept


def watch(run_id: int) -> None:
    """Draw a run."""
    run = state.store().runs.get(run_id)
    status(run)
    if run.sweep:
        st.page_link("screens/sweep.py", label="Watch the whole sweep", icon=":material/show_chart:")
    warn(run)
    history = state.store().metrics.history(run.id)
    _figures(history)
    _graph(run, history)
    groups = grouped(history)
    if not groups:
        st.caption(no_curves([run]))
    columns = st.columns(2, gap="large")
    for index, (title, lines) in enumerate(groups.items()):
        with columns[index % 2]:
            chart = curve_chart(title, lines, run.epochs, shares="loss" not in title)
            st.plotly_chart(chart, key=f"curve-{run.id}-{title}", config={"displayModeBar": False})
    openness(run, history)
    _log(run)


def latest(history: "History", start: str) -> float | None:
    """Return the last value of a metric whose name begins so; of one that is measured at several λ, at the middle of them."""
    lines = [points for name, points in history.items() if name.startswith(start) and points and (start != LOSS or name.endswith("loss"))]
    return lines[len(lines) // 2][-1][1] if lines else None


def _figures(history: "History") -> None:
    """Draw the latest accuracy, cost and loss."""
    accuracy, cost = latest(history, ACCURACY), latest(history, COST)
    losses = [points[-1][1] for name, points in history.items() if name.startswith(LOSS) and name.endswith("loss") and points]
    if accuracy is None:
        return
    several = sum(name.startswith(ACCURACY) for name in history) > 1
    shown = {
        "Validation accuracy": percent(accuracy),
        "Cost, share of static": "–" if cost is None else percent(cost),
        "Training loss": f"{sum(losses):.3g}" if losses else "–",
    }
    for column, (label, figure) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(label, figure, help="After the last epoch, at the middle of λ." if several else "After the last epoch.")


def rates(run: Run, history: "History") -> dict[str, float]:
    """Return the share of images for which each gated module ran: on test images once the run is finished, else after its last epoch."""
    rows = run.figures.get("test") or []
    if rows:
        return dict(rows[len(rows) // 2]["execution_rates"])
    return {name.removeprefix(RATES): points[-1][1] for name, points in history.items() if name.startswith(RATES) and points}


def _graph(run: Run, history: "History") -> None:
    """Draw the graph of a run, coloured by how often each module ran."""
    if run.imported:
        return  # to build its network could read what a foreign file names
    found: Outline | None = None
    with suppress(UserError, OSError):
        found = _outline(json.dumps(run.config, sort_keys=True))
    if found is None:
        return
    known = rates(run, history)
    st.graphviz_chart(sketch(found.nodes, found.macs, known), width="stretch")
    if known:
        images = "test" if run.figures.get("test") else "validation"
        st.caption(f"The darker a module, the more {images} images it ran for, in percent{'' if run.lam is not None else ' at λ = 0.5'}.")


@st.cache_resource(max_entries=OUTLINES, show_spinner="Building the network…")
def _outline(config: str) -> "Outline":
    from core.training.preview import outline

    chosen: Mapping[str, Any] = json.loads(config)
    return computed(lambda: outline(run_config(**chosen)), SWEEP)


def _log(run: Run) -> None:
    """Draw the end of what the run's process printed, if it printed anything."""
    file = state.store().weights.folder / f"{run.id}.log"
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - LOG_BYTES))
            text = log.read(LOG_BYTES).decode(errors="replace").strip()
    except OSError:
        return
    if text:
        with st.expander("Log", icon=":material/terminal:"):
            st.code(text, language=None, wrap_lines=True)
