"""The executor, compared with an independent interpreter of the papers' rules, with PyTorch, and with equivalent executions."""

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

import pytest
import torch
from graphs import CLASSES, Affine, graphs, images, rows, same
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from interpreter import Interpretation, all_active, greedy
from torch import Tensor, nn

from core.config import run_config
from core.graph.builder import Builder
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Edge, Gate, GraphError, Node
from core.graph.policy import EpsilonGreedy, Forced, Greedy, Open, Policy, Random, RandomPrefix, Replay, Stacked, StraightThrough
from core.modules.layers import Add, Constant, conv
from core.training.assembly import assemble

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])


class FirstValues(nn.Module):
    """Control module whose scores are the first values of its first input, times `by`."""

    def __init__(self, options: int, by: float = 1.0) -> None:
        super().__init__()
        self.options, self.by = options, nn.Parameter(torch.tensor(by))

    def forward(self, x: Tensor, *others: Tensor, weight: Tensor | None = None) -> Tensor:
        return x[:, : self.options] * self.by


class Times(nn.Module):
    """The sum of the inputs, times `by`."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack(inputs).sum(dim=0) * self.by


@settings(quick, max_examples=120)
@given(graphs(), st.booleans(), st.integers(0, 99))
def test_random_graphs_agree_with_the_interpreter(graph: Graph, opened: bool, seed: int) -> None:
    agrees(graph, opened, seed)


@pytest.mark.long
@settings(quick, max_examples=500)
@given(graphs(), st.booleans(), st.integers(0, 99))
def test_many_random_graphs_agree_with_the_interpreter(graph: Graph, opened: bool, seed: int) -> None:
    agrees(graph, opened, seed)


def agrees(graph: Graph, opened: bool, seed: int) -> None:
    """What runs, which gates open and what is answered is as an interpreter of the rules says, image by image."""
    x = images(5, seed)
    execution = execute(graph, x, Open() if opened else Greedy())
    answers = execution.output
    assert list(execution.ran) == [node.name for node in graph.nodes]
    for row, image in enumerate(x):
        expected = Interpretation(graph, image, all_active if opened else greedy)
        assert {name for name, ran in execution.ran.items() if ran[row]} == {k for k, v in expected.results.items() if v is not None}
        for node in graph.outputs:
            result = expected.results[node.name]
            assert torch.equal(execution.outputs[node.name][row], torch.zeros(CLASSES) if result is None else result)
        for control in graph.controls:
            assert execution.gates[control.name][row].tolist() == expected.active(control)
        answer = expected.answer
        assert answers[row].isnan().all() if answer is None else torch.equal(answers[row], answer)


def skipped_by_null(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(not node.gates and not bool(ran[node.name].all()) for node in graph.nodes)


def revived_by_default(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(bool((ran[node.name] & ~ran[edge.source]).any()) for node in graph.nodes for edge in node.inputs if edge.default)


def opened_by_one_of_two(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(len({gate.control for gate in node.gates}) > 1 and 0 < int(ran[node.name].sum()) < 5 for node in graph.nodes)


def gated_dummy(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(node.kind == "dummy" and node.gates and 0 < int(ran[node.name].sum()) < 5 for node in graph.nodes)


def several_answers(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return len({tuple(bool(ran[node.name][row]) for node in graph.outputs) for row in range(5)}) > 1


def no_answer(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return not bool(torch.stack([ran[node.name] for node in graph.outputs]).any(dim=0).all())


def skipped_control(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(0 < int(ran[control.name].sum()) < 5 for control in graph.controls)


def scaled(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(control.decides == "each" and graph.opened_by(control.name, 1) for control in graph.controls)


def four_options(graph: Graph, ran: dict[str, Tensor]) -> bool:
    return any(len(control.options) == 4 and control.decides == "one" for control in graph.controls)


CASES = (
    skipped_by_null,
    revived_by_default,
    opened_by_one_of_two,
    gated_dummy,
    several_answers,
    no_answer,
    skipped_control,
    scaled,
    four_options,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_random_graphs_include_every_case(case: Callable[[Graph, dict[str, Tensor]], bool]) -> None:
    search = settings(quick, max_examples=300, phases=[Phase.generate])
    graph = find(graphs(), lambda graph: case(graph, execute(graph, images(5), Greedy()).ran), settings=search)
    assert case(graph, execute(graph, images(5), Greedy()).ran)


@quick
@given(graphs(), st.sampled_from([Greedy(), Open()]))
def test_dense_single_and_replayed_executions_agree(graph: Graph, policy: Policy) -> None:
    x = images(6)
    execution = execute(graph, x, policy)
    assert same(execution, execute(graph, x, Replay(execution)))
    assert same(execution, execute(graph, x, Replay(execution), dense=True))
    assert same(execution, execute(graph, x, policy, dense=True))
    for row in range(len(x)):
        single = rows(execution, [row])
        assert same(single, execute(graph, x[row : row + 1], Replay(single)))


@quick
@given(graphs(), st.permutations(range(6)))
def test_results_do_not_depend_on_the_rest_of_the_batch(graph: Graph, order: list[int]) -> None:
    x = images(6)
    assert same(rows(execute(graph, x, Greedy()), order[:4]), execute(graph, x[order[:4]], Greedy()))


@quick
@given(
    graphs(),
    st.sampled_from(
        [
            lambda generator: Random(0.5, generator),
            lambda generator: EpsilonGreedy(0.5, generator),
            lambda generator: RandomPrefix(torch.tensor([1, 0, 2, 3]), torch.tensor([0.2, 0.9, 0.5, 0.7]), defaultdict(int), generator),
        ]
    ),
    st.integers(0, 99),
)
def test_random_gates_do_not_depend_on_the_rest_of_the_batch(graph: Graph, policy: Callable[[torch.Generator], Policy], seed: int) -> None:
    x, others = images(4), images(4, seed=1)
    mixed = torch.cat([x[:2], others[2:]])
    first, second = (execute(graph, batch, policy(torch.Generator().manual_seed(seed))) for batch in (x, mixed))
    assert same(rows(first, [0, 1]), rows(second, [0, 1]))


@quick
@given(graphs(), st.lists(st.sampled_from([0.0, 0.3, 0.7, 1.0]), min_size=3, max_size=3), st.booleans())
def test_copies_agree_with_separate_executions(graph: Graph, rates: list[float], dense: bool) -> None:
    x = images(5)

    def policies() -> list[Policy]:
        return [Greedy(), Open(), *(Random(rate, torch.Generator().manual_seed(7)) for rate in rates)]

    together = execute(graph, x, Stacked(policies()), dense=dense, copies=5)
    for number, policy in enumerate(policies()):
        assert same(rows(together, range(5 * number, 5 * number + 5)), execute(graph, x, policy))


@quick
@given(graphs())
def test_copies_with_the_same_gates_are_computed_once(graph: Graph) -> None:
    computed_once(graph)


@pytest.mark.long
@settings(quick, max_examples=200)
@given(graphs())
def test_copies_of_many_graphs_with_the_same_gates_are_computed_once(graph: Graph) -> None:
    computed_once(graph)


def computed_once(graph: Graph) -> None:
    """Four copies with the same gates call each module with as many images as one."""
    called: Counter[str] = Counter()

    def count(name: str, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        called[name] += len(inputs[0])

    computing = [node.name for node in graph.nodes if node.kind not in ("input", "dummy")]
    for name in computing:
        graph.parts[name].register_forward_pre_hook(partial(count, name))
    once = execute(graph, images(6), Greedy())
    counted = dict(called)
    called.clear()
    fourfold = execute(graph, images(6), Stacked([Greedy()] * 4), copies=4)
    assert called.keys() == counted.keys()
    assert all(called[name] <= calls for name, calls in counted.items())  # fewer behind a dummy, which is the same for all images
    assert all(torch.equal(fourfold.ran[name], once.ran[name].repeat(4)) for name in once.ran)


def test_copies_at_several_lams_share_computation_that_does_not_depend_on_lam() -> None:
    graph = assemble(run_config(architecture="chain", dataset="digits", method="d2nn"), (1, 16, 16), 10).eval()
    x, lams = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.linspace(0, 1, 21)
    called: list[int] = []
    graph.parts["scout"].register_forward_pre_hook(lambda part, inputs: called.append(len(inputs[0])))
    together = execute(graph, x, Greedy(), lam=lams.repeat_interleave(4), copies=21)
    assert called == [4]
    for number, lam in enumerate(lams.tolist()):
        single, copy = execute(graph, x, Greedy(), lam=lam), rows(together, range(4 * number, 4 * number + 4))
        assert all(torch.equal(single.ran[name], copy.ran[name]) for name in single.ran)
        torch.testing.assert_close(copy.output, single.output)


@quick
@given(graphs())
def test_skipped_nodes_are_not_computed(graph: Graph) -> None:
    called: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def count(name: str, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        called[name] += len(inputs[0])
        calls[name] += 1

    computing = [node.name for node in graph.nodes if node.kind not in ("input", "dummy")]
    for name in computing:
        graph.parts[name].register_forward_pre_hook(partial(count, name))
    execution = execute(graph, images(6), Greedy())
    assert {name: called[name] for name in computing} == {name: int(execution.ran[name].sum()) for name in computing}
    assert {name: calls[name] for name in computing} == {name: int(execution.ran[name].any()) for name in computing}


def test_dense_computes_every_row() -> None:
    graph = two_branches()
    called: list[int] = []
    graph.parts["low"].register_forward_pre_hook(lambda part, inputs: called.append(len(inputs[0])))
    execution = execute(graph, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), Greedy(), dense=True)
    assert execution.ran["low"].tolist() == [True, False, False]
    assert called == [3]


def two_branches(low_default: float | None = 0.0, high_default: float | None = 0.0, by: float = 1.0) -> Graph:
    """Return a graph in which the larger value of x selects `low` (times 2) or `high` (times 5), and y adds their outputs."""
    nodes = [
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), (), ("low", "high")),
        Node("low", "regular", (Edge("x"),), (Gate("Q", 0),)),
        Node("high", "regular", (Edge("x"),), (Gate("Q", 1),)),
        Node("y", "output", (Edge("low", low_default), Edge("high", high_default))),
    ]
    return Graph(nodes, {"Q": FirstValues(2, by), "low": Times(2.0), "high": Times(5.0), "y": Add()}, (2,))


def test_outputs_with_defaults_by_hand() -> None:
    execution = execute(two_branches(0.0, 7.0), torch.tensor([[3.0, 1.0], [1.0, 3.0]]), Greedy())
    assert execution.ran["low"].tolist() == [True, False]
    assert execution.ran["high"].tolist() == [False, True]
    assert execution.output.tolist() == [[6.0 + 7, 2.0 + 7], [5.0, 15.0]]


def test_an_output_without_a_default_is_skipped() -> None:
    execution = execute(two_branches(0.0, None), torch.tensor([[3.0, 1.0], [1.0, 3.0]]), Greedy())
    assert execution.ran["y"].tolist() == [False, True]
    assert execution.output[0].isnan().all()
    assert execution.output[1].tolist() == [5.0, 15.0]
    assert execution.outputs["y"][0].tolist() == [0.0, 0.0]


def test_independent_gates_scale_by_the_largest_open_gate() -> None:
    nodes = [
        Node("x", "input"),
        Node("L", "control", (Edge("x"),), (), ("a", "b"), "each"),
        Node("both", "regular", (Edge("x"),), (Gate("L", 0), Gate("L", 1))),
        Node("y", "output", (Edge("both", 0.0),)),
    ]
    graph = Graph(nodes, {"L": FirstValues(2), "both": Times(10.0), "y": Add()}, (2,))
    x = torch.tensor([[2.0, 3.0], [0.5, -1.0], [0.0, -2.0]])
    for dense in (False, True):
        execution = execute(graph, x, Greedy(), dense=dense)
        assert execution.output.tolist() == [[60.0, 90.0], [2.5, -5.0], [0.0, 0.0]]
        assert execution.ran["both"].tolist() == [True, True, False]
        assert execution.gate(graph.by_name["both"]).tolist() == [3.0, 0.5, 0.0]
        assert execution.gate(graph.by_name["y"]).tolist() == [1.0, 1.0, 1.0]


def test_a_skipped_control_node_opens_nothing_even_if_forced() -> None:
    nodes = [
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), (), ("stop", "on")),
        Node("mid", "regular", (Edge("x"),), (Gate("Q", 1),)),
        Node("R", "control", (Edge("mid"),), (), ("a", "b")),
        Node("end", "regular", (Edge("x"),), (Gate("R", 0), Gate("R", 1))),
        Node("y", "output", (Edge("end", -1.0),)),
    ]
    graph = Graph(nodes, {"Q": FirstValues(2), "mid": Times(1.0), "R": FirstValues(2), "end": Times(1.0), "y": Add()}, (2,))
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    execution = execute(graph, x, Forced({"Q": {0: True}}, Forced({"R": {1: True}})))
    assert not execution.ran["R"].any()
    assert not execution.gates["R"].any()
    assert execution.output.tolist() == [[-1.0, -1.0]] * 2


def test_the_prediction_is_that_of_the_last_output_that_ran() -> None:
    g = Builder((2,))
    gates = g.control("Q", g.input, options=("stop", "on"), part=FirstValues(2))
    g.output("early", Times(1.0), g.input)
    g.output("late", Times(-1.0), g.input, when=gates[1])
    execution = execute(g.build(), torch.tensor([[2.0, 1.0], [1.0, 2.0]]), Greedy())
    assert execution.output.tolist() == [[2.0, 1.0], [-1.0, -2.0]]
    assert list(execution.outputs) == ["early", "late"]


def test_gradients_reach_controllers_of_closed_gates_when_dense() -> None:
    x = torch.tensor([[3.0, 1.0]])  # low is selected
    gradients = {}
    for dense in (True, False):
        graph = two_branches(by=0.25)
        execute(graph, x, StraightThrough(), dense=dense).output.sum().backward()
        gradients[dense] = {name: parameter.grad for name, parameter in graph.named_parameters()}
    probabilities = torch.tensor([0.75, 0.25]).softmax(0)
    slope = probabilities[0] * probabilities[1]  # of the softmax; the derivatives of the scores are 3 and 1, the branch sums 2·4 and 5·4
    by_hand = (2 * 4 - 5 * 4) * slope * (3 - 1)
    assert gradients[True]["parts.Q.by"] == pytest.approx(float(by_hand), rel=1e-5)
    assert gradients[False]["parts.Q.by"] == pytest.approx(float(2 * 4 * slope * (3 - 1)), rel=1e-5)
    assert gradients[True]["parts.high.by"] in (None, 0)  # a closed gate is zero, so its module has no gradient
    assert gradients[True]["parts.low.by"] == pytest.approx(4.0)


def test_gradients_reach_controllers_of_closed_dummies_when_dense() -> None:
    nodes = [
        Node("x", "input"),
        Node("Q", "control", (Edge("x"),), (), ("without", "with")),
        Node("d", "dummy", (), (Gate("Q", 1),)),
        Node("y", "output", (Edge("x"), Edge("d", 0.0))),
    ]
    graph = Graph(nodes, {"Q": FirstValues(2, 0.25), "d": Constant(torch.tensor([1.0, 2.0])), "y": Add()}, (2,))
    execution = execute(graph, torch.tensor([[3.0, 1.0]]), StraightThrough(), dense=True)
    assert execution.output.tolist() == [[3.0, 1.0]]
    execution.output.sum().backward()
    probabilities = torch.tensor([0.75, 0.25]).softmax(0)
    by_hand = 3 * probabilities[0] * probabilities[1] * (1 - 3)  # the dummy's sum is 3; the derivatives of the scores are 1 and 3
    assert float(graph.parts["Q"].by.grad) == pytest.approx(float(by_hand), rel=1e-5)


def test_the_forward_pass_of_straight_through_is_greedy() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 2, generator=generator) * 6 - 3
    graph = two_branches()
    assert same(execute(graph, x, Greedy()), execute(graph, x, StraightThrough()))


@pytest.mark.parametrize("training", [True, False])
def test_a_graph_without_gates_agrees_with_sequential(training: bool) -> None:
    torch.manual_seed(0)
    layers = [conv(3, 4, stride=2), conv(4, 5), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2))]
    g = Builder((3, 8, 8))
    g.output("y", layers[2], g.add("b", layers[1], g.add("a", layers[0], g.input)))
    graph, sequential = g.build().train(training), nn.Sequential(*layers).train(training)
    x = torch.randn(7, 3, 8, 8)
    for dense in (False, True):
        assert torch.equal(execute(graph, x, Greedy(), dense=dense).output, sequential(x))


def test_the_input_is_not_modified() -> None:
    x = images(6)
    original = x.clone()
    graph = two_branches()
    execute(graph, x[:, :2], Greedy(), dense=True)
    assert torch.equal(x, original)


def every_lam_graph() -> Graph:
    torch.manual_seed(1)
    g = Builder((2, 4, 4), every_lam=True)
    gates = g.control("Q", g.input, options=("low", "high"))
    g.output("y low", nn.Flatten(), g.input, when=gates[0])
    g.output("y high", nn.Sequential(nn.Flatten(), nn.Linear(32, 32)), g.input, when=gates[1])
    graph = g.build()
    graph.parts["Q"].min_remaining_cost.copy_(torch.tensor([0.0, 0.3]))
    return graph.eval()


def test_lam_is_required_and_may_differ_per_image() -> None:
    graph, x = every_lam_graph(), torch.randn(9, 2, 4, 4)
    with pytest.raises(GraphError, match="serves every λ: give one"):
        execute(graph, x, Greedy())
    lams = torch.linspace(0, 1, 9)
    execution = execute(graph, x, Greedy(), lam=lams)
    accuracy, efficiency = execution.values["Q"].unbind(-1)
    assert torch.allclose(execution.scores["Q"], lams[:, None] * accuracy + (1 - lams[:, None]) * efficiency)
    for row, lam in enumerate(lams.tolist()):
        single = execute(graph, x[row : row + 1], Greedy(), lam=lam)
        assert torch.allclose(single.scores["Q"], execution.scores["Q"][row : row + 1], atol=1e-6)
    assert execution.gates["Q"][0].tolist() == [1.0, 0.0]  # at λ = 0 the cheaper option


def test_lam_is_ignored_by_graphs_without_lam() -> None:
    graph, x = two_branches(), torch.tensor([[3.0, 1.0], [1.0, 3.0]])
    assert same(execute(graph, x, Greedy()), execute(graph, x, Greedy(), lam=0.9))


def test_inputs_are_in_the_order_of_the_edges() -> None:
    part = Affine([2, 2], 2, torch.Generator().manual_seed(3))
    nodes = [Node("x", "input"), Node("a", "regular", (Edge("x"),)), Node("y", "output", (Edge("a"), Edge("x")))]
    graph = Graph(nodes, {"a": Times(2.0), "y": part}, (2,))
    x = torch.tensor([[1.0, -1.0], [3.0, 2.0]])
    execution: Execution = execute(graph, x, Greedy())
    assert torch.equal(execution.output, part(2 * x, x))
    assert not torch.equal(execution.output, part(x, 2 * x))


def test_invalid_values_of_closed_modules_have_no_effect_when_dense() -> None:
    class Log(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.log()

    g = Builder((3,))
    first, second = g.control("Q", g.input, options=("a", "b"), part=FirstValues(2))
    a, b = g.add("a", nn.Identity(), g.input, when=first), g.add("b", Log(), g.input, when=second)
    g.output("y", Add(), Edge(a, 0.0), Edge(b, 0.0))
    graph, x = g.build(), torch.tensor([[-1.0, -2.0, -3.0], [0.0, 1.0, 2.0]])
    selective, dense = (execute(graph, x, Greedy(), dense=dense) for dense in (False, True))
    assert torch.equal(selective.output[0], x[0])
    assert torch.equal(selective.output, dense.output)
