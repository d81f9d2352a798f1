"""What would have been, against the execution that shows it; and what is learned from it."""

from dataclasses import dataclass

import pytest
import torch
from graphs import graphs, images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_learning import ALL, trained
from torch import Generator, Tensor
from toys import agreement_and_regret, three_stages, unsure, unsure_stages

from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.hindsight import alternative
from core.graph.node import Node
from core.graph.policy import Greedy, Open, Random, one_hot
from core.methods import Batch
from core.methods.d2nn import D2NN
from core.methods.value_loss import hindsight_loss

LAM = 0.5


@dataclass(frozen=True)
class Instead:
    """A policy that repeats an execution up to a control node, takes another option there, and is greedy behind it."""

    graph: Graph
    repeated: Execution
    control: str
    column: int

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        if control.name == self.control:
            return one_hot(torch.full((len(scores),), self.column), scores)
        order = [node.name for node in self.graph.nodes]
        if order.index(control.name) < order.index(self.control):
            return self.repeated.gates[control.name]
        return Greedy()(control, scores)


@settings(max_examples=80, suppress_health_check=[HealthCheck.filter_too_much])
@given(graphs(decides=("one",)), st.integers(0, 99))
def test_what_is_known_is_what_the_other_option_gives(graph: Graph, seed: int) -> None:
    x = images(24, seed)
    execution = execute(graph, x, Random(0.5, Generator().manual_seed(seed)))
    for control in graph.controls:
        for column in range(len(control.options)):
            other = alternative(graph, execution, control.name, column)
            shown = execute(graph, x, Instead(graph, execution, control.name, column))
            for name, ran in shown.ran.items():
                assert torch.equal(other.execution.ran[name][other.known], ran[other.known]), name
            assert torch.equal(other.execution.predicted[other.known], shown.predicted[other.known])
            same_nodes = torch.stack([execution.ran[name] == ran for name, ran in shown.ran.items()]).all(dim=0)
            assert bool(other.known[same_nodes].all()), "an execution knows itself"


def test_who_answers_at_the_last_exit_knows_every_exit() -> None:
    graph = three_stages()
    x = torch.tensor([[1.0, -1.0, 1.0]] * 2)[:, :, None, None]
    long, short = execute(graph, x, Open()), execute(graph, x, Random(0.0, Generator()))
    for control in ("Q1", "Q2"):
        for column in (0, 1):
            assert bool(alternative(graph, long, control, column).known.all())
    assert bool(alternative(graph, short, "Q1", 0).known.all())
    assert not bool(alternative(graph, short, "Q1", 1).known.any())
    assert alternative(graph, long, "Q2", 0).execution.predicted.tolist() == [0, 0]  # its channel is negative
    assert alternative(graph, long, "Q2", 1).execution.predicted.tolist() == [1, 1]


def test_the_loss_by_hand() -> None:
    graph = D2NN(exchange_rate=1.0, calibrate=False).prepare(three_stages(every_lam=True), None)
    x = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])[:, :, None, None]
    execution = execute(graph, x, Open(), lam=LAM)
    labels, counted = torch.tensor([1, 1]), torch.tensor([True, False])
    expected = 0.0
    later = [float(option) for option in graph.macs.values()]
    names = list(graph.macs)
    static = max(graph.macs[name] for name in ("y0", "y1", "y2"))
    goes_on = bool(execution.scores["Q2"][0].argmax())
    behind = {("Q1", 0): 0.0, ("Q1", 1): later[names.index("Q2")] + later[names.index("y1")] + goes_on * later[names.index("y2")]}
    right = {("Q1", 0): True, ("Q1", 1): goes_on, ("Q2", 0): False, ("Q2", 1): True}  # as the channels of the first image say
    for control in ("Q1", "Q2"):
        for column in (0, 1):
            accuracy, efficiency = execution.values[control][0, column].tolist()
            likelihood = accuracy if right[control, column] else 1 - accuracy
            squared = (efficiency + behind[control, column] / static) ** 2 if control == "Q1" else 0.0
            expected += (-torch.tensor(likelihood).log().item() + squared) / 2
    assert hindsight_loss(graph, execution, labels, counted).item() == pytest.approx(expected, rel=1e-5)


def test_images_that_do_not_count_teach_nothing() -> None:
    graph = D2NN(calibrate=False).prepare(three_stages(every_lam=True), None)
    execution = execute(graph, torch.ones(3, 3, 1, 1), Open(), lam=LAM)
    loss = hindsight_loss(graph, execution, torch.ones(3, dtype=torch.long), torch.zeros(3, dtype=torch.bool))
    assert loss.item() == 0.0


@pytest.mark.parametrize("change", [{}, {"metric": "f1", "bag_size": 2}, {"bag_size": 2}])
def test_it_is_learned_from_where_images_have_rewards_of_their_own(change: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("core.methods.d2nn.hindsight_loss", lambda *given: asked.append(1) or torch.zeros(()))
    batch = Batch(*unsure(8, Generator().manual_seed(0)), torch.zeros(8, dtype=torch.bool))
    for options in ({"outcomes": "computed"}, change and change | {"outcomes": "computed"}):
        method = D2NN.model_validate({"calibrate": False, "controller_holdout": ALL, "credit": "bag"} | options)
        method.step(method.prepare(unsure_stages(every_lam=True), None), batch, None, 0.0, Generator().manual_seed(0))
    assert asked == [1]


def learned(outcomes: str, steps: int, rate: float = 1e-2) -> tuple[float, float]:
    method = D2NN.model_validate({"calibrate": False, "controller_holdout": ALL, "exchange_rate": 1.0, "outcomes": outcomes})
    return agreement_and_regret(trained(unsure_stages(every_lam=True), method, unsure, None, steps, batch=1024, rate=rate), LAM, 1.0)


def test_it_learns_faster_than_from_the_options_taken() -> None:
    (agreed, lost), (_, lost_by_taken) = learned("computed", 150), learned("taken", 150)
    assert agreed > 0.85
    assert lost < 0.7 * lost_by_taken


@pytest.mark.long
def test_two_controllers_of_every_lam_learn_the_best_exit_of_unsure_images() -> None:
    agreed, lost = learned("computed", 1000, 2e-2)
    assert agreed >= 0.98
    assert lost <= 0.0005
