"""The page of one run: what it is, what can be done with it, its figures, its curves, its settings and its model card."""

import html
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from app import state
from app.cascade_form import offer
from app.cautions import advice
from app.charts.tradeoff import along_lam_chart
from app.departure import leave
from app.form_state import prefill_again
from app.forms import refuse
from app.progress import DONE, NEW, SHOW_NEXT, follow, warn
from app.runs.annotation import annotations, rename, star
from app.runs.bulk import delete_button, with_weights
from app.runs.configuration import settings_table
from app.runs.curves import curves
from app.runs.facts import facts
from app.runs.transfer import exportable, file_name, packed_run
from app.wording import counted, percent, plain
from core.config import run_config
from core.errors import UserError
from core.scale import mean_cost_share
from core.store import Run

RESULTS, SETTINGS, CARD = "Results", "Settings", "Model card"


def details(run: Run, tags: Sequence[str]) -> None:
    """Draw a run. `tags`: those in use."""
    st.subheader(plain(run.name), divider="gray")
    _actions(run)
    rows = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts(run))
    st.html(f'<dl class="run-facts">{rows}</dl>')
    annotations(run, tags)
    if exportable(run) and not run.gated:
        offer([run])
    parts = [RESULTS, SETTINGS, *([CARD] if exportable(run) else [])]
    part = st.segmented_control(
        "Part", parts, default=RESULTS, required=True, key="run-part", label_visibility="collapsed", persist_state="session"
    )
    drawn: dict[str | None, Callable[[Run], None]] = {SETTINGS: _settings, CARD: _card}
    drawn.get(part if part in parts else RESULTS, _results)(run)


def _actions(run: Run) -> None:
    store = state.store()
    with st.container(horizontal=True, vertical_alignment="center", key="run-actions"):
        star(run)
        if run.epoch >= 1 and not run.damage:
            address = {"run": run.name}
            st.page_link("screens/explore.py", label="Open in Explore", icon=":material/travel_explore:", query_params=address)
            st.page_link("screens/atlas.py", label="Open the Atlas", icon=":material/map:", query_params=address)
        if st.button(
            "Edit and start again", key=f"again-{run.id}", icon=":material/edit:", help="Opens the Train page with these settings."
        ):
            _again(run)
        if exportable(run):
            bare = not with_weights([run])
            st.download_button(
                "Export",
                data=lambda: packed_run(store, run),
                file_name=f"{file_name(run)}.safetensors",
                mime="application/octet-stream",
                key=f"export-{run.id}",
                icon=":material/download:",
                on_click="ignore",
                disabled=bare,
                help="This run has no stored weights to export."
                if bare
                else "Weights, figures and curves in one file, which Import and `python -m core import` read, and any program that reads "
                "safetensors.",
            )
        rename(run)
        delete_button([run], str(run.id))


def _again(run: Run) -> None:
    try:
        prefill_again(run)
    except UserError as error:
        refuse(error)
        return
    st.session_state[SHOW_NEXT] = NEW
    leave("train")


def _results(run: Run) -> None:
    if run.state not in DONE or run.state in ("stopped", "failed", "interrupted"):
        follow(run.id)
        return
    if run.error:
        st.error(plain(run.error), icon=":material/error:")
    warn(run)
    if todo := advice(run):
        st.caption(f"What to do: {plain(' '.join(todo))}")
    figures, charts = st.columns(2, gap="large")
    with figures:
        _figures(run)
    with charts:
        curves(run)


def _figures(run: Run) -> None:
    rows = run.figures.get("test") or []
    if not rows:
        st.caption("This run has no figures on test images.")
        return
    if len(rows) > 1:
        st.plotly_chart(along_lam_chart(rows), key=f"along-lam-{run.id}", config={"displayModeBar": False})
    values = pd.DataFrame(
        {
            "λ": ["its own" if row["lam"] is None else f"{row['lam']:g}" for row in rows],
            "Accuracy": [f"{row['accuracy']:.1%}" for row in rows],
            "F1": [f"{row['f1']:.3f}" for row in rows],
            "Multiply-adds": [counted(row["macs_mean"]) for row in rows],
            "Cost": [percent(mean_cost_share(row)) for row in rows],
            "Images": [row["n"] for row in rows],
        }
    )
    st.dataframe(values, hide_index=True, key=f"figures-{run.id}")
    st.caption(f"Cost as a share of the static network’s {counted(rows[0]['macs_static'])} multiply-adds.")


def _settings(run: Run) -> None:
    try:
        command = run_config(**run.config).command()
    except UserError as error:
        st.warning(f"The command that repeats this run cannot be written: {plain(str(error))}", icon=":material/warning:")
    else:
        st.caption("This command repeats the run.")
        st.code(command, language="bash", wrap_lines=True)
    settings = settings_table(run)
    changed = [setting for setting in settings if setting.differs]
    only = st.toggle(f"Only what differs from the defaults ({len(changed)})", key="settings-only", persist_state="session")
    shown = changed if only else settings
    values = pd.DataFrame(
        {
            "": ["●" if setting.differs else "" for setting in shown],
            "Setting": [setting.label for setting in shown],
            "Value": [setting.value for setting in shown],
            "Default": [setting.default for setting in shown],
        }
    )
    st.dataframe(values, hide_index=True, key=f"settings-{run.id}-{only}", column_config={"": st.column_config.TextColumn(width=30)})
    st.caption("● marks what differs from the default.")


def _card(run: Run) -> None:
    try:
        with st.spinner("Writing the model card…"):
            text = _text(state.store().url, run.id, state.weights(run), run)
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.download_button(
        "Save as Markdown",
        text,
        f"{file_name(run)}.md",
        "text/markdown",
        key=f"card-{run.id}",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.container(border=True):
        st.markdown(text.replace("![", "!\\["))  # a name in it must not load a picture


@st.cache_data(max_entries=32, show_spinner=False)
def _text(url: str, run_id: int, sha256: str | None, _run: Run) -> str:
    from core.evaluation.model_card import card
    from core.store.exchange import header_of, weights_of
    from core.store.record import Figures

    store = state.store()
    siblings = [Figures.model_validate(one.figures).test for one in store.runs.siblings(_run, store.listing.all())]
    return card(header_of(store, _run, weights_of(store, _run)), siblings)
