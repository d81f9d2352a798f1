"""A budget on the λ sweep page: a cost per image, the best network and λ under it, in a sentence with a link."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.charts.averages import ImageSets, described, network_name
from app.wording import counted, plain
from core.evaluation.seeds import MeanRow, best_within

BUDGET = "budget"  # parameter of the address
BUDGET_STEPS = 100  # of the slider, from nothing to the highest cost


@dataclass(frozen=True)
class BestWithin:
    """The best networks under a budget that were tested on the same images; `title` names these where there are several sets."""

    title: str
    gated: MeanRow | None
    static: MeanRow | None


def choose_budget(rows: Sequence[MeanRow], highest: float, key: str) -> float:
    """Draw the slider of the budget, up to the highest multiply-adds per image; return its value, which the address keeps.

    It starts half-way between the lowest and the highest cost of the rows. When networks are added, it stays where it was.
    """
    lowest, most = (choose(row.macs for row in rows) for choose in (min, max))
    steps = budget_steps(highest)
    asked = st.session_state.get(key, st.query_params.get(BUDGET, ""))
    st.session_state[key] = step_at(steps, _number(asked, (lowest + most) / 2))
    budget: float = st.select_slider(
        "Budget: multiply-adds per image, on average",
        steps,
        format_func=counted,
        key=key,
        help="Move the line on the cost axis. The sentence below names the network that is most accurate on the validation images among "
        "those that cost no more, and its λ.",
    )
    st.query_params[BUDGET] = f"{budget:.0f}"
    return budget


def budget_steps(highest: float) -> list[float]:
    """Return the values of the slider up to the highest cost, each with three figures."""
    return sorted({float(f"{highest * step / BUDGET_STEPS:.3g}") for step in range(1, BUDGET_STEPS)} | {float(f"{highest * 1.005:.3g}")})


def step_at(steps: Sequence[float], budget: float) -> float:
    """Return the first step that is no lower than a budget, or the last one."""
    return next((step for step in steps if step >= budget), steps[-1])


def _number(text: str | float, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def best_of_each(gated: Sequence[MeanRow], statics: Sequence[MeanRow], budget: float, tested: ImageSets) -> list[BestWithin]:
    """Return the best networks under a budget, for each set of test images."""
    found = []
    for number, title in enumerate(tested.titles):
        own, others = ([row for row in rows if tested.index(row.runs[0]) == number] for rows in (gated, statics))
        found.append(BestWithin(title if len(tested.titles) > 1 else "", best_within(own, budget), best_within(others, budget)))
    return found


def best_sentence(best: BestWithin, budget: float, shown: Callable[[str], str]) -> str:
    """Return the best network under a budget in a sentence of Markdown. `shown` escapes names."""
    where = f" on {shown(best.title)}" if best.title else ""
    if best.gated is None:
        start = f"No gated network{where} costs at most {counted(budget)} multiply-adds per image on average: raise the budget."
    else:
        start = (
            f"Under {counted(budget)} multiply-adds per image, the best network with gates{where} is "
            f"**{shown(network_name(best.gated))}** at **{described(best.gated)}**."
        )
    if best.static is None:
        return start
    return f"{start} The best static network, {shown(network_name(best.static))}, reaches {described(best.static)}."


def open_in_explore(name: str, lam: float | None) -> None:
    """Link to a network in Explore at a λ."""
    at = "" if lam is None else f" at λ = {lam:g}"
    address = {"run": name} | ({} if lam is None else {"lam": f"{lam:g}"})
    st.page_link("screens/explore.py", label=f"Open {plain(name)}{at} in Explore", icon=":material/travel_explore:", query_params=address)
