"""How it works: the systems of both papers in a page, every sentence or two beside a live example."""

import streamlit as st

from app.lessons import budget_example, gates_example, graph_example, reward_example, toy_example
from app.terms import explained
from core.bibliography import D2NN_PAPER, LCNET


def page() -> None:
    """Draw the page."""
    st.header("How it works", help=explained("gate", "controller", "route", "λ", "multiply-add", "static network"))
    st.markdown(
        "An ordinary network does the same work for every picture. A *dynamic* network decides for each picture which of its own parts to "
        "run, so that easy pictures cost little and hard ones get more. Two systems are at work here: **D2NN** "
        f"([Liu and Deng, 2018]({D2NN_PAPER.url})), in which controllers choose between modules, and **LC-Net** "
        f"([Xia and others, 2021]({LCNET.url})), in which every block and every channel has a gate of its own."
    )
    st.subheader("A gate is one number per picture", divider="gray")
    st.markdown(
        "At zero, the module behind a gate is not computed at all. Otherwise it runs, and its output is multiplied by the gate. **λ** says "
        "how much accuracy counts against cost. Drag it, and watch the dashed modules light up."
    )
    graph_example()
    _reward()
    _toy()
    _gates()
    _budget()
    _next()


def _reward() -> None:
    st.subheader("The controller learns from a reward", divider="gray")
    told, shown = st.columns([0.4, 0.6], gap="large")
    told.markdown(
        "**Reward = λ · A + (1 − λ) · E.** A is the accuracy: 1 if the answer is right, and on average the share of right answers. E is "
        "minus the cost: the share of the whole network’s multiply-adds that was spent, times κ."
    )
    told.markdown(
        "At λ = 1 only accuracy counts, at λ = 0 only cost. **κ** says how much accuracy the whole cost is worth. The paper has κ = 1; "
        "a smaller κ spreads the choices over the whole slider."
    )
    told.markdown("The more the dear module gains, the lower the λ at which it is worth its cost.")
    with shown:
        reward_example()


def _toy() -> None:
    st.subheader("Train a controller, and watch its threshold move", divider="gray")
    st.markdown(
        "This controller sees one number: how blurred a picture is. The cheap module is good at sharp pictures, the dear one copes with "
        "blurred ones. It tries a module, sees whether the answer is right, and moves its prediction for that module: this is *Q-learning* "
        "with one step. Now and then it tries a module at random, since what is never tried is never learned."
    )
    toy_example()
    st.markdown(
        "The first chart has the reward that it expects of each module, its *Q-values*: the dear module runs where its line is higher. The "
        "second has the λ from which it runs, for every picture. The controller predicts accuracy and knows the costs, so one training "
        "serves **every λ**; the paper trains one network for each."
    )
    st.page_link("screens/train.py", label="Train a real network", icon=":material/model_training:")


def _gates() -> None:
    st.subheader("LC-Net: a gate for every block and every channel", divider="gray")
    told, shown = st.columns([0.4, 0.6], gap="large")
    told.markdown(
        "Here no controller picks one of several options. In front of each residual block stands a small *gate network*. It sees the "
        "block’s input and gives one score to the block (L-Net) and one to each channel inside it (C-Net)."
    )
    told.markdown(
        "A score at or below zero closes the gate, and what is behind it is not computed: of a skipped block only the shortcut remains. "
        "Above zero the gate opens, and the score scales the output."
    )
    with shown:
        gates_example()


def _budget() -> None:
    st.subheader("In LC-Net, λ sets a budget", divider="gray")
    told, shown = st.columns([0.4, 0.6], gap="large")
    told.markdown(
        "The gate networks are trained with the rest of the network. Its loss has two parts: being wrong, and the squared distance between "
        "the mean cost of a group of pictures and its *budget*."
    )
    told.markdown(
        "Gate networks are given λ, and each λ stands for a budget. Afterwards the budgets are *calibrated* on validation images, so that "
        "the cost rises evenly along the slider."
    )
    with shown:
        budget_example()


def _next() -> None:
    st.subheader("See it for yourself", divider="gray")
    with st.container(horizontal=True):
        st.page_link("screens/explore.py", label="Explore a network", icon=":material/travel_explore:")
        st.page_link("screens/train.py", label="Train one", icon=":material/model_training:")
        st.page_link("screens/sweep.py", label="Compare accuracy and cost", icon=":material/show_chart:")
        st.page_link("screens/glossary.py", label="Look up a term", icon=":material/menu_book:")
    st.caption(
        f"Papers: Liu and Deng, [Dynamic Deep Neural Networks]({D2NN_PAPER.url}), AAAI 2018. Xia, Yin, Dai and Jha, "
        f"[Fully Dynamic Inference with Deep Neural Networks]({LCNET.url}), IEEE TETC 2021. Where Gatescope differs from them, the "
        "documents on both methods say so."
    )


page()
