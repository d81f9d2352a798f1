"""One image through a whole network as one ONNX Runtime program, decisions included.

Steps that run under the same gates are one `If` of the program, so what is skipped is not computed. The controllers decide inside, or all
gates are inputs where a policy sets them whatever the scores are.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.fast.onnx_builder import NotWrittenError, Operators
from core.fast.onnx_export import CONDITION, gates_of, some_open, written
from core.fast.plan import Answer, Mask, Step
from core.fast.segments import NO, YES, conditions, session
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Policy

REWARD = ".reward"  # the input of a program that weighs accuracy and cost, (images, 2, 1)
MAX_ROUTES = 256  # routes whose nodes are kept


class WholeProgram:
    """A network as one program for one image, for each number of threads and whether its controllers decide."""

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self.graph, self.steps = graph, tuple(steps)
        self.controls, self.outputs = graph.controls, graph.outputs
        self.programs: dict[tuple[int, bool], Any] = {}
        self.routes: dict[bytes, dict[str, Mask]] = {}
        self.known: dict[float, dict[str, NDArray[np.float32]]] = {}
        self.program(1, decides=True)

    def program(self, threads: int, *, decides: bool) -> Any:
        """Return the program as a session, with its inputs' names. `decides`: whether its controllers do. Raises NotWrittenError."""
        key = (threads, decides or not self.controls)
        if key not in self.programs:
            writing = Operators()
            sends = self._write(writing, decides=decides)
            found = session(writing, sends, threads, 1)
            self.programs[key] = found, tuple(writing.takes)
        return self.programs[key]

    def __call__(self, x: Tensor, policy: Policy, lams: Tensor | None, condition: Tensor | None) -> Answer:
        """Run one image, (1, C, H, W). `policy`: greedy, or one that needs no scores. `lams`, `condition`: (1,)."""
        decides = type(policy) is Greedy
        running, takes = self.program(torch.get_num_threads(), decides=decides)
        given = {self.graph.input.name: np.ascontiguousarray(x.numpy())}
        if lams is not None:
            given |= self._inputs(lams, condition)
        gates: dict[str, NDArray[np.float32]] = {}
        if not decides:
            gates = {node.name: self._set(node, policy) for node in self.controls}
            masks = self._route(gates)
            gates = {name: values if masks[name] is YES else np.zeros_like(values) for name, values in gates.items()}
            given |= {gates_of(name): values[:, :, None, None] for name, values in gates.items()}
        found = running.run(None, {name: given[name] for name in takes})
        if decides:
            gates = dict(zip((node.name for node in self.controls), found[len(self.outputs) :], strict=True))
            masks = self._route(gates)
        ran = [value for node, value in zip(self.outputs, found, strict=False) if masks[node.name] is YES]
        output = torch.from_numpy(ran[-1]) if ran else torch.full((1, *self.graph.shapes[self.outputs[0].name]), torch.nan)
        return Answer(output, {name: torch.from_numpy(values) for name, values in gates.items()}, masks)

    def _set(self, node: Node, policy: Policy) -> NDArray[np.float32]:
        gates: NDArray[np.float32] = policy(node, torch.zeros(1, len(node.options))).numpy()
        return gates

    def _inputs(self, lams: Tensor, condition: Tensor | None) -> dict[str, NDArray[np.float32]]:
        """Return what the program takes for λ, (1,)."""
        lam = float(lams)
        if lam not in self.known:
            reward = self.graph.tradeoff.score(torch.eye(2)[None], lams)  # linear in accuracy and cost
            self.known[lam] = {REWARD: reward.numpy()[:, :, None]} | ({} if condition is None else {CONDITION: condition.numpy()[:, None]})
        return self.known[lam]

    def _route(self, gates: Mapping[str, NDArray[np.float32]]) -> dict[str, Mask]:
        """Return whether each node runs under these gates, (1,) each. The gates of a control node that does not run are closed."""
        key = b"".join([(values > 0).tobytes() for values in gates.values()])
        masks = self.routes.get(key)
        if masks is None:
            masks = {}
            for node in self.graph.nodes:
                present = all(edge.default is not None or masks[edge.source] is YES for edge in node.inputs)
                is_open = not node.gates or any(masks[one.control] is YES and gates[one.control][0, one.column] > 0 for one in node.gates)
                masks[node.name] = YES if present and is_open else NO
            if len(self.routes) < MAX_ROUTES:
                self.routes[key] = masks
        return masks

    def _write(self, writing: Operators, *, decides: bool) -> list[str]:
        """Write the network and return the names of its outputs and of its control nodes' gates. Raises NotWrittenError."""
        sent = {self.graph.input.name: writing.given(self.graph.input.name, self.graph.shapes[self.graph.input.name])}
        running = conditions(self.graph, self.steps)
        for gates, consecutive in groupby(self.steps, lambda step: running[step.node.name]):
            some = tuple(consecutive)
            if gates:
                sets = sorted(gates, key=repr)
                sent |= self._gated(writing, some_open(writing, self.graph, sets, sent), some, sent, decides=decides)
            else:
                sent |= self._steps(writing, some, sent, decides=decides)
        closing = [gates_of(node.name) for node in self.controls] if decides else []
        flat = [writing.add("Flatten", sent[name]) for name in closing]
        return [*(sent[node.name] for node in self.outputs), *flat]

    def _gated(self, writing: Operators, runs: str, some: Sequence[Step], sent: Mapping[str, str], *, decides: bool) -> dict[str, str]:
        """Write steps that are computed only if `runs` holds. Returns the names of their values and of their gates."""
        inside = {step.node.name for step in some}
        read = {edge.source for step in self.steps if step.node.name not in inside for edge in step.inputs}
        sends = [step.node.name for step in some if step.node.kind == "output" or step.node.name in read]
        sends += [gates_of(step.node.name) for step in some if decides and step.node.kind == "control"]

        if not sends:
            return {}

        def computed(inner: Operators) -> list[str]:
            values = self._steps(inner, some, sent, decides=decides)
            return [values[name] for name in sends]

        def skipped(inner: Operators) -> list[str]:
            return [inner.constant(self._absent(name)) for name in sends]

        return dict(zip(sends, writing.either(runs, computed, skipped), strict=True))

    def _steps(self, writing: Operators, some: Sequence[Step], sent: Mapping[str, str], *, decides: bool) -> dict[str, str]:
        """Write steps that run under the same gates. Returns the names of their values and of their gates."""
        found: dict[str, str] = {}
        for step in some:
            node = step.node
            found[node.name] = value = written(writing, self.graph, step, {**sent, **found}, scales=not decides or self._scaled(node))
            if decides and node.kind == "control":
                found[gates_of(node.name)] = self._decided(writing, node, value)
        return found

    def _decided(self, writing: Operators, node: Node, values: str) -> str:
        """Write the gates of a control node from its values, as `Greedy` sets them, (images, options, 1, 1)."""
        options = len(node.options)
        if len(self.graph.shapes[node.name]) == 2:
            values = writing.add("MatMul", values, writing.given(REWARD, (2, 1)))
        shape = writing.constant(np.array([-1, options, 1, 1]))
        if node.decides == "each":
            return writing.add("Reshape", writing.add("Relu", values), shape)
        best = writing.add("ArgMax", writing.add("Reshape", values, shape), axis=1, keepdims=1)
        places = writing.constant(np.arange(options)[None, :, None, None])
        return writing.add("Cast", writing.add("Equal", best, places), to=1)

    def _scaled(self, node: Node) -> bool:
        """Return whether a controller's gates scale the node."""
        return any(self.graph.by_name[gate.control].decides == "each" for gate in node.gates)

    def _absent(self, name: str) -> Tensor:
        """Return what stands for a step that did not run: closed gates, or the default of the edges that read it, (1, …)."""
        for node in self.controls:
            if gates_of(node.name) == name:
                return torch.zeros(1, len(node.options), 1, 1)
        defaults = {
            float(edge.default) for node in self.graph.nodes for edge in node.inputs if edge.source == name and edge.default is not None
        }
        if len(defaults) > 1:
            raise NotWrittenError
        return torch.full((1, *self.graph.shapes[name]), defaults.pop()) if defaults else torch.zeros(1, 1)
