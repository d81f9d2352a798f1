"""What the pages share and keep: the store, loaded networks, sample images and what was computed for an image."""

import hashlib
import json
import os
import time
from collections.abc import Collection, Generator, Mapping
from typing import TYPE_CHECKING, cast

import streamlit as st

from app import address
from app.cache import SizedCache
from app.computing import PATIENCE_SLICE, QUEUE, SWEEP, TIMES, TIMING, Computation, computed
from app.graph_view.view import Times
from core.datasets import Dataset
from core.errors import UserError
from core.registry import choose
from core.scale import SLIDER_STEPS
from core.store import Run, Store
from core.store.database import LostDatabaseError
from core.store.references import load_references
from core.store.runs import no_weights

if TYPE_CHECKING:
    from core.datasets.sources.photographs import StandIn
    from core.explain.gradual import GradualSweep
    from core.explain.model import ImageTensor, Model
    from core.explain.predict import LamSweep

SAMPLES = 8  # sample images among which the first to be shown is chosen
SAMPLE_SETS = 4  # datasets whose samples are kept in memory
VARIED_RUNS = 64  # runs whose most varied sample is kept in memory
MODEL_BYTES = 320 << 20  # of all networks kept in memory, those compiled for timing included
COMPILED = 12  # size of a network with its fastest form, as a multiple of its weights
SWEEP_BYTES = 64 << 20  # of all sweeps kept in memory
STAGE_SECONDS = 1.0  # of computing, for which a page waits before it is drawn again with the values of λ that are known
TIMED_IMAGES = 256  # images whose times are kept in memory
VARIED_MACS = 2e10  # multiply-adds of samples above which the first one is shown, and not the most varied
COMPARED_LAMS = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which the routes of samples are compared

_models: "SizedCache[Model]" = SizedCache(MODEL_BYTES, lambda model: _weight(model))
_sweeps: "SizedCache[GradualSweep]" = SizedCache(SWEEP_BYTES, lambda gradual: gradual.size)
_times: SizedCache[Times] = SizedCache(TIMED_IMAGES, lambda times: 1)


def store() -> Store:
    """Return the store that GATESCOPE_DB names, or else the project's own, with the reference runs in it."""
    url = os.environ.get("GATESCOPE_DB")
    opened = _store(url)
    try:
        opened.database.check()
    except LostDatabaseError:  # open the one that is there now
        _store.clear()
        opened.close()
        opened = _store(url)
    return opened


@st.cache_resource(show_spinner="Opening the runs…")
def _store(url: str | None) -> Store:
    opened = Store(url)
    load_references(opened)
    return opened


def weights(run: Run) -> str | None:
    """Return the hash of a run's latest weights; none before its first epoch is over."""
    latest = store().checkpoints.latest(run.id)
    return latest[0].sha256 if latest else None


def network(run: Run) -> tuple[str, "Model"]:
    """Return the hash of a run's latest weights and its network with them. Raises UserError, also where it has no weights yet."""
    sha256 = weights(run)
    if sha256 is None:
        raise no_weights(run)
    return sha256, model(run, sha256)


def model(run: Run, sha256: str) -> "Model":
    """Return a run's network with these weights. Raises UserError."""
    key = (store().url, run.id, sha256)
    known = _models.find(key)
    if known is not None:
        return known
    with st.spinner("Loading the network…"):
        return _models.get(key, lambda: _loaded(run.id))


def _loaded(run_id: int) -> "Model":
    from core.explain.model import load_model, use_one_thread

    use_one_thread()
    return load_model(store(), run_id)


def _weight(model: "Model") -> int:
    """Return about how many bytes a network takes, with its fastest form where that is kept."""
    from core.fast.stopwatch import heavy

    size = sum(one.numel() * one.element_size() for one in model.graph.parameters())
    return size if heavy(model.graph) else COMPILED * size


def samples(run: Run, count: int) -> tuple[list[str], "ImageTensor"]:
    """Return the classes of at most `count` of a run's test images, class by class in turn, and the images (N, C, H, W).

    Raises UserError, also where an imported file chose what would be read.
    """
    refuse_foreign_files(run)
    return _samples(json.dumps(run.config["dataset"], sort_keys=True), count)


def refuse_foreign_files(run: Run) -> None:
    """Raise UserError for a run whose images are where an imported file says that they are."""
    if run.imported and cast(Dataset, choose("datasets", run.config["dataset"])).own_files:
        raise UserError(
            "the run was imported, and what its file says about folders on this computer is not followed. To read your pictures, "
            "upload one, or name their folder in `python -m core evaluate`"
        )


@st.cache_resource(max_entries=SAMPLE_SETS, show_spinner="Fetching sample images…")
def _samples(dataset: str, count: int) -> tuple[list[str], "ImageTensor"]:
    found, classes = cast(Dataset, choose("datasets", json.loads(dataset))).samples(count)
    return [classes[label] for label in found.labels.tolist()], found.images


def most_varied(run: Run, sha256: str, images: "ImageTensor") -> int:
    """Return the first of some samples (N, C, H, W) that takes the most different routes along λ."""
    return _most_varied(store().url, run.id, sha256, images.numpy().tobytes(), model(run, sha256), images)


