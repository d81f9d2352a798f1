"""One image through a whole network as one ONNX Runtime program, with its decisions inside (core/program/network.py)."""

from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from torch import Tensor

from core.fast.answer import Answer, GateColumns, NodeColumns
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

    def __call__(self, x: Tensor, policy: Policy, lam: float | None) -> Answer:
        """Run one image, (1, C, H, W). `policy`: greedy, or one that needs no scores."""
        decides = type(policy) is Greedy or not self.columns
        given: dict[str, Any] = {IMAGE: np.ascontiguousarray(x.detach().numpy())}
        if self.graph.tradeoff.every_lam:
            given[LAM_INPUT] = np.array(lam, np.float32)
        if not decides:
            zeros = ((control, torch.zeros(1, len(control.options))) for control in self.graph.controls)
            given |= {gates_of(control.name): policy(control, scores).detach().numpy() for control, scores in zeros}
        session = self.session(torch.get_num_threads(), decides=decides)
        if not self.columns:
            return Answer(torch.from_numpy(session.run([LOGITS], given)[0]), {}, self._everything)
        logits, gates, ran = session.run(None, given)
        return Answer(torch.from_numpy(logits), GateColumns(self.columns, gates), NodeColumns(self.places, ran))

    @cached_property
    def _everything(self) -> Mapping[str, Any]:
        return NodeColumns(self.places, np.ones((1, len(self.places)), np.bool_))

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
