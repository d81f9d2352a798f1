"""Images one by one through a whole network as one ONNX Runtime program, with its decisions inside (core/program/network.py)."""

from collections.abc import Callable
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from torch import Tensor

from core.fast.answer import Answer, Mask
from core.graph.graph import Graph
from core.graph.policy import Greedy, Policy
from core.program.account import Account
from core.program.conditions import Conditions, conditions
from core.program.decisions import LAM_INPUT
from core.program.file import GATES, IMAGE, LOGITS
from core.program.layout import in_blocks
from core.program.network import Network, gates_of
from core.program.operators import Operators
from core.program.session import session_options


class WholeProgram:
    """A network as one program for one image, for each number of threads and whether its controllers decide."""

    def __init__(self, graph: Graph) -> None:
        """Raises NotWrittenError."""
        self.graph, self.needed, self.every_lam = graph, conditions(graph), graph.tradeoff.every_lam
        ends = list(accumulate((len(node.options) for node in graph.controls), initial=0))
        self.columns = {node.name: slice(*pair) for node, pair in zip(graph.controls, pairwise(ends), strict=True)}
        self.sends = [LOGITS, GATES][: 1 + bool(self.columns)]
        self.sessions: dict[tuple[int, bool], Any] = {}
        self.session(1, decides=True)

    def session(self, threads: int, *, decides: bool) -> Any:
        """Return the program, ready to run. `decides`: whether its controllers do, otherwise gates are inputs."""
        key = (threads, decides)
        if key not in self.sessions:
            program = self._written(decides=decides)
            self.sessions[key] = onnxruntime.InferenceSession(program, session_options(threads), providers=["CPUExecutionProvider"])
        return self.sessions[key]

    def prepared(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Callable[[], list[Any]]:
        """Return what runs images (B, C, H, W), one after the other: it returns the answers and the gates, (B, …) each.

        `policy`: greedy, or one that needs no scores. `lam`: for all or for each.
        """
        decides, count = type(policy) is Greedy or not self.columns, len(x)
        images = np.ascontiguousarray(x.numpy())
        rows = [{IMAGE: images[row : row + 1]} for row in range(count)]
        if self.every_lam:
            lams = lam.reshape(-1).tolist() if isinstance(lam, Tensor) else [lam]
            for row, at in zip(rows, lams if len(lams) == count else lams * count, strict=True):
                row[LAM_INPUT] = np.array(at, np.float32)
        if not decides:
            for control in self.graph.controls:
                gates = policy(control, torch.zeros(count, len(control.options))).detach().numpy()
                for number, row in enumerate(rows):
                    row[gates_of(control.name)] = gates[number : number + 1]
        run = self.session(torch.get_num_threads(), decides=decides).run
        if count == 1:
            return partial(run, self.sends, rows[0])
        return lambda: [np.concatenate(values) for values in zip(*(run(self.sends, row) for row in rows), strict=True)]

    def __call__(self, x: Tensor, policy: Policy, lam: Tensor | float | None) -> Answer:
        """Run images as `prepared` does."""
        logits, *told = self.prepared(x, policy, lam)()
        gates = told[0] if told else np.zeros((len(x), 0), np.float32)
        by_control = {name: torch.from_numpy(gates[:, columns]) for name, columns in self.columns.items()}
        return Answer(torch.from_numpy(logits), by_control, {name: self._ran(gates > 0, needed) for name, needed in self.needed.items()})

    def _ran(self, opened: Mask, needed: Conditions) -> Mask:
        """Return the images for which all conditions hold, (B,), from whether each gate is open, (B, gates)."""
        held = np.ones(len(opened), np.bool_)
        for gates in needed:
            held &= opened[:, [self.columns[gate.control].start + gate.column for gate in gates]].any(axis=1)
        return held

    def _written(self, *, decides: bool) -> bytes:
        graph, to = self.graph, Operators()
        image = to.given(IMAGE, (1, *graph.shapes[graph.input.name]))
        network = Network(graph, decides=decides, chooses=False)
        answer, gates = network.write(to, image)
        outputs = {LOGITS: (answer, TensorProto.FLOAT, (1, *graph.shapes[graph.outputs[0].name]))}
        if graph.controls:
            account = Account(graph, to, network.needed, gates)
            outputs[GATES] = (account.gates, TensorProto.FLOAT, (1, account.total))
        content: bytes = in_blocks(to.model(outputs)).SerializeToString()
        return content
