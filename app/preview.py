"""What a training would train, before it starts: its graph, its size, the time that it takes, and whether its images are here."""

import streamlit as st

from app.forms import Plan
from app.graph_view.sketch import sketch
from app.preparation import Preparation, preparation
from app.wording import counted, duration, plain
from core.registry import title

PREVIEW_SECONDS = 1.0  # seconds between looks while more is found out


def preview(wanted: Plan) -> str:
    """Draw what is known of a plan, and more as it becomes known. Return why it cannot be started, or an empty text."""
    found = preparation(wanted.config)
    st.fragment(_drawn, run_every=None if found.complete else PREVIEW_SECONDS)(wanted, found.complete)
    return found.fault or (found.missing if wanted.config.dataset.own_files else "")


def _drawn(wanted: Plan, complete: bool) -> None:
    found = preparation(wanted.config)
    if found.complete and not complete:
        st.rerun()
    if found.fault:
        st.warning(f"This network cannot be built: {plain(found.fault)}", icon=":material/build:")
        return
    if found.missing:
        st.warning(plain(found.missing), icon=":material/cloud_off:")
    if found.outline is None:
        st.caption("Building the network…")
        return
    st.graphviz_chart(sketch(found.outline.nodes, found.outline.macs), width="stretch")
    figures = {
        "Multiply-adds": counted(found.outline.static),
        "Parameters": counted(found.outline.parameters),
        "Images": "" if found.sizes is None else f"{sum(found.sizes):,}",
        "Time": _time(wanted, found),
    }
    for column, (label, figure) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, figure or "…", help=FIGURE_HELP[label])
    if found.sizes is not None:
        train, val, test = found.sizes
        name = plain(title("datasets", wanted.config.dataset.name))
        st.caption(f"{name}: {train:,} images to learn from, {val:,} to validate, {test:,} to test.")


FIGURE_HELP = {
    "Multiply-adds": "Of one image in the static network, which runs every module of the most expensive route.",
    "Parameters": "Weights of the whole network, its controllers included.",
    "Images": "Of the training, validation and test splits together.",
    "Time": "An estimate from a step that was measured on one core of this computer, while whatever else runs here. The training uses all "
    "cores that it gets.",
}


def _time(wanted: Plan, found: Preparation) -> str:
    """Return the time that a training takes, in words; of a sweep, that of one network."""
    seconds = found.seconds(wanted.config)
    if seconds is None:
        return "–" if found.complete else ""
    return f"{duration(seconds)}{' each' if wanted.lams else ''}"
