"""Networks in files that join a cascade in the browser: published weights, exported runs and ONNX classifiers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import streamlit as st

from app.own_weights import MAX_WEIGHTS_MEGABYTES, ONNX_SUFFIX, WEIGHT_SUFFIXES
from core.datasets import Dataset
from core.errors import UserError

if TYPE_CHECKING:
    from core.modules.onnx_network import Output
    from core.training.members import Given

MEMBER_FILES = 4  # members whose weights are kept in memory
LARGEST_SIDE = 4096  # pixels of an image that a member takes
OUTPUTS: dict[str, "Output | None"] = {
    "recognised": None,
    "logits": "logits",
    "log-probabilities": "log-probabilities",
    "probabilities": "probabilities",
}


@dataclass(frozen=True)
class MemberFile:
    """An uploaded network, and what its file may leave open. `side` in pixels, none for the dataset's; `low`, `high`: of ONNX inputs."""

    name: str
    content: bytes
    side: int | None
    low: float
    high: float
    output: str


def member_files() -> Sequence[MemberFile]:
    """Draw the upload of networks, and what their files may leave open; return them."""
    files = st.file_uploader(
        "Add networks from files: published weights, exported runs or ONNX classifiers",
        [suffix.removeprefix(".") for suffix in (*WEIGHT_SUFFIXES, ONNX_SUFFIX)],
        accept_multiple_files=True,
        max_upload_size=MAX_WEIGHTS_MEGABYTES,
        key="cascade-files",
    )
    if not files:
        return ()
    side, low, high, output = st.columns(4)
    size = side.number_input("Image size (pixels)", 1, LARGEST_SIDE, None, key="cascade-side", placeholder="the dataset’s")
    named = [file.name.lower().endswith(ONNX_SUFFIX) for file in files]
    if not any(named):
        return [MemberFile(file.name, file.getvalue(), size, 0.0, 1.0, "recognised") for file in files]
    black = low.number_input("Value of black (ONNX)", value=0.0, key="cascade-low", format="%g")
    white = high.number_input("Value of white (ONNX)", value=1.0, key="cascade-high", format="%g")
    scores = output.selectbox("Scores (ONNX)", list(OUTPUTS), key="cascade-output")
    return [MemberFile(file.name, file.getvalue(), size, black, white, scores) for file in files]


def uploaded_member(upload: MemberFile, dataset: Dataset) -> "Given":
    """Return an uploaded network as a member for these images. Raises UserError, in one sentence, where it cannot be one."""
    name = Path(upload.name.replace("\\", "/")).name
    known = (name, hashlib.sha256(upload.content).hexdigest(), upload.side, upload.low, upload.high, upload.output)
    found: Given = _read(known, dataset.model_dump_json(), upload, dataset)
    return found


@st.cache_resource(max_entries=MEMBER_FILES, show_spinner="Reading the networks…")
def _read(known: tuple[object, ...], images: str, _upload: MemberFile, _dataset: Dataset) -> "Given":
    from core.training.members import read_member

    name = str(known[0])
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        try:
            file.write_bytes(_upload.content)
            return read_member(file, _dataset, size=_upload.side, low=_upload.low, high=_upload.high, output=OUTPUTS[_upload.output])
        except (UserError, OSError) as error:
            words = str(error).replace(str(file), name).replace("set --size", "set “Image size (pixels)”")
            raise UserError(words) from None
