"""The address of Explore: what it asks for, and that it holds what is seen, so that reloading the page shows the same."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.graph.node import Node


def asked_lam() -> float | None:
    """The λ that the address asks for, if it names one from 0 to 1."""
    try:
        asked = float(st.query_params.get("lam", "nan"))
    except ValueError:
        return None
    return asked if 0 <= asked <= 1 else None


def asked_node(nodes: Sequence[Node]) -> str | None:
    """The node that the address asks for, if there is one of this name."""
    asked = st.query_params.get("node")
    return asked if any(node.name == asked for node in nodes) else None


def query(run: str, image: Mapping[str, str] | None, held: Mapping[str, bool]) -> dict[str, str] | None:
    """What reopens a view, but for λ and the node that is looked at; none for a picture that is private."""
    if image is None:
        return None
    holds = {"hold": ",".join(f"{name}:{'on' if runs else 'off'}" for name, runs in held.items())} if held else {}
    return {"run": run, **image, **holds}


def show(view: Mapping[str, str], drawn: bool) -> None:
    """Makes the address that of a view. λ stays as the graph sets it, and the node to look at until a graph is drawn that knows of it."""
    kept = {} if asked_lam() is None else {"lam": st.query_params["lam"]}
    if not drawn and "node" in st.query_params:
        kept["node"] = st.query_params["node"]
    if st.query_params.to_dict() != {**view, **kept}:
        st.query_params.from_dict({**view, **kept})
