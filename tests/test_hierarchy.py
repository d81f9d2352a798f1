"""A hierarchy of two levels: superclasses, coarse classes and leaves."""

import pytest
import torch
from torch import Tensor

from core.config import run_config
from core.evaluation.baselines import routes
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Open
from core.registry import ConfigError, choose
from core.training.assembly import assemble

TREE, COARSE = [[0, 2, 3, 5], [1, 4]], [[0, 5], [2, 3], [1, 4]]
GROUPS = {"1-1": [0, 5], "1-2": [2, 3], "2-1": [1, 4]}
SHAPE = {"name": "hierarchy", "tree": TREE, "coarse": COARSE, "root": [4], "branch": [6], "fine": [8]}


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    return choose("architectures", SHAPE).build((1, 16, 16), 6).eval()  # type: ignore[attr-defined,no-any-return]


def images(count: int = 5) -> Tensor:
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def answered(graph: Graph, opened: dict[str, bool]) -> Tensor:
    """The scores with some controllers forced to descend or to leave, (B, 6)."""
    forced = {name: {int(descends): True} for name, descends in opened.items()}
    with torch.no_grad():
        return execute(graph, images(), Forced(forced, Open())).output


def test_a_branch_of_the_second_level_changes_the_scores_of_its_classes_alone(graph: Graph) -> None:
    controls = [control.name for control in graph.controls]
    assert controls == ["Q1", "Q1-1", "Q1-2", "Q2", "Q2-1"]
    whole = answered(graph, dict.fromkeys(controls, True))
    for name, classes in GROUPS.items():
        without = answered(graph, dict.fromkeys(controls, True) | {f"Q{name}": False})
        changed = (whole != without).any(dim=0).nonzero().squeeze(1).tolist()
        assert changed == classes
    left = answered(graph, dict.fromkeys(controls, True) | {"Q1": False})
    assert (whole != left).any(dim=0).tolist() == [number in TREE[0] for number in range(6)]


def test_without_a_branch_its_own_branches_do_not_run(graph: Graph) -> None:
    with torch.no_grad():
        execution = execute(graph, images(), Forced({"Q1": {0: True}}, Open()))
    assert not bool(execution.ran["branch 1"].any() | execution.ran["branch 1-1"].any() | execution.ran["Q1-2"].any())
    assert bool(execution.ran["branch 2-1"].all())


def test_each_set_of_branches_is_a_route(graph: Graph) -> None:
    assert len(routes(graph)) == (1 + 2 * 2) * (1 + 2)


def test_the_cost_of_a_second_level_branch_is_that_of_its_convolution_and_classifier(graph: Graph) -> None:
    with torch.no_grad():
        both = [cost(graph, execute(graph, images(1), Forced({"Q2-1": {column: True}}, Open()))).used for column in (0, 1)]
    assert float(both[1] - both[0]) == 6 * 9 * 8 * 2 * 2 + 8 * 2  # 16×16 halved three times, and a classifier of two classes


def test_one_level_computes_as_before() -> None:
    one = assemble(run_config(architecture={"name": "hierarchy"}, dataset="digits", method="d2nn"), (1, 8, 8), 10)
    assert [node.name for node in one.nodes if node.kind == "output"] == ["y root", "y"]
    assert not [node.name for node in one.nodes if "-" in node.name or node.name == "scores"]


@pytest.mark.parametrize(
    ("coarse", "told"),
    [
        ([[0, 1], [2, 3], [4, 5]], "within one of architecture.tree"),
        ([[0, 5], [2, 3]], "once"),
        ([[0, 5], [2, 3], [1, 4], [1]], "once"),
    ],
)
def test_groups_that_do_not_fit_are_refused(coarse: list[list[int]], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        choose("architectures", SHAPE | {"coarse": coarse}).build((1, 16, 16), 6)  # type: ignore[attr-defined]
