"""Random small graphs with exact arithmetic, so that equivalent executions must agree to the last bit.

All weights and values are integers, and every module clamps its output to [−3, 3]. Scores are therefore often equal or zero.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from hypothesis import assume
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from core.graph.execution import Execution
from core.graph.graph import Graph
from core.graph.node import Decision, Edge, Gate, GraphError, Node
from core.graph.static import running_nodes
from core.modules.layers import Add, Constant

WIDTH = 3  # values in an image
CLASSES = 2
DEFAULTS = (None, None, None, 0.0, 0.0, 2.0, -1.0)


class Affine(nn.Module):
    """A linear layer on the concatenated inputs, clamped to [−3, 3]."""

    def __init__(self, widths: Sequence[int], width: int, generator: Generator) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randint(-2, 3, (width, sum(widths)), generator=generator).float())
        self.bias = nn.Parameter(torch.randint(-2, 3, (width,), generator=generator).float())

    def forward(self, *inputs: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.linear(torch.cat(inputs, dim=1), self.matrix, self.bias).clamp(-3, 3)


def images(count: int, seed: int = 0) -> Tensor:
    """Return random integer images, (count, WIDTH)."""
    return torch.randint(-3, 4, (count, WIDTH), generator=Generator().manual_seed(seed)).float()


@st.composite
def graphs(draw: st.DrawFn, decides: Sequence[Decision] = ("one", "each")) -> Graph:
    """Draw a valid graph with nodes in any order, arbitrary gates, and one to three outputs."""
    generator = Generator().manual_seed(draw(st.integers(0, 9999)))
    nodes, parts, widths = [Node("x", "input")], dict[str, nn.Module](), {"x": WIDTH}
    gates: list[Gate] = []

    def data(width: int | None = None) -> tuple[Edge, ...]:
        sources = [name for name in widths if width in (None, widths[name])]
        chosen = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=3))
        return tuple(Edge(source, draw(st.sampled_from(DEFAULTS))) for source in chosen)

    def when() -> tuple[Gate, ...]:
        return tuple(draw(st.lists(st.sampled_from(gates), max_size=3, unique=True))) if gates else ()

    def affine(inputs: Sequence[Edge], width: int) -> Affine:
        return Affine([widths[edge.source] for edge in inputs], width, generator)

    kinds = draw(st.lists(st.sampled_from(("regular", "regular", "sum", "control", "control", "dummy")), min_size=1, max_size=8))
    for index, kind in enumerate(kinds):
        width = draw(st.sampled_from((2, 3)))
        if kind == "control":
            name, inputs = f"Q{index}", data()
            options = tuple("abcd"[: draw(st.integers(2, 4))])
            nodes.append(Node(name, "control", inputs, (), options, draw(st.sampled_from(decides))))
            parts[name] = affine(inputs, len(options))
            gates += [Gate(name, column) for column in range(len(options))]
            continue
        if kind == "dummy":
            name = f"d{index}"
            nodes.append(Node(name, "dummy", (), when()))
            parts[name] = Constant(torch.randint(-3, 4, (width,), generator=generator).float())
        elif kind == "sum":
            name, width = f"s{index}", draw(st.sampled_from(sorted(set(widths.values()))))
            nodes.append(Node(name, "regular", data(width), when()))
            parts[name] = Add()
        else:
            name, inputs = f"n{index}", data()
            nodes.append(Node(name, "regular", inputs, when()))
            parts[name] = affine(inputs, width)
        widths[name] = width
    for index in range(draw(st.integers(1, 3))):
        inputs = data()
        nodes.append(Node(f"y{index}", "output", inputs, when()))
        parts[f"y{index}"] = affine(inputs, CLASSES)
    try:
        return Graph(draw(st.permutations(nodes)), parts, (WIDTH,))
    except GraphError as error:
        assume("no route reaches the output node" not in str(error))
        raise


def every_choice(graph: Graph) -> list[dict[str, int]]:
    """Return every combination {control node: column}."""
    columns = [range(len(control.options)) for control in graph.controls]
    return [dict(zip((control.name for control in graph.controls), one, strict=True)) for one in product(*columns)]


def answers(graph: Graph, choices: Mapping[str, int]) -> bool:
    """Return whether a route reaches an output."""
    runs = running_nodes(graph, choices)
    return any(node.name in runs for node in graph.outputs)


def rows(execution: Execution, kept: Sequence[int]) -> Execution:
    """Return the given rows of an execution."""
    parts = (execution.outputs, execution.ran, execution.values, execution.scores, execution.gates)
    return Execution(*({name: tensor[list(kept)] for name, tensor in part.items()} for part in parts))


def same(one: Execution, other: Execution) -> bool:
    """Return whether two executions agree to the last bit."""
    pairs = [(one.outputs, other.outputs), (one.ran, other.ran), (one.scores, other.scores), (one.gates, other.gates)]
    return all(left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left) for left, right in pairs)
