"""Where the Train page trains: on this computer, or on a Ray cluster if Ray is installed."""

import streamlit as st

from core.training.cluster import STARTED_HERE, Cluster, has_ray

THIS_COMPUTER, RAY_CLUSTER = "This computer", "A Ray cluster"  # what "Run on" offers


def run_on() -> Cluster | None:
    """Draw the choice of a place; return the cluster, or none for this computer."""
    if not has_ray():
        return None
    place = st.segmented_control(
        "Run on",
        [THIS_COMPUTER, RAY_CLUSTER],
        default=THIS_COMPUTER,
        required=True,
        key="form-run-on",
        persist_state="session",
        help="A cluster trains as many runs at the same time as it has room for, and gives those of a lost process to another.",
    )
    if place != RAY_CLUSTER:
        return None
    left, middle, right = st.columns([0.5, 0.25, 0.25])
    address = left.text_input(
        "Address of the cluster",
        STARTED_HERE,
        key="form-ray",
        persist_state="session",
        help="Such as head:6379. “local” starts a cluster on this computer, which ends with the training. Any other needs runs in "
        "PostgreSQL, and weights in a place that all machines see (docs/scaling.md).",
    )
    cpus = middle.number_input("Processors per run", 0.0, 1024.0, 1.0, key="form-ray-cpus", persist_state="session")
    gpus = right.number_input("GPUs per run", 0.0, 64.0, 0.0, key="form-ray-gpus", persist_state="session", help="A fraction shares one.")
    return Cluster(address.strip() or STARTED_HERE, cpus, gpus)
