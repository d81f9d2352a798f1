"""The live examples of the page "How it works"."""

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import state
from app.charts.lessons import BLUR, gates_chart, rewards_chart, scores_chart, thresholds_chart, values_chart
from app.charts.tradeoff import along_lam_chart
from app.components.gate_graph import gate_graph
from app.computing import SWEEP, computed, draw_again, wait_for
from app.graph_view.facts import facts
from app.graph_view.folding import costs, fold
from app.graph_view.view import Subject, view_of
from app.rendering import data_url
from app.toy_controller import DEAR_COST, ToyController, reward, threshold
from app.wording import percent, plain
from core.errors import UserError
from core.scale import SLIDER_STEPS, mean_cost_share
from core.store import Run
from core.store.runs import no_weights

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep

D2NN_RUN, LC_RUN = "reference/high-low-digits", "reference/lc-digits"  # small networks on images that ship
GATES_AT = "block 3-2"  # the block of the LC-Net whose gates are shown
PICTURES = 8
BARE = {"displayModeBar": False}
LESSONS, STEPS = 30, 60  # stages of the toy's training, and mini-batches in each
TOY_KAPPA = 0.25  # the worth of the dear module's cost, in accuracy
TOY, TOY_LEFT = "toy", "toy-left"  # keys of the session


class Example:
    """A network that ships, with its sample images. Raises UserError where it cannot be loaded."""

    def __init__(self, name: str) -> None:
        self.run: Run = state.store().runs.get(name)
        sha256 = state.weights(self.run)
        if sha256 is None:
            raise no_weights(self.run)
        self.sha256 = sha256
        self.model: Model = state.model(self.run, sha256)
        self.labels, self.images = state.samples(self.run, PICTURES)

    def most_varied(self) -> int:
        """Return the number of the sample that takes the most routes along λ."""
        return state.most_varied(self.run, self.sha256, self.images)

    def sweep(self, number: int) -> "LamSweep":
        """Return a sample along λ, at every step of the slider."""
        image = self.images[number]
        while state.unfinished(self.run, self.sha256, image, {}, timed=False) is not None:
            wait_for(state.next_stage(self.run, self.sha256, image, {}))
        return state.sweep(self.run, self.sha256, image, {})


def picture(example: Example, key: str) -> int:
    """Draw the choice of a sample; return its number."""
    numbers = list(range(len(example.labels)))
    chosen = st.pills(
        "Picture",
        numbers,
        format_func=lambda number: f"![{plain(example.labels[number])}]({data_url(example.images[number])})",
        default=example.most_varied(),
        key=key,
        required=True,
    )
    return numbers[0] if chosen is None else int(chosen)


@st.fragment
def graph_example() -> None:
    """Draw a small network lit by a picture, with its slider, and under it the scores of its controller for the same picture."""
    try:
        example = Example(D2NN_RUN)
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    number = picture(example, "how-picture")
    sweep = example.sweep(number)
    _graph(example, example.images[number], example.labels[number], sweep)
    st.page_link(
        "screens/explore.py",
        label="Open this network in Explore: click its modules, force them on or off, use your own picture",
        icon=":material/travel_explore:",
        query_params={"run": example.run.name, "sample": str(number)},
    )
    st.subheader("A controller gives every option a score, and the highest wins", divider="gray")
    told, shown = st.columns([0.4, 0.6], gap="large")
    control = example.model.graph.controls[0]
    told.markdown(
        f"**{plain(control.name)}** is the controller of the network above. It sees features of the picture and the answer of the cheap "
        "path, and predicts for each option how accurate the answer will be and what it will cost. Together with λ that makes a score "
        "for each option."
    )
    if sweep.thresholds:
        told.markdown(
            f"For this picture the lines cross at **λ = {sweep.thresholds[0]:.2f}**. That is the picture’s *threshold*: the orange mark at "
            "the slider above. An easy picture has a high threshold, or none."
        )
    else:
        told.markdown("For this picture the lines do not cross: the same option wins at every λ. Choose another picture above.")
    shown.plotly_chart(scores_chart(control.options, sweep.scores[control.name], sweep.thresholds), key="how-scores", config=BARE)


def _graph(example: Example, image: "ImageTensor", label: str, sweep: "LamSweep") -> None:
    graph = example.model.graph
    shown = fold(graph.nodes)
    names = {node.name for node in shown}
    known = facts(graph.nodes, names, graph.shapes, state.parameters(example.model), graph.macs, example.run.figures.get("val", []), sweep)
    subject = Subject(example.run.name, "A test image", data_url(image), label)
    view = view_of(graph.nodes, shown, costs(shown, graph.macs), sweep, None, None, graph.tradeoff.every_lam, known, subject)
    view["live"] = False  # the server is not needed here
    with st.container(key="how-graph"):
        gate_graph(view, key="how-gate-graph", on_force=_ignored, on_compare=_ignored)


def _ignored(wanted: Any) -> None:
    """Nothing can be forced or compared on this page."""


