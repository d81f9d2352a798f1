"""What the pages share and keep: the store, loaded networks, sample images and what was computed for an image."""

import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from app import address
from app.graph_view.view import Times
from core.datasets import Dataset
from core.registry import choose
from core.store import Run, Store
from core.store.references import load_references

if TYPE_CHECKING:
    from core.datasets.sources.photographs import StandIn
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep

ForcedNodes = tuple[tuple[str, bool], ...]
SAMPLES = 8  # sample images to choose from
MODELS = 4  # networks kept in memory
SWEEPS = 64  # images whose sweeps are kept in memory
COMPARED_LAMS = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which the routes of samples are compared


def store() -> Store:
    """Return the store that GATESCOPE_DB names, or else the project's own, with the reference runs in it."""
    return _store(os.environ.get("GATESCOPE_DB"))


@st.cache_resource(show_spinner="Opening the runs…")
def _store(url: str | None) -> Store:
    opened = Store(url)
    load_references(opened)
    return opened


def weights(run: Run) -> str | None:
    """Return the hash of a run's latest weights; none before its first epoch is over."""
    latest = store().checkpoints.latest(run.id)
    return latest[0].sha256 if latest else None


def model(run: Run, sha256: str) -> "Model":
    """Return a run's network with these weights. Raises UserError."""
    return _model(store().url, run.id, sha256)


@st.cache_resource(max_entries=MODELS, show_spinner="Loading the network…")
def _model(url: str, run_id: int, sha256: str) -> "Model":
    from core.explain.model import load_model, use_one_thread

    use_one_thread()
    return load_model(store(), run_id)


def samples(dataset: Mapping[str, Any]) -> tuple[list[str], "ImageTensor"]:
    """Return the classes of a few test images from as many classes as possible, and the images (N, C, H, W). Raises UserError."""
    return _samples(json.dumps(dataset, sort_keys=True))


@st.cache_resource(max_entries=MODELS, show_spinner="Fetching sample images…")
def _samples(dataset: str) -> tuple[list[str], "ImageTensor"]:
    found, classes = cast(Dataset, choose("datasets", json.loads(dataset))).samples(SAMPLES)
    return [classes[label] for label in found.labels.tolist()], found.images


def most_varied(run: Run, sha256: str, images: "ImageTensor") -> int:
    """Return the first of some samples (N, C, H, W) that takes the most different routes along λ."""
    return _most_varied(store().url, run.id, sha256, images.numpy().tobytes(), model(run, sha256), images)


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _most_varied(url: str, run_id: int, sha256: str, pixels: bytes, _model: "Model", _images: "ImageTensor") -> int:
    from core.explain.predict import predict

    if not _model.graph.tradeoff.every_lam:
        return 0
    routes = [[tuple(trace.executed) for trace in predict(_model, _images, lam=lam)] for lam in COMPARED_LAMS]
    different = [len(set(along)) for along in zip(*routes, strict=True)]
    return different.index(max(different))


@st.cache_resource(max_entries=MODELS, show_spinner=False)
def stand_ins(image: tuple[int, int, int], classes: tuple[str, ...]) -> "tuple[list[StandIn], ImageTensor]":
    """Return pictures that stand in for a dataset with these classes, and their images (N, C, H, W)."""
    from core.datasets.sources.photographs import stand_ins as read

    return read(image, classes)


def sweep(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> "LamSweep":
    """Return one image (C, H, W) at every λ with some nodes forced on (True) or off. Raises UserError."""
    return _sweep(store().url, run.id, sha256, image.numpy().tobytes(), tuple(sorted(forced.items())), model(run, sha256), image)


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _sweep(url: str, run_id: int, sha256: str, pixels: bytes, forced: ForcedNodes, _model: "Model", _image: "ImageTensor") -> "LamSweep":
    from core.explain.predict import sweep_lam

    return sweep_lam(_model, _image, dict(forced))


def times(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> Times:
    """Return how long an image (C, H, W) takes at each λ; measured once for each network, image and choice of forced nodes."""
    along = sweep(run, sha256, image, forced)
    return _times(store().url, run.id, sha256, image.numpy().tobytes(), tuple(sorted(forced.items())), model(run, sha256), image, along)


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _times(
    url: str, run_id: int, sha256: str, pixels: bytes, forced: ForcedNodes, _model: "Model", _image: "ImageTensor", _sweep: "LamSweep"
) -> Times:
    from core.fast.stopwatch import timed_along

    return Times(*timed_along(_model, _image, _sweep, dict(forced)))


def forced(run: Run, gated: Collection[str]) -> dict[str, bool]:
    """Return the nodes of a run that a person forces on (True) or off, to be changed in place; at first those in the address."""
    nodes: dict[str, bool] = st.session_state.setdefault(f"forced-{run.id}", address.forced_nodes(run.name, gated))
    return nodes


def force_only(run: Run, nodes: Mapping[str, bool]) -> None:
    """Force these nodes of a run, and no others."""
    kept: dict[str, bool] = st.session_state[f"forced-{run.id}"]
    kept.clear()
    kept.update(nodes)


def parameters(model: "Model") -> dict[str, int]:
    """Return the number of parameters of each node."""
    return {name: sum(values.numel() for values in part.parameters()) for name, part in model.graph.parts.items()}
