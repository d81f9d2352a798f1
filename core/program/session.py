"""Runs a program: one image at a time, at any λ that its network serves."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from core.datasets import Split
from core.errors import UserError
from core.files import read_regular
from core.modules.onnx_check import OnnxError, check_program
from core.modules.onnx_memory import bounded_options
from core.program.decisions import LAM_INPUT
from core.program.file import GATES, IMAGE, LOGITS, MACS, RAN
from core.scale import cost_share

Pixels = NDArray[np.uint8]  # (C, H, W)


class ProgramError(UserError):
    """Raised for a file that is not a program written by `export`. The text says what to do."""


@dataclass(frozen=True)
class Outcome:
    """What a program returns for one image.

    logits  (classes,)
    macs    the multiply-adds spent
    ran     (nodes,), whether each node ran
    gates   (gates,)
    """

    logits: NDArray[np.float32]
    macs: float
    ran: NDArray[np.bool_]
    gates: NDArray[np.float32]


class Program:
    """A program that ONNX Runtime has loaded.

    classes      the names of the classes
    image        (C, H, W)
    nodes        the nodes of the network, in order
    every_lam    whether it serves every λ, which must then be given
    macs         the multiply-adds of each node
    macs_static  those of the static network
    """

    def __init__(self, content: bytes, options: Any = None) -> None:
        """`options`: ONNX Runtime's. Raises ProgramError."""
        options = options or bounded_options(1)
        try:
            check_program(content, branches=True)
        except OnnxError as error:
            raise ProgramError(str(error)) from None
        try:
            self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises classes of its own that share no base
            raise ProgramError(f"ONNX Runtime cannot load it: {' '.join(str(error).split())[:200]}") from None
        said = self.session.get_modelmeta().custom_metadata_map
        if [one.name for one in self.session.get_outputs()] != [LOGITS, MACS, RAN, GATES] or "nodes" not in said:
            raise ProgramError("it was not written by `python -m core export RUN FILE.onnx`: export the run again")
        try:
            self.run_name, self.weights, self.input = said["run"], said["weights"], said["input"]
            self.classes, self.image, self.nodes = (tuple(json.loads(said[name])) for name in ("classes", "image", "nodes"))
            self.macs: dict[str, int] = json.loads(said["macs"])
            self.every_lam, self.macs_static = said["every_lam"] == "true", int(said["macs_static"])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise ProgramError("what it says of itself cannot be read: export the run again") from None
        takes = {one.name: one.shape for one in self.session.get_inputs()}
        texts = [*self.nodes, *self.classes]
        if takes.get(IMAGE) != [1, *self.image] or (LAM_INPUT in takes) != self.every_lam or not all(isinstance(one, str) for one in texts):
            raise ProgramError("what it says of itself is not what it takes: export the run again")

    @classmethod
    def read(cls, file: Path, options: Any = None) -> "Program":
        """Load a file. Raises ProgramError, which names the file."""
        try:
            return cls(read_regular(file), options)
        except OSError as error:
            raise ProgramError(f"{file} cannot be read: {error.strerror or error}") from None
        except ProgramError as error:
            raise ProgramError(f"{file}: {error}") from None

    def __call__(self, pixels: Pixels, lam: float | None = None) -> Outcome:
        """Run one image. `lam`: needed where the network serves every λ. Raises ProgramError."""
        if pixels.shape != self.image or pixels.dtype != np.uint8:
            raise ProgramError(f"an image of {pixels.dtype} and shape {pixels.shape} does not fit. {self.input}")
        if self.every_lam and lam is None:
            raise ProgramError("the network serves every λ: give one, from 0 (cheap) to 1 (accurate)")
        given: dict[str, Any] = {IMAGE: pixels[None]} | ({LAM_INPUT: np.array(lam, np.float32)} if self.every_lam else {})
        try:
            logits, macs, ran, gates = self.session.run(None, given)
        except Exception as error:  # of classes that share no base
            raise ProgramError(f"ONNX Runtime fails on an image: {' '.join(str(error).split())[:200]}") from None
        if [one.shape for one in (logits, macs, ran)] != [(1, len(self.classes)), (1,), (1, len(self.nodes))] or gates.ndim != 2:
            raise ProgramError("its outputs have other shapes than it says: export the run again")
        return Outcome(logits[0], float(macs[0]), ran[0], gates[0])


@dataclass(frozen=True)
class ProgramScore:
    """The accuracy of a program on some images at one λ, and its mean multiply-adds, also as a share of the static network's."""

    weights: str
    lam: float | None
    images: int
    accuracy: float
    macs_mean: float
    cost_share: float


def score(program: Program, images: Split, lams: Sequence[float | None], report: Callable[[int], None]) -> list[ProgramScore]:
    """Measure a program on images at each λ. `report` is called after each image with how many are done since."""
    found = []
    for lam in lams:
        outcomes = []
        for pixels in images.images.numpy():
            outcomes.append(program(pixels, lam))
            report(1)
        right = [int(one.logits.argmax()) == label for one, label in zip(outcomes, images.labels.tolist(), strict=True)]
        macs = float(np.mean([one.macs for one in outcomes]))
        found.append(ProgramScore(program.weights, lam, len(images), float(np.mean(right)), macs, cost_share(macs, program.macs_static)))
    return found


def session_options(threads: int = 1) -> Any:
    """Return ONNX Runtime's options for this many threads, which do not spin while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
