"""What the pages share and keep: the store, loaded networks, sample images and what was computed for an image."""

import json
import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.store import Run, Store
from core.store.references import load_references

if TYPE_CHECKING:
    from core.explain.model import Model
    from core.explain.predict import LamSweep, Tensor

Held = tuple[tuple[str, bool], ...]
SAMPLES = 8  # stills to choose from
MODELS = 4  # networks kept in memory
SWEEPS = 64  # images whose views are kept in memory


def store() -> Store:
    """The store that the environment's GATESCOPE_DB names, or the project's own, with the runs that ship with the project in it."""
    return _store(os.environ.get("GATESCOPE_DB"))


@st.cache_resource(show_spinner="Opening the runs…")
def _store(url: str | None) -> Store:
    opened = Store(url)
    load_references(opened)
    return opened


def weights(run: Run) -> str | None:
    """Which weights a run has now; none before its first epoch is over."""
    latest = store().checkpoints.latest(run.id)
    return latest[0].sha256 if latest else None


def model(run: Run, sha256: str) -> "Model":
    """A run's network with these weights. Raises StoreError, ConfigError or CheckpointError, one line each."""
    return _model(store().url, run.id, sha256)


@st.cache_resource(max_entries=MODELS, show_spinner="Loading the network…")
def _model(url: str, run_id: int, sha256: str) -> "Model":
    from core.explain.model import load_model, use_one_thread

    use_one_thread()
    return load_model(store(), run_id)


def samples(dataset: Mapping[str, Any]) -> tuple[list[str], "Tensor"]:
    """The classes of a few test images, as different as can be, and the images, (N, C, H, W) uint8. Raises ConfigError or DataError."""
    return _samples(json.dumps(dataset, sort_keys=True))


@st.cache_resource(max_entries=MODELS, show_spinner="Fetching sample images…")
def _samples(dataset: str) -> tuple[list[str], "Tensor"]:
    from core.registry import choose

    stills, classes = choose("datasets", json.loads(dataset)).samples(SAMPLES)
    return [classes[label] for label in stills.labels.tolist()], stills.images


def telling(run: Run, sha256: str) -> int:
    """The first of the samples that takes the most different routes along λ."""
    return _telling(store().url, run.id, sha256, model(run, sha256), samples(run.config["dataset"])[1])


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _telling(url: str, run_id: int, sha256: str, _model: "Model", _images: "Tensor") -> int:
    from core.explain.predict import predict

    if not _model.graph.every_lam:
        return 0
    courses = zip(
        *([tuple(trace.executed) for trace in predict(_model, _images, lam=lam)] for lam in (0.1, 0.3, 0.5, 0.7, 0.9)), strict=True
    )
    changes = [len(set(course)) for course in courses]
    return changes.index(max(changes))


@st.cache_resource(show_spinner=False)
def photographs(image: tuple[int, int, int]) -> "tuple[list[str], Tensor]":
    """What each of some photographs shows, and the photographs (N, C, H, W) uint8."""
    from core.datasets.sources.photographs import photographs as read

    return read(image)


def swept(run: Run, sha256: str, image: "Tensor", held: Mapping[str, bool]) -> "LamSweep":
    """One image at every λ with some nodes held on or off, computed once for each network and image. Raises GraphError."""
    return _swept(store().url, run.id, sha256, image.numpy().tobytes(), tuple(sorted(held.items())), model(run, sha256), image)


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _swept(url: str, run_id: int, sha256: str, pixels: bytes, held: Held, _model: "Model", _image: "Tensor") -> "LamSweep":
    from core.explain.predict import sweep_lam

    return sweep_lam(_model, _image, dict(held))


def timed(run: Run, sha256: str, image: "Tensor", held: Mapping[str, bool]) -> tuple[list[float], float]:
    """Seconds of one image along each stretch of λ, and of the static network, measured once for each network and image."""
    sweep = swept(run, sha256, image, held)
    return _timed(store().url, run.id, sha256, image.numpy().tobytes(), tuple(sorted(held.items())), model(run, sha256), image, sweep)


@st.cache_resource(max_entries=SWEEPS, show_spinner=False)
def _timed(
    url: str, run_id: int, sha256: str, pixels: bytes, held: Held, _model: "Model", _image: "Tensor", _sweep: "LamSweep"
) -> tuple[list[float], float]:
    from core.fast.stopwatch import timed_along

    return timed_along(_model, _image, _sweep, dict(held))


def held(run: Run, gated: Collection[str]) -> dict[str, bool]:
    """The nodes of a run's network that a person holds on or off, to be changed in place; at first those `gated` that the address names."""
    key = f"held-{run.id}"
    if key not in st.session_state:
        asked = st.query_params.get("hold", "") if st.query_params.get("run") == run.name else ""
        named = (part.rpartition(":") for part in asked.split(",") if part)
        st.session_state[key] = {name: how == "on" for name, _, how in named if how in ("on", "off") and name in gated}
    kept: dict[str, bool] = st.session_state[key]
    return kept


def times_let_go(run: Run) -> int:
    """How often what is held was changed by something else than the node's own control."""
    return int(st.session_state.get(f"let-go-{run.id}", 0))


def hold_instead(run: Run, nodes: Mapping[str, bool]) -> None:
    """Holds these nodes of a run's network and lets go of all others."""
    kept: dict[str, bool] = st.session_state[f"held-{run.id}"]
    kept.clear()
    kept.update(nodes)
    st.session_state[f"let-go-{run.id}"] = times_let_go(run) + 1


def parameters(model: "Model") -> dict[str, int]:
    """How many parameters each node has."""
    return {name: sum(values.numel() for values in part.parameters()) for name, part in model.graph.parts.items()}
