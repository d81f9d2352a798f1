"""The address of Explore: it names what is shown. Reloading the page, a link, and the browser's back and forward show what it names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.computing import DRAWN_AGAIN
from core.graph.node import Node

FORCE = "force"  # parameter with the forced nodes, as "N3:off,N5:on"
FORMER_FORCE = "hold"  # name of that parameter in older links
LAM, NODE = "lam", "node"  # parameters that the browser and the graph's state decide
HISTORY = "address"  # key of the session


@dataclass
class History:
    """The addresses that the browser may still send: the one it sent last, and those written since. And how often one was arrived at."""

    written: list[dict[str, str]] = field(default_factory=list)
    visits: int = 0


def arrived() -> bool:
    """Return whether the address is not the one that was written last: by a link, or by the browser's back and forward.

    To be asked once as the page begins. An address that names no run is no place to arrive at. A browser that has not yet received the
    address written last sends an earlier one: then the last one takes its place.
    """
    history = _history()
    asked = _without_lam(st.query_params.to_dict())
    of_server = st.session_state.pop(DRAWN_AGAIN, False)
    if not history.written:  # the first page shows what the address names in any case
        history.written = [asked]
        return False
    if "run" not in asked or asked == history.written[-1]:
        if not of_server:
            _received(asked)
        return False
    if asked in history.written and not _walked():
        _received(asked)
        _write(history.written[-1])
        return False
    history.visits += 1
    history.written = [*history.written, asked] if _walked() else [asked]  # others may still be on their way to the browser
    return True


def redrawn() -> None:
    """Note which address the browser has, as a part of the page is drawn again on its own."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run and not st.session_state.pop(DRAWN_AGAIN, False):
        _received(_without_lam(st.query_params.to_dict()))


def left() -> None:
    """Note that another page is drawn: each address that comes from there is a link that was followed."""
    history = _history()
    history.written = history.written[-1:]


def _received(sent: Mapping[str, str]) -> None:
    """Forget the addresses before one that the browser has sent: it sends them in the order in which it received them."""
    history = _history()
    if sent in history.written:
        history.written = history.written[history.written.index(dict(sent)) :]


def _walked() -> bool:
    """Return whether the browser's back or forward has led here."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def visits() -> int:
    """Return how often an address has been arrived at in this session."""
    return _history().visits


def _history() -> History:
    history: History = st.session_state.setdefault(HISTORY, History())
    return history


def _without_lam(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name != LAM}


def whole(text: str, bound: int) -> int | None:
    """Return the whole number from 0 to below a bound that a text is, or none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(bound)) and int(text) < bound else None


def start_lam() -> float | None:
    """Return the λ in the address, or none where there is no number from 0 to 1."""
    try:
        lam = float(st.query_params.get(LAM, "nan"))
    except ValueError:
        return None
    return lam if 0 <= lam <= 1 else None


def selected_node(nodes: Sequence[Node]) -> str | None:
    """Return the node in the address, or none where the network has no such node."""
    name = st.query_params.get(NODE)
    return name if any(node.name == name for node in nodes) else None


def forced_nodes(run: str, gated: Collection[str]) -> dict[str, bool]:
    """Return which of the gated nodes the address forces on (True) or off, where it is of this run."""
    if st.query_params.get("run") != run:
        return {}
    text = st.query_params.get(FORCE) or st.query_params.get(FORMER_FORCE, "")
    parts = (part.rpartition(":") for part in text.split(",") if part)
    return {name: state == "on" for name, _, state in parts if state in ("on", "off") and name in gated}


def query(run: str, image: Mapping[str, str] | None, forced: Mapping[str, bool]) -> dict[str, str] | None:
    """Return the parameters that reopen a view, except λ and the selected node; none for a private picture."""
    if image is None:
        return None
    force = {FORCE: ",".join(f"{name}:{'on' if runs else 'off'}" for name, runs in forced.items())} if forced else {}
    return {"run": run, **image, **force}


def show(view: Mapping[str, str], selected: str | None = None) -> None:
    """Write a view and its selected node into the address. λ stays as the browser set it."""
    wanted = {**view, **({} if selected is None else {NODE: selected})}
    history = _history()
    if [wanted] != history.written[-1:]:
        history.written.append(wanted)
    _write(wanted)


def _write(parameters: Mapping[str, str]) -> None:
    lam = {} if start_lam() is None else {LAM: st.query_params[LAM]}
    if st.query_params.to_dict() != {**parameters, **lam}:
        st.query_params.from_dict({**parameters, **lam})
