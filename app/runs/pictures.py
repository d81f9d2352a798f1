"""The same test pictures through several networks: a row of answers and costs for each."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.computing import computed
from app.rendering import data_url
from app.wording import percent, plain
from core.errors import UserError
from core.scale import TENTHS
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor
    from core.explain.predict import Trace

PICTURES_SENT = "runs-pictures"  # key of the session: the runs through which the pictures were sent
COUNT = 8
KEPT_ANSWERS = 400  # answers of runs kept in memory


def pictures(runs: Sequence[Run]) -> None:
    """Draw the button that sends the pictures through runs and, once it is clicked, the answers."""
    st.caption("The same test pictures through each network")
    ids = [run.id for run in runs]
    if st.session_state.get(PICTURES_SENT) != ids:
        st.button(
            f"Send {COUNT} test pictures through {'both' if len(runs) == 2 else f'all {len(runs)}'} networks",
            key="send-pictures",
            icon=":material/grid_view:",
            help="Shows each network’s answer and what it costs.",
            on_click=lambda: st.session_state.update({PICTURES_SENT: ids}),
        )
        return
    lam = st.select_slider("λ of networks that serve every λ", TENTHS, 0.5, key="pictures-lam", width=320)
    dataset = runs[0].config["dataset"]
    fitting = [run for run in runs if run.config.get("dataset") == dataset and run.epoch >= 1]
    try:
        labels, images = state.samples(next((run for run in fitting if not run.imported), runs[0]), COUNT)
    except (UserError, OSError) as error:
        st.info(f"The test pictures of this dataset are not on this computer. {plain(str(error))}", icon=":material/cloud_off:")
        return
    rows, failed = [], []
    progress = st.progress(0.0, "Loading the networks…")
    for number, run in enumerate(fitting):
        progress.progress(number / len(fitting), f"{plain(run.name)}: loading and answering")
        try:
            sha256 = state.weights(run)
            rows.append((run.name, _answers(state.store().url, run.id, sha256, lam, run, images)))
        except UserError as error:
            failed.append(f"{run.name}: {error}")
    progress.empty()
    heads = "".join(
        f'<th><img src="{data_url(image)}" alt=""><br>{html.escape(label)}</th>' for label, image in zip(labels, images, strict=True)
    )
    body = "".join(f"<tr><th>{html.escape(name)}</th>{''.join(map(_cell, answers, labels))}</tr>" for name, answers in rows)
    st.html(f'<div class="run-pictures"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>')
    left_out = len(runs) - len(fitting)
    if left_out:
        st.caption(f"{left_out} of the runs are left out: they were trained on other images, or have no weights yet.")
    for line in failed:
        st.warning(plain(line), icon=":material/warning:")


def _cell(answer: tuple[str, float], label: str) -> str:
    said, share = answer
    right = said == label
    mark, kind = ("✓", "right") if right else ("✗", "wrong")
    return f'<td class="{kind}"><b>{mark} {html.escape(said)}</b><br>{percent(share)}</td>'


@st.cache_data(max_entries=KEPT_ANSWERS, show_spinner=False)
def _answers(url: str, run_id: int, sha256: str | None, lam: float, _run: Run, _images: "ImageTensor") -> list[tuple[str, float]]:
    """Return a network's answer to each picture and its cost, as a share of the static network's. Raises UserError."""
    from core.explain.predict import predict
    from core.store.runs import no_weights

    if sha256 is None:
        raise no_weights(_run)
    network = state.model(_run, sha256)
    traces: list[Trace] = computed(lambda: predict(network, _images, lam=lam if network.graph.tradeoff.every_lam else network.lam))
    return [(trace.label, trace.cost_share) for trace in traces]
