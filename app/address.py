"""The address of Explore: it names what is shown, so that reloading the page or following a link shows the same."""

from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from core.graph.node import Node

FORCE = "force"  # parameter with the forced nodes, as "N3:off,N5:on"
FORMER_FORCE = "hold"  # name of that parameter in older links


def start_lam() -> float | None:
    """Return the λ in the address, or none where there is no number from 0 to 1."""
    try:
        lam = float(st.query_params.get("lam", "nan"))
    except ValueError:
        return None
    return lam if 0 <= lam <= 1 else None


def selected_node(nodes: Sequence[Node]) -> str | None:
    """Return the node in the address, or none where the network has no such node."""
    name = st.query_params.get("node")
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


def show(view: Mapping[str, str], drawn: bool) -> None:
    """Write a view into the address. λ stays as the component set it; the selected node stays until a graph is `drawn`."""
    kept = {} if start_lam() is None else {"lam": st.query_params["lam"]}
    if not drawn and "node" in st.query_params:
        kept["node"] = st.query_params["node"]
    if st.query_params.to_dict() != {**view, **kept}:
        st.query_params.from_dict({**view, **kept})
