"""Several runs side by side: accuracy against cost, curves, settings and figures, and the same test pictures through each."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.cascade_form import offer
from app.charts.parallel import parallel_chart, telling_axes
from app.charts.tradeoff import compared_chart
from app.compared import MAX_COMPARED, WITH
from app.comparison import differing, setting_label
from app.runs.confusion import confusion
from app.runs.curves import PLAIN_CHART, compared_curves
from app.runs.entries import Entry
from app.runs.pictures import pictures
from app.wording import lam_name
from core.published import PUBLISHED_POINTS
from core.store import Run

MAX_RUNS = 20  # runs compared at once
MAX_AXES = 7  # settings in parallel coordinates
PUBLISHED_HELP = "Networks of other authors, trained by recipes of their own. Point at a mark for its name and its source."
FIGURES = {"accuracy": "Test accuracy", "cost": "Cost", "macs": "Multiply-adds"}


def compare(selected: Sequence[Run]) -> None:
    """Draw several runs side by side, at most MAX_RUNS of them."""
    runs = list(selected[:MAX_RUNS])
    st.subheader(f"{len(runs)} runs compared", divider="gray")
    if len(selected) > MAX_RUNS:
        st.info(f"The first {MAX_RUNS} of {len(selected)} selected runs are compared.", icon=":material/info:")
    if any(name.startswith("dataset.") for name in differing([run.config for run in runs])):
        st.info("These runs may have been tested on different images. If so, their accuracies cannot be compared.", icon=":material/info:")
    if len(runs) <= MAX_COMPARED + 1 and all(run.epoch for run in runs):
        first, *others = runs
        address = {"run": first.name, WITH: ",".join(str(run.id) for run in others)}
        label = "One picture through these networks"
        st.page_link("screens/explore.py", label=label, icon=":material/compare:", query_params=address)
    offer(runs)
    tradeoff, along = st.columns(2, gap="large")
    with tradeoff:
        _tradeoff(runs)
    with along:
        compared_curves(runs)
    _settings(runs)
    pictures(runs)
    confusion(runs)


def _tradeoff(runs: Sequence[Run]) -> None:
    st.caption("Accuracy against cost, on test images")
    datasets = {run.dataset for run in runs}
    known = next(iter(datasets)) if len(datasets) == 1 and datasets <= PUBLISHED_POINTS.keys() else None
    beside = known is not None and st.toggle("Published networks", True, key="compared-published", help=PUBLISHED_HELP)
    chart = compared_chart(runs, published_on=known if beside else None)
    st.plotly_chart(chart, key=f"compared-tradeoff-{beside}", config=PLAIN_CHART)


def _settings(runs: Sequence[Run]) -> None:
    """Draw the settings that differ, beside the figures: as lines through axes, and as a table."""
    configs = [run.config for run in runs]
    settings = differing(configs)
    labels = {name: setting_label(name, configs) for name in settings}
    axes: dict[str, Sequence[Any]] = {labels[name]: _values(name, settings[name], runs) for name in _telling(settings)}
    axes |= _figures(runs)
    if len(telling_axes(axes)) > 1:
        st.caption(
            "Settings and figures: a line is a run. Drag along an axis to keep the lines that cross it there. "
            "What is the same for all runs has no axis."
        )
        st.plotly_chart(parallel_chart(axes, FIGURES["accuracy"]), key="compared-parallel", config=PLAIN_CHART)
    st.caption("Settings that differ" if settings else "These runs have the same settings.")
    if settings:
        index = pd.Index(labels.values(), name="setting")
        values = pd.DataFrame(list(settings.values()), index=index, columns=[run.name for run in runs])
        st.dataframe(values, key="compared-settings", column_config={"setting": "Setting"})


def _telling(settings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the settings that are drawn as axes: the components and λ, then those that most runs have."""
    first = [name for name in settings if name.endswith(".name") or name == "lam"]
    held = {name: sum(value != "–" for value in values) for name, values in settings.items() if name not in first}
    rest = sorted((name for name in held if held[name] > 1), key=lambda name: -held[name])
    return [*first, *rest][:MAX_AXES]


def _figures(runs: Sequence[Run]) -> dict[str, list[float | None]]:
    """Return the figures of runs at the middle of λ, or at their own λ, by heading."""
    entries = [Entry(run) for run in runs]
    return {title: [entry.measured(0.5).get(name) for entry in entries] for name, title in FIGURES.items()}


def _values(name: str, written: Sequence[str], runs: Sequence[Run]) -> list[Any]:
    """Return the values of a setting: numbers where all are numbers, otherwise as they are written."""
    if name == "lam":
        return [lam_name(run.lam).removeprefix("λ = ") if run.gated else "none" for run in runs]
    values = [Entry(run).settings.get(name) for run in runs]
    return values if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) else list(written)
