"""Weights from elsewhere: a file by upload, kept beside the database, that a training begins with."""

import hashlib
from pathlib import Path

import streamlit as st

from app import gallery, state
from app.form_state import key, prefill
from app.wording import plain
from core.config import run_config
from core.errors import UserError
from core.store.exchange import is_exported
from core.store.folder import write_all
from core.store.weights import file_errors

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")  # of files that hold weights
ONNX_SUFFIX = ".onnx"
INIT_FROM = key("training", "init_from")
UPLOAD, REFUSED = "own-weights", "own-weights-refused"  # keys of the session
MAX_WEIGHTS_MEGABYTES = 1000  # of an upload
KEPT_LETTERS = 60  # of a file's name
CIFAR_CLASSES = 10


def own_weights() -> None:
    """Draw the upload of weights that the training of the form is to begin with."""
    st.file_uploader(
        "Upload weights to begin with: an exported run, or .safetensors or .pth from elsewhere",
        [suffix.removeprefix(".") for suffix in (*WEIGHT_SUFFIXES, ONNX_SUFFIX)],
        max_upload_size=MAX_WEIGHTS_MEGABYTES,
        key=UPLOAD,
        on_change=_arrived,
    )
    if refused := st.session_state.get(REFUSED):
        st.error(plain(refused), icon=":material/error:")


def only_weights(name: str, content: bytes) -> bool:
    """Return whether an uploaded file is not a run but the weights or the program of a network."""
    suffix = Path(name).suffix.lower()
    return suffix == ONNX_SUFFIX or (suffix in WEIGHT_SUFFIXES and not is_exported(content))


def begin_with(name: str, content: bytes) -> None:
    """Fill the Train form so that its training begins with these weights: with their own architecture, where they tell it.

    Raises UserError, in one sentence, for a file that no training can begin with.
    """
    from core.graph.weight_file import read_tensors
    from core.registry import ConfigError
    from core.training.members import recognise

    kept = keep_weights(name, content)
    try:
        architecture, classes = recognise(read_tensors(content).tensors)
    except ConfigError:
        gallery.begin()  # the form stays as it is
        st.session_state[INIT_FROM] = str(kept)
        return
    method = "lcnet" if architecture.decides == "each" else "static"
    dataset = "cifar10" if classes == CIFAR_CLASSES else "folder"
    prefill(run_config(architecture=architecture, dataset=dataset, method=method, training={"init_from": str(kept)}))


def keep_weights(name: str, content: bytes) -> Path:
    """Write weights beside those of the runs, unless they are there, and return the file. Raises UserError, in one sentence."""
    from core.graph.weight_file import check_all_finite, read_tensors

    shown, folder = Path(name.replace("\\", "/")), state.store().weights.folder / "initial"
    if shown.suffix.lower() == ONNX_SUFFIX:
        raise UserError(
            f"{shown.name} holds a finished program, which cannot be trained further: on Runs, select a static network, choose "
            "“Make a cascade” and add the file there"
        )
    try:
        check_all_finite(read_tensors(content).tensors)
    except UserError as error:
        raise UserError(f"{shown.name}: {error}") from None
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in shown.stem)[:KEPT_LETTERS]
    file = folder / f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{shown.suffix.lower()}"
    if not file.is_file():
        with file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_all({file: content})
    return file


def _arrived() -> None:
    """Keep the uploaded weights and name their file in the form."""
    given, st.session_state[REFUSED] = st.session_state.get(UPLOAD), ""
    if given is None:
        return
    try:
        st.session_state[INIT_FROM] = str(keep_weights(given.name, given.getvalue()))
    except UserError as error:
        st.session_state[REFUSED] = str(error)