@st.cache_resource(max_entries=VARIED_RUNS, show_spinner=False)
def _most_varied(url: str, run_id: int, sha256: str, pixels: bytes, _model: "Model", _images: "ImageTensor") -> int:
    from core.explain.predict import predict

    graph = _model.graph
    if not graph.tradeoff.every_lam or len(_images) * len(COMPARED_LAMS) * sum(graph.macs.values()) > VARIED_MACS:
        return 0
    routes = computed(lambda: [[tuple(trace.executed) for trace in predict(_model, _images, lam=lam)] for lam in COMPARED_LAMS])
    different = [len(set(along)) for along in zip(*routes, strict=True)]
    return different.index(max(different))


@st.cache_resource(max_entries=SAMPLE_SETS, show_spinner=False)
def stand_ins(image: tuple[int, int, int], classes: tuple[str, ...]) -> "tuple[list[StandIn], ImageTensor]":
    """Return pictures that stand in for a dataset with these classes, and their images (N, C, H, W)."""
    from core.datasets.sources.photographs import stand_ins as read

    return read(image, classes)


def sweep(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool], step: int = (SLIDER_STEPS - 1) // 2) -> "LamSweep":
    """Return one image (C, H, W) along λ with some nodes forced on (True) or off. Raises UserError.

    For a network that takes long, it is what is known so far (`computed`), this step of the slider included.
    """
    gradual = _gradual(run, sha256, image, forced)
    found = gradual.sweep
    if found is None or (found.computed is not None and step not in found.computed):
        found = computed(lambda: gradual.answer(step))
        _sweeps.shrink()
    return found


def unfinished(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool], *, timed: bool = True) -> str | None:
    """Return a name for what is known so far of an image (C, H, W) along λ and, if it is `timed`, of its times; none once all is known."""
    sweeps = [_gradual(run, sha256, image, nodes) for nodes in (forced, {})]
    if all(one.complete for one in sweeps) and not (timed and times(run, sha256, image, forced) is None):
        return None
    known = (_key(run, sha256, image, forced), *((one.complete, sorted(one.steps)) for one in sweeps))
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def next_stage(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> Computation[None]:
    """Let the next values of λ of an image (C, H, W) be computed, or, once all are known, its times; return that computation.

    What takes at most STAGE_SECONDS is computed to its end, so that a page is not drawn again for every few values of λ.
    """
    sweeps = [one for nodes in (forced, {}) if not (one := _gradual(run, sha256, image, nodes)).complete]
    if not sweeps:
        return TIMING.add(_measurement(run, sha256, image, forced))

    def steps() -> Generator[None, None, None]:
        for one in sweeps:
            yield from one.refine()
            while not one.complete and one.seconds_left <= STAGE_SECONDS:
                yield from one.refine()
        _sweeps.shrink()

    return QUEUE.add(Computation(steps, SWEEP))


def _gradual(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> "GradualSweep":
    from core.explain.gradual import GradualSweep

    key = _key(run, sha256, image, forced)
    return _sweeps.get(key, lambda: GradualSweep(model(run, sha256), image, dict(forced)))


def times(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> Times | None:
    """Return how long an image (C, H, W) takes at each λ; none until it has been measured."""
    return _times.find(_key(run, sha256, image, forced))


def _measurement(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> Computation[None]:
    """Return the measurement of how long an image (C, H, W) takes at each λ, which must all be known."""
    from core.fast.stopwatch import time_along

    key, network, along = _key(run, sha256, image, forced), model(run, sha256), sweep(run, sha256, image, forced)

    def steps() -> Generator[None, None, None]:
        taken = time_along(network, image, along, dict(forced))
        while True:
            try:
                next(taken)
            except StopIteration as end:
                found = Times(*end.value)
                break
            yield
            while QUEUE.busy:  # answers come first
                time.sleep(PATIENCE_SLICE)
                yield
        _times.get(key, lambda: found)

    return Computation(steps, TIMES)


def _key(run: Run, sha256: str, image: "ImageTensor", forced: Mapping[str, bool]) -> tuple[object, ...]:
    """Return all that an image's sweep depends on."""
    pixels = hashlib.sha256(image.numpy().tobytes()).hexdigest()
    return store().url, run.id, sha256, tuple(image.shape), pixels, tuple(sorted(forced.items()))


def forced(run: Run, gated: Collection[str]) -> dict[str, bool]:
    """Return the nodes of a run that a person forces on (True) or off, to be changed in place; at first those in the address."""
    nodes: dict[str, bool] = st.session_state.setdefault(f"forced-{run.id}", address.forced_nodes(run.name, gated))
    return nodes


def forget_forced(run: Run) -> None:
    """Let the address say again which nodes of a run are forced."""
    st.session_state.pop(f"forced-{run.id}", None)


def force_only(run: Run, nodes: Mapping[str, bool]) -> None:
    """Force these nodes of a run, and no others."""
    kept: dict[str, bool] = st.session_state[f"forced-{run.id}"]
    kept.clear()
    kept.update(nodes)


def parameters(model: "Model") -> dict[str, int]:
    """Return the number of parameters of each node."""
    return {name: sum(values.numel() for values in part.parameters()) for name, part in model.graph.parts.items()}
