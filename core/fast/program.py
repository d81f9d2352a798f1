"""One image through a whole network as one ONNX Runtime program, with its decisions inside.

Steps that run under the same gates are one `If` of the program, so what is skipped is not computed. The controllers decide inside, or all
gates are inputs where a policy sets them whatever the scores are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.fast.onnx_builder import KernelOperators
from core.fast.onnx_export import CONDITION, gates_of, some_open, written
from core.fast.plan import Answer, AtLam, Mask, Step, conditions, implied
from core.fast.segments import NO, YES, Numbers, session
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy, Policy
from core.program.operators import NotWrittenError

REWARD = ".reward"  # the input of a program that weighs accuracy and cost, (images, 1, 2)
NO_GATES = np.zeros((1, 0), dtype=np.float32)
MAX_KEPT_ROUTES = 256  # routes whose nodes are kept


@dataclass(frozen=True)
class RouteMasks:
    """Whether each node runs, (1,) each, and the number of the output node that answers, None if none does."""

    masks: dict[str, Mask]
    answer: int | None


class WholeProgram:
    """A network as one program for one image, for each number of threads and whether its controllers decide."""

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        """Raises NotWrittenError."""
        self.graph, self.steps = graph, tuple(steps)
        self.input, self.controls = graph.input.name, [node.name for node in graph.controls]
        self.options = [len(node.options) for node in graph.controls]
        ends = list(accumulate(self.options, initial=0))
        self.columns = {name: slice(*pair) for name, pair in zip(self.controls, pairwise(ends), strict=True)}  # of its gates among all
        self.programs: dict[tuple[int, bool], Any] = {}
        self.routes: dict[bytes, RouteMasks] = {}
        self.program(1, decides=True)

    def program(self, threads: int, *, decides: bool) -> tuple[Any, list[str], list[str]]:
        """Return the program as a session, with the names of its inputs and outputs. `decides`: whether its controllers do."""
        key = (threads, decides)
        if key not in self.programs:
            writing = KernelOperators()
            sends = self._write(writing, decides=decides)
            running = session(writing, sends, threads, 1)
            self.programs[key] = running, list(writing.takes), [one.name for one in running.get_outputs()]
        found: tuple[Any, list[str], list[str]] = self.programs[key]
        return found

    def __call__(self, x: Tensor, policy: Policy, lam: AtLam) -> Answer:
        """Run one image, (1, C, H, W). `policy`: greedy, or one that needs no scores."""
        decides = type(policy) is Greedy
        running, takes, sends = self.program(torch.get_num_threads(), decides=decides)
        given = {self.input: np.ascontiguousarray(x.detach().numpy()), REWARD: lam.reward}
        if lam.condition is not None:
            given[CONDITION] = lam.condition.numpy()[:, None]
        gates = NO_GATES
        if not decides and self.controls:
            gates = torch.cat([policy(node, torch.zeros(1, len(node.options))) for node in self.graph.controls], dim=1).detach().numpy()
            masks = self._route(gates).masks
            gates = gates * np.repeat([masks[name] is YES for name in self.controls], self.options)
            given |= {gates_of(name): gates[:, columns, None, None] for name, columns in self.columns.items()}
        found = running.run(sends, {name: given[name] for name in takes})
        gates = found[-1].reshape(1, -1) if decides and self.controls else gates
        route = self._route(gates)
        answers = torch.from_numpy(found[route.answer or 0])
        output = torch.full_like(answers, torch.nan) if route.answer is None else answers
        by_control = (
            dict(zip(self.controls, torch.split(torch.from_numpy(gates), self.options, dim=1), strict=True)) if self.controls else {}
        )
        return Answer(output, by_control, dict(route.masks))

    def _route(self, gates: Numbers) -> RouteMasks:
        """Return which nodes run under all gates, (1, gates). The gates of a control node that does not run are closed."""
        key = (gates > 0).tobytes()
        route = self.routes.get(key)
        if route is None:
            masks: dict[str, Mask] = {}
            for node in self.graph.nodes:
                present = all(edge.default is not None or masks[edge.source] is YES for edge in node.inputs)
                opened = [masks[one.control] is YES and gates[0, self.columns[one.control].start + one.column] > 0 for one in node.gates]
                masks[node.name] = YES if present and (any(opened) or not opened) else NO
            answers = [number for number, node in enumerate(self.graph.outputs) if masks[node.name] is YES]
            route = RouteMasks(masks, answers[-1] if answers else None)
            if len(self.routes) < MAX_KEPT_ROUTES:
                self.routes[key] = route
        return route

    def _write(self, writing: KernelOperators, *, decides: bool) -> list[str]:
        """Write the network and return the names of its outputs and of all gates, if its controllers decide. Raises NotWrittenError."""
        sent = {self.graph.input.name: writing.given(self.graph.input.name, self.graph.shapes[self.graph.input.name])}
        running = conditions(self.graph, self.steps)
        for needed, consecutive in groupby(self.steps, lambda step: running[step.node.name]):
            some = tuple(consecutive)
            if needed:
                sets = sorted((gates for gates in needed if not any(gates in implied(running, others) for others in needed)), key=repr)
                sent |= self._gated(writing, some_open(writing, self.graph, sets, sent), some, sent, decides=decides)
            else:
                sent |= self._steps(writing, some, sent, decides=decides)
        gates = [sent[gates_of(name)] for name in self.controls] if decides else []
        together = [writing.add("Concat", *gates, axis=1)] if len(gates) > 1 else gates
        return [*(sent[node.name] for node in self.graph.outputs), *together]

    def _gated(
        self, writing: KernelOperators, runs: str, some: Sequence[Step], sent: Mapping[str, str], *, decides: bool
    ) -> dict[str, str]:
        """Write steps that are computed only if `runs` holds. Returns the names of their values and of their gates."""
        inside = {step.node.name for step in some}
        read = {edge.source for step in self.steps if step.node.name not in inside for edge in step.inputs}
        sends = [step.node.name for step in some if step.node.kind == "output" or step.node.name in read]
        sends += [gates_of(step.node.name) for step in some if decides and step.node.kind == "control"]

        if not sends:
            return {}

        def computed(inner: KernelOperators) -> list[str]:
            values = self._steps(inner, some, sent, decides=decides)
            return [values[name] for name in sends]

        def skipped(inner: KernelOperators) -> list[str]:
            return [inner.constant(self._absent(name)) for name in sends]

        return dict(zip(sends, writing.either(runs, computed, skipped), strict=True))

    def _steps(self, writing: KernelOperators, some: Sequence[Step], sent: Mapping[str, str], *, decides: bool) -> dict[str, str]:
        """Write steps that run under the same gates. Returns the names of their values and of their gates."""
        found: dict[str, str] = {}
        for step in some:
            node = step.node
            found[node.name] = value = written(writing, self.graph, step, {**sent, **found}, scales=not decides or self._scaled(node))
            if decides and node.kind == "control":
                found[gates_of(node.name)] = self._decided(writing, node, value)
        return found

    def _decided(self, writing: KernelOperators, node: Node, values: str) -> str:
        """Write the gates of a control node from its values, as `Greedy` sets them, (images, options, 1, 1)."""
        options = len(node.options)
        if len(self.graph.shapes[node.name]) == 2:
            values = writing.add("ReduceSum", writing.add("Mul", values, writing.given(REWARD, (1, 2))), writing.constant(np.array([2])))
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
        for node in self.graph.controls:
            if gates_of(node.name) == name:
                return torch.zeros(1, len(node.options), 1, 1)
        defaults = {
            float(edge.default) for node in self.graph.nodes for edge in node.inputs if edge.source == name and edge.default is not None
        }
        if len(defaults) > 1:
            raise NotWrittenError
        return torch.full((1, *self.graph.shapes[name]), defaults.pop()) if defaults else torch.zeros(1, 1)