@st.fragment
def reward_example() -> None:
    """Draw the reward of two modules, from values that sliders set."""
    left, right = st.columns(2, gap="medium")
    lam = left.slider("λ", 0.0, 1.0, 0.6, 0.01, key="how-lam")
    kappa = right.slider("κ, the worth of the whole cost", 0.05, 1.0, 0.25, 0.05, key="how-kappa")
    cheap = left.slider("Accuracy of the cheap module", 0.0, 1.0, 0.7, 0.01, key="how-cheap")
    dear = right.slider("Accuracy of the dear module", 0.0, 1.0, 0.9, 0.01, key="how-dear")
    cost = left.slider("Cost of the cheap module, as a share of the dear one’s", 0.05, 1.0, 0.2, 0.05, key="how-cost")
    rewards = {"cheap": float(reward(cheap, cost, lam, kappa)), "dear": float(reward(dear, DEAR_COST, lam, kappa))}
    st.plotly_chart(rewards_chart(rewards), key="how-rewards", config=BARE)
    best = max(rewards, key=lambda name: rewards[name])
    turns = float(threshold(np.array(cheap), np.array(dear), cost, kappa))
    changes = f"The choice changes at λ = **{turns:.2f}**." if turns < 1 else "No λ below 1 makes the dear module worth its cost."
    st.markdown(
        f"The reward of the dear module is {lam:.2f} × {dear:.2f} − {1 - lam:.2f} × {kappa:.2f} × 1 = **{rewards['dear']:+.3f}**, and that "
        f"of the cheap one **{rewards['cheap']:+.3f}**: the **{best}** module runs. {changes}"
    )


@st.fragment
def toy_example() -> None:
    """Draw a controller that the visitor trains, with its Q-values and its thresholds."""
    toy: ToyController = st.session_state.setdefault(TOY, ToyController())
    left = st.session_state.get(TOY_LEFT, 0)
    one, other = st.columns(2, gap="medium")
    lam = one.slider("λ", 0.0, 1.0, 0.5, 0.01, key="toy-lam")
    cost = other.slider("Cost of the cheap module, as a share of the dear one’s", 0.05, 0.95, 0.2, 0.05, key="toy-cost")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Train the controller", type="primary", key="toy-train", icon=":material/play_arrow:", disabled=left > 0, on_click=_begin)
        st.button("Start over", key="toy-reset", icon=":material/restart_alt:", on_click=_reset)
    done = LESSONS - left
    if left:
        st.progress(done / LESSONS, f"Learning: {toy.seen:,} pictures so far")
    else:
        st.caption(
            f"Trained on {toy.seen:,} pictures. Move λ or the cost: nothing is trained again."
            if toy.seen
            else "Not trained yet: its predictions are random."
        )
    predicted = toy.predict(BLUR)
    one, other = st.columns(2, gap="medium")
    one.plotly_chart(values_chart(predicted, lam, cost, TOY_KAPPA), key="toy-values", config=BARE)
    other.plotly_chart(thresholds_chart(predicted, lam, cost, TOY_KAPPA), key="toy-thresholds", config=BARE)
    if left:
        computed(lambda: toy.learn(STEPS, cost, TOY_KAPPA), SWEEP)
        st.session_state[TOY_LEFT] = left - 1
        draw_again()


def _begin() -> None:
    st.session_state[TOY_LEFT] = LESSONS


def _reset() -> None:
    st.session_state[TOY], st.session_state[TOY_LEFT] = ToyController(), 0


@st.fragment
def gates_example() -> None:
    """Draw the scores of a gate network for a picture at a λ."""
    try:
        example = Example(LC_RUN)
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    number = picture(example, "how-gates-picture")
    lam = st.slider("λ", 0.0, 1.0, 0.5, 0.01, key="how-gates-lam")
    sweep = example.sweep(number)
    control = next(node for node in example.model.graph.nodes if node.name == GATES_AT).gates[0].control
    scores = sweep.scores[control][round(lam * (SLIDER_STEPS - 1))] or []
    block, channels = scores[0], scores[1:]
    runs = "runs" if block > 0 else "is skipped"
    opened = sum(score > 0 for score in channels)
    st.markdown(
        f"At λ = {lam:.2f} the score of **{GATES_AT}** is **{block:+.2f}**, so the block {runs}"
        + (f", scaled by {block:.2f}, with **{opened} of its {len(channels)} channels**." if block > 0 else ".")
    )
    st.plotly_chart(gates_chart(channels), key="how-gates", config=BARE)


def budget_example() -> None:
    """Draw accuracy and cost of the LC-Net against λ, from its stored figures."""
    try:
        rows = state.store().runs.get(LC_RUN).figures["test"]
    except UserError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.plotly_chart(along_lam_chart(rows), key="how-budget", config=BARE)
    low, high = rows[0], rows[-1]
    st.caption(
        f"{plain(LC_RUN)} on {low['n']:,} test images: from {low['accuracy']:.1%} at {percent(mean_cost_share(low))} of the static "
        f"network’s cost to {high['accuracy']:.1%} at {percent(mean_cost_share(high))}."
    )
