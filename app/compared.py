"""The networks beside the one that Explore shows: pinned views, and runs that see the same picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import address, state
from app.computing import Computation
from app.graph_view.folding import costs, fold
from app.graph_view.payload import ComparedView
from app.graph_view.view import Subject, seen
from app.images import ShownImage
from app.rendering import data_url, to_picture
from app.wording import plain
from core.errors import UserError
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import Model

MAX_COMPARED = 3  # networks beside the one that is explored
MAX_RUN = 1 << 31  # numbers of runs are smaller
KEY = "compared"  # of the session
WITH = "with"  # parameter of the address: numbers of the runs that see the same picture


@dataclass(frozen=True)
class Compared:
    """A run beside the one that is explored. `image` is none where it sees the same picture, `held` none where it follows the slider."""

    id: int
    run_id: int
    image: ShownImage | None = None
    held: int | None = None
    forced: Mapping[str, bool] = field(default_factory=dict)


def compared() -> list[Compared]:
    """Return what stands beside the network that is explored, to be changed in place."""
    found: list[Compared] = st.session_state.setdefault(KEY, [])
    return found


def follow_address() -> None:
    """Compare with the runs in the address. Pinned views stay."""
    numbers = [address.whole(text, MAX_RUN) for text in st.query_params.get(WITH, "").split(",")]
    asked = [number for number in numbers if number is not None]
    beside = [one for one in compared() if one.image is not None or one.run_id in asked]
    known = {one.run_id for one in beside if one.image is None}
    st.session_state[KEY] = beside
    for number in dict.fromkeys(asked):
        if number not in known:
            add(number)


def in_address() -> dict[str, str]:
    """Return the part of the address that names the runs that see the same picture."""
    beside = [str(one.run_id) for one in compared() if one.image is None]
    return {WITH: ",".join(beside)} if beside else {}


def add(run_id: int, image: ShownImage | None = None, held: int | None = None, forced: Mapping[str, bool] | None = None) -> bool:
    """Compare with one more; return whether there was room."""
    beside = compared()
    if len(beside) >= MAX_COMPARED:
        return False
    beside.append(Compared(max((one.id for one in beside), default=0) + 1, run_id, image, held, dict(forced or {})))
    return True


def change(run: Run, chosen: ShownImage, forced: Mapping[str, bool], wanted: Mapping[str, Any]) -> None:
    """Do what a person did in the graph: pin this view at a step of the slider, hold one beside it or let it follow, or remove it."""
    beside = compared()
    if "pin" in wanted:
        if not add(run.id, chosen, int(wanted["pin"]), forced):
            st.toast(f"{MAX_COMPARED} views are pinned. Remove one of them first.", icon=":material/keep:")
        return
    at = next((index for index, one in enumerate(beside) if one.id == wanted.get("id")), None)
    if at is None:
        return
    if wanted.get("remove"):
        del beside[at]
    else:
        held = wanted.get("held")
        beside[at] = replace(beside[at], held=None if held is None else int(held))


def views(chosen: ShownImage, step: int, expanded: Sequence[str]) -> tuple[list[ComparedView], "list[Waiting]"]:
    """Return the networks beside the one that is explored, and those of which not every λ is known yet."""
    found, waiting = [], []
    for one in list(compared()):
        try:
            run = state.store().runs.get(one.run_id)
            sha256, model = state.network(run)
            image = _fitted(one.image or chosen, model)
            sweep = state.sweep(run, sha256, image.image, one.forced, step if one.held is None else one.held)
        except UserError as error:
            compared().remove(one)
            st.toast(f"A run is not compared: {plain(error)}", icon=":material/error:")
            continue
        if (pending := state.unfinished(run, sha256, image.image, one.forced, timed=False)) is not None:
            waiting.append(Waiting(pending, run, sha256, image, one.forced))
        shown = fold(model.graph.nodes, tuple(expanded))
        subject = Subject(run.name, image.description, data_url(image.image), image.label)
        lam, every = model.lam, model.graph.tradeoff.every_lam
        parts = seen(model.graph.nodes, shown, costs(shown, model.graph.macs), sweep, None, lam, every, subject, one.forced, one.held)
        found.append(ComparedView(id=one.id, **parts))
    return found, waiting


@dataclass(frozen=True)
class Waiting:
    """A network of which not every λ is known yet; `pending` names what is."""

    pending: str
    run: Run
    sha256: str
    image: ShownImage
    forced: Mapping[str, bool]

    def next_stage(self) -> Computation[None]:
        """Let the next values of λ be computed."""
        return state.next_stage(self.run, self.sha256, self.image.image, self.forced)


def _fitted(chosen: ShownImage, model: "Model") -> ShownImage:
    """Return the image as another network's input. Its class is known only where that network has it."""
    from core.datasets.sources.picture import to_tensor

    label = chosen.label if chosen.label in model.classes else None
    image = chosen.image if tuple(chosen.image.shape) == model.image else to_tensor(to_picture(chosen.image), model.image)
    return replace(chosen, image=image, label=label)
