"""Hindsight: what an execution would have come to after another option, where everything that this takes was computed anyway.

An image that was sent along a long route also shows what shorter routes give: a cascade that answered at its last exit has answered at all
of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.graph.execution import Execution, inputs_present, opening_of
from core.graph.graph import Graph
from core.graph.policy import Greedy, one_hot


@dataclass(frozen=True)
class Alternative:
    """An execution that might have been.

    execution  its routes and gates, with the answers of the actual execution
    known      (B,) bool: the images for which these are its answers, since all of its nodes ran and were sent the same inputs
    """

    execution: Execution
    known: Tensor


def alternative(graph: Graph, execution: Execution, control: str, column: int) -> Alternative:
    """Return what an execution would have come to if a control node had taken one option, and greedy decisions had followed.

    Decisions before the control node stay as they are. For graphs whose control nodes pick one option.
    """
    every = execution.ran[graph.input.name]
    ran, gates, known, decided = {graph.input.name: every}, dict[str, Tensor](), torch.ones_like(every), False
    for node in graph.nodes[1:]:
        present = inputs_present(node, ran)
        runs = ran[node.name] = present & (opening_of(node, gates) > 0) if node.gates else present
        alike = execution.ran[node.name]
        for edge in node.inputs:
            if edge.default is not None:
                alike = alike & (ran[edge.source] == execution.ran[edge.source])
        known = known & (alike | ~runs)
        if node.kind == "control":
            taken = execution.gates[node.name]
            if node.name == control:
                taken, decided = one_hot(torch.full_like(every, column, dtype=torch.int64), taken), True
            elif decided:
                taken = Greedy()(node, execution.scores[node.name])
            gates[node.name] = taken * runs[:, None]
    return Alternative(Execution(execution.outputs, ran, execution.values, execution.scores, gates), known)
