"""The forms in which a static network can run, and the choice among them: the fastest, measured where it is needed."""

import io
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from torch import Tensor, nn

from core.fast.engine import Engine
from core.graph.graph import Graph
from core.graph.policy import Open
from core.program.network import LAST_ANSWER, Network
from core.program.operators import NotWrittenError, Operators
from core.program.session import session_options

TRIAL_TURNS = 5  # of each form, which take turns; the first is a warm-up
IMAGES_IN, SCORES_OUT = "x", "y"


@dataclass(frozen=True)
class StaticForm:
    """A way to run a static network, and its name. `prepare` returns what runs it on images (B, C, H, W)."""

    name: str
    prepare: Callable[[Tensor], Callable[[], object]]


def fastest_form(forms: Sequence[StaticForm], batches: Sequence[Tensor]) -> StaticForm:
    """Return the form that takes the least time for some batches, each of them once in every turn."""
    taken: dict[str, list[float]] = {form.name: [] for form in forms}
    ready = {form.name: [form.prepare(x) for x in batches] for form in forms}
    for turn in range(TRIAL_TURNS):
        for form in forms:
            start = time.perf_counter()
            for run in ready[form.name]:
                run()
            if turn:
                taken[form.name].append(time.perf_counter() - start)
    return min(forms, key=lambda form: median(taken[form.name]))


class StaticNetwork:
    """A static network in all of its forms: as the fast engine runs it, as one ONNX program for whole batches, and as torch.onnx exports
    it, both in ONNX Runtime.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.engine = graph, Engine(graph)
        self.programs = {"torch.onnx": _exported(graph), "one program": _written(graph)}
        self.sessions: dict[tuple[str, int], Any] = {}

    def forms(self, batch: int) -> list[StaticForm]:
        """Return the forms for batches of this size, on torch's number of threads."""
        found = [StaticForm(f"fast engine, {self.engine.form(batch)}", lambda x: self.engine.prepared(x, Open(), None))]
        for name, program in self.programs.items():
            if program is not None and not (batch == 1 and name == "one program"):  # for one image, that is what the engine runs
                found.append(StaticForm(f"{name} in ONNX Runtime", self._runner(name, program)))
        return found

    def _runner(self, name: str, program: bytes) -> Callable[[Tensor], Callable[[], object]]:
        key = (name, torch.get_num_threads())
        if key not in self.sessions:
            options = session_options(torch.get_num_threads())
            self.sessions[key] = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        run = self.sessions[key].run
        return lambda x: partial(run, [SCORES_OUT], {IMAGES_IN: np.ascontiguousarray(x.numpy())})


class _Scores(nn.Module):
    """A static graph as a plain module: images (B, C, H, W) to scores (B, classes)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, x: Tensor) -> Tensor:
        return self.graph.forward(x)[self.graph.outputs[-1].name]


def _exported(graph: Graph) -> bytes | None:
    """Return what torch.onnx makes of a static graph, None where it cannot export it."""
    held: Any = io.BytesIO()
    image = torch.zeros(2, *graph.shapes[graph.input.name])
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Scores(graph).eval(),
                (image,),
                held,
                dynamo=False,
                input_names=[IMAGES_IN],
                output_names=[SCORES_OUT],
                dynamic_axes={IMAGES_IN: {0: "images"}, SCORES_OUT: {0: "images"}},
            )
    except Exception:  # of many classes, for what it does not know
        return None
    content: bytes = held.getvalue()
    return content


def _written(graph: Graph) -> bytes | None:
    """Return a static graph as one program for any number of images, None where it has no form."""
    to = Operators()
    sent = {graph.input.name: to.given(IMAGES_IN, ("images", *graph.shapes[graph.input.name]))}
    try:
        network = Network(graph)
        network.write_together(to, network.nodes, sent)
    except NotWrittenError:
        return None
    shape: tuple[int | str, ...] = ("images", *graph.shapes[graph.outputs[-1].name])
    content: bytes = to.model({SCORES_OUT: (sent[LAST_ANSWER], TensorProto.FLOAT, shape)}).SerializeToString()
    return content
