"""Images one by one through a whole network as one ONNX Runtime program, with its decisions inside (core/program/network.py)."""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

from core.fast.answer import Answer, Columns
from core.graph.graph import Graph
from core.graph.policy import Greedy, Policy
from core.program.account import Account
from core.program.decisions import LAM_INPUT
from core.program.file import GATES, IMAGE, LOGITS, RAN
from core.program.network import Network, gates_of
from core.program.operators import Operators
from core.program.session import session_options


class WholeProgram:
    """A network as one program for one image, for each number of threads and whether its controllers decide."""

    def __init__(self, graph: Graph) -> None:
        """Raises NotWrittenError."""
        self.graph = graph
        self.places = {node.name: number for number, node in enumerate(graph.nodes)}
        ends = list(accumulate((len(node.options) for node in graph.controls), initial=0))
        self.columns = {node.name: slice(*pair) for node, pair in zip(graph.controls, pairwise(ends), strict=True)}
        self.sessions: dict[tuple[int, bool], Any] = {}
        self.session(1, decides=True)

    def session(self, threads: int, *, decides: bool) -> Any:
        """Return the program, ready to run. `decides`: whether its controllers do, otherwise gates are inputs."""
        key = (threads, decides)
        if key not in self.sessions:
            program = self._written(decides=decides)
            self.sessions[key] = onnxruntime.InferenceSession(program, session_options(threads), providers=["CPUExecutionProvider"])
        return self.sessions[key]

    def __call__(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        """Run images (B, C, H, W), one after the other. `policy`: greedy, or one that needs no scores. `lam`: for all or for each."""
        decides, count = type(policy) is Greedy or not self.columns, len(x)
        session, images = self.session(torch.get_num_threads(), decides=decides), np.ascontiguousarray(x.detach().numpy())
        given: dict[str, Any] = {IMAGE: images}
        if self.graph.tradeoff.every_lam:
            lams = lam.reshape(-1).float().numpy() if isinstance(lam, Tensor) else np.array([lam], np.float32)
            given[LAM_INPUT] = np.broadcast_to(lams, count)
        if not decides:
            zeros = ((control, torch.zeros(count, len(control.options))) for control in self.graph.controls)
            given |= {gates_of(control.name): policy(control, scores).detach().numpy() for control, scores in zeros}
        sends = None if self.columns else [LOGITS]
        found = [session.run(sends, {name: _row(name, values, row) for name, values in given.items()}) for row in range(count)]
        logits, *told = found[0] if count == 1 else [np.concatenate(values) for values in zip(*found, strict=True)]
        if not self.columns:
            return Answer(torch.from_numpy(logits), {}, Columns(self.places, np.ones((count, len(self.places)), np.bool_)))
        gates, ran = told
        return Answer(torch.from_numpy(logits), Columns(self.columns, torch.from_numpy(gates)), Columns(self.places, ran))

    def _written(self, *, decides: bool) -> bytes:
        graph, to = self.graph, Operators()
        image = to.given(IMAGE, (1, *graph.shapes[graph.input.name]))
        network = Network(graph, decides=decides, chooses=False)
        answer, gates = network.write(to, image)
        outputs = {LOGITS: (answer, TensorProto.FLOAT, (1, *graph.shapes[graph.outputs[0].name]))}
        if graph.controls:
            account = Account(graph, to, network.needed, gates)
            outputs[GATES] = (account.gates, TensorProto.FLOAT, (1, account.total))
            outputs[RAN] = (account.ran, TensorProto.BOOL, (1, len(graph.nodes)))
        content: bytes = to.model(outputs).SerializeToString()
        return content


def _row(name: str, values: NDArray[Any], row: int) -> NDArray[Any]:
    """Return what a program takes for one image: a λ without a dimension of images, and all else with it."""
    return np.asarray(values[row]) if name == LAM_INPUT else values[row : row + 1]
