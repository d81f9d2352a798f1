"""Methods for early exits: thresholds that no others beat, policies that know what follows, and decisions that follow from the answers."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_engine import alike as engine_alike
from test_program import alike as program_alike
from test_program import runs
from torch import Generator, Tensor, nn

from core.config import run_config
from core.datasets import Data, Split
from core.datasets.digits import Digits
from core.graph.builder import Builder
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost, reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge
from core.graph.policy import Greedy
from core.methods import Batch, exit_thresholds
from core.methods.bolukbasi import POLICY_STEPS, Bolukbasi
from core.methods.branchynet import BranchyNet
from core.methods.decision_gates import DecisionGates, hinge_loss, linear_classifier
from core.methods.exit_policies import fit_policies, fit_weighted, gain_of_going_on
from core.methods.exit_thresholds import tabulate_thresholds
from core.methods.exits import ExitMethod, ExitOutcomes, early_exits, exit_costs, exit_outcomes, exit_rules
from core.methods.l2w import L2W
from core.modules.exits import ConfidenceRule, DistanceRule, EntropyRule, PolicyRule
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.train import train

METHODS = ("branchynet", "decision_gates", "bolukbasi", "l2w")
TRAINED: tuple[ExitMethod, ...] = (BranchyNet(), DecisionGates(), Bolukbasi(), L2W())
CLASSES = 3


def toy(exits: int = 2, *, every_lam: bool = False) -> Graph:
    """A cascade whose answers are written into the image: exit k's logits are its channels from 3k on. Each stage costs the same."""
    channels = CLASSES * (exits + 1)
    g = Builder((channels, 1, 1), every_lam=every_lam)
    seen, on = g.input, ()
    for number in range(exits + 1):
        stage = nn.Conv2d(channels, channels, 1, bias=False)
        told = nn.Linear(channels, CLASSES)
        nn.init.zeros_(told.bias)
        with torch.no_grad():
            stage.weight.copy_(torch.eye(channels)[:, :, None, None])
            told.weight.copy_(torch.eye(channels)[CLASSES * number : CLASSES * (number + 1)])
        seen = g.add(f"stage {number}", stage, seen, when=on)
        answer = g.add(f"answer {number}", nn.Sequential(nn.Flatten(), told), seen)
        if number < exits:
            on = g.control(f"Q{number}", seen, answer, options=("stop", "go on"))[1:]
        g.output(f"y{number}", nn.Identity(), answer)
    return g.build().eval()


def told(count: int, exits: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images of the toy and their classes: later exits are right more often, and surer of it."""
    generator = Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    logits = torch.randn(count, exits + 1, CLASSES, generator=generator)
    logits += F.one_hot(labels, CLASSES)[:, None] * (1 + torch.arange(exits + 1)[:, None])
    return logits.flatten(1)[:, :, None, None], labels


def stops(doubts: Tensor, thresholds: Tensor) -> Tensor:
    """The exit at which each of N images stops, by doubts (N, K) and thresholds (K,), one image and one exit after the other."""
    places = []
    for row in doubts.tolist():
        place = 0
        while place < len(row) and row[place] > float(thresholds[place]):
            place += 1
        places.append(place)
    return torch.tensor(places)


def outcome(doubts: Tensor, correct: Tensor, costs: Tensor, thresholds: Tensor) -> tuple[float, float]:
    """The accuracy and the mean cost of thresholds (K,)."""
    at = stops(doubts, thresholds)
    return float(correct[torch.arange(len(at)), at].double().mean()), float(costs[at].mean())


@pytest.mark.parametrize(("exits", "count"), [(1, 40), (2, 12), (3, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_no_other_thresholds_within_the_budget_are_more_accurate(exits: int, count: int, seed: int) -> None:
    generator = Generator().manual_seed(seed)
    doubts = torch.randint(8, (count, exits), generator=generator).double()  # some are equal
    correct = torch.rand(count, exits + 1, generator=generator) < torch.linspace(0.4, 0.9, exits + 1)
    costs = torch.rand(exits + 1, generator=generator, dtype=torch.float64).cumsum(dim=0)
    every = [
        outcome(doubts, correct, costs, torch.tensor(combination))
        for combination in product(*[[-1.0, *(k + 0.5 for k in range(8))]] * exits)
    ]
    budgets = torch.linspace(float(costs[0]), float(costs[-1]), 7)
    chosen = tabulate_thresholds(doubts, correct, costs).best(budgets)
    assert chosen.shape == (7, exits)
    for budget, thresholds in zip(budgets.tolist(), chosen, strict=True):
        accuracy, spent = outcome(doubts, correct, costs, thresholds)
        best = max(found for found, price in every if price <= budget + 1e-6)
        assert accuracy == pytest.approx(best)
        assert spent == pytest.approx(min(price for found, price in every if found >= best - 1e-9))


def test_a_table_holds_what_each_combination_gives() -> None:
    generator = Generator().manual_seed(0)
    doubts, correct = torch.rand(9, 2, generator=generator), torch.rand(9, 3, generator=generator) < 0.5
    costs = torch.tensor([0.2, 0.5, 1.1], dtype=torch.float64)
    table = tabulate_thresholds(doubts, correct, costs)
    assert table.cost.shape == (10, 10)
    for first, second in product(range(10), repeat=2):
        thresholds = torch.stack([table.candidates[0][first], table.candidates[1][second]])
        found = float(table.accuracy[first, second]), float(table.cost[first, second])
        assert found == pytest.approx(outcome(doubts, correct, costs, thresholds))
    assert float(table.cost[-1, 0]) == pytest.approx(0.2)  # all images stop at once
    assert float(table.cost[0, 0]) == pytest.approx(1.1)  # none stops early


def test_candidates_are_spread_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = torch.linspace(0, 1, 1001)[:, None].repeat(1, 3)
    monkeypatch.setattr(exit_thresholds, "MAX_TABULATED", 6**3)
    table = tabulate_thresholds(doubts, torch.ones(1001, 4, dtype=torch.bool), torch.arange(4.0))
    assert table.cost.shape == (6, 6, 6)
    assert torch.allclose(table.candidates[0][1:-1], torch.tensor([0.0005, 1 / 3, 2 / 3, 0.9995]).double(), atol=1e-3)
    with pytest.raises(ConfigError, match="at most 7 exits"):
        tabulate_thresholds(doubts[:, :1].repeat(1, 9), torch.ones(1001, 10, dtype=torch.bool), torch.arange(10.0))


@pytest.mark.parametrize("method", [BranchyNet(), DecisionGates()])
@pytest.mark.parametrize("lam", [0.0, 0.3, 0.8, 1.0])
def test_a_network_keeps_to_its_budget_and_none_does_better(method: ExitMethod, lam: float) -> None:
    graph, (images, labels) = method.prepare(toy(), lam).eval(), told(60)
    method.fit(graph, images, labels)
    outcomes, costs = exit_outcomes(graph, images, labels), exit_costs(graph)
    rules = exit_rules(graph)
    doubts = torch.cat([rule.observe(outcomes.answers[:, number]) for number, rule in enumerate(rules)], dim=1).double()
    middles = [[-99.0, *((column[1:] + column[:-1]) / 2).tolist(), 99.0] for column in doubts.sort(dim=0).values.T]
    places = [stops(doubts, torch.tensor(pair)) for pair in product(*(column[::3] + column[-1:] for column in middles))]
    rows = torch.arange(len(labels))
    every = [(float(outcomes.correct[rows, at].double().mean()), float(costs[at].mean())) for at in places]  # a third of all, each way
    execution = execute(graph, images, Greedy())
    accuracy, spent = float((execution.predicted == labels).double().mean()), float(reward_cost(graph, execution).mean())
    budget = float(costs[0] + lam * (costs[-1] - costs[0]))
    assert spent <= budget + 1e-6
    assert accuracy >= max(found for found, price in every if price <= budget + 1e-6) - 1e-9
    assert spent >= float(costs[0]) - 1e-9


def test_one_network_serves_every_budget() -> None:
    method, (images, labels) = BranchyNet(), told(400)
    every = method.prepare(toy(every_lam=True), None).eval()
    method.fit(every, images, labels)
    for lam in (0.0, 0.25, 0.5, 1.0):
        one = method.prepare(toy(), lam).eval()
        method.fit(one, images, labels)
        serving, own = execute(every, images, Greedy(), lam=lam), execute(one, images, Greedy())
        assert torch.equal(serving.output, own.output)
        assert torch.equal(cost(every, serving).used, cost(one, own).used)
        assert float(reward_cost(every, serving).mean()) <= float(exit_costs(every)[0] * (1 - lam) + exit_costs(every)[-1] * lam) + 1e-6


def test_what_each_exit_costs_is_what_stopping_there_costs() -> None:
    method, (images, labels) = BranchyNet(), told(30)
    graph = method.prepare(toy(), 0.5).eval()
    method.fit(graph, images, labels)
    at = stops(
        torch.cat([rule.observe(images.flatten(1)[:, 3 * k : 3 * k + 3]) for k, rule in enumerate(exit_rules(graph))], dim=1),
        torch.cat([rule.thresholds for rule in exit_rules(graph)]),
    )
    execution = execute(graph, images, Greedy())
    assert len(at.unique()) == 3
    assert torch.allclose(reward_cost(graph, execution), exit_costs(graph)[at])
    stage, answer = 9 * 9, 9 * 3
    assert exit_costs(graph).tolist() == pytest.approx([k * (stage + answer) / (3 * stage + answer) for k in (1, 2, 3)])  # rules are free
    assert torch.equal(execution.output, images.flatten(1).view(30, 3, 3)[torch.arange(30), at])


def test_an_image_stops_by_the_entropy_of_its_answer() -> None:
    rule, logits = EntropyRule(1), torch.tensor([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [400.0, 0.0, -400.0]])
    probabilities = np.exp(logits.double().numpy())
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    expected = [-sum(p * np.log(p) for p in row if p > 0) for row in probabilities]
    rule.thresholds.fill_(0.5)
    values = rule(logits, weight=None)
    assert values[:, 0].tolist() == [0.5] * 3
    assert values[:, 1].tolist() == pytest.approx(expected, abs=1e-6)
    assert values.argmax(dim=1).tolist() == [1, 0, 0]


def test_a_distance_is_that_of_the_features_from_the_hyperplane() -> None:
    """Moved by the distance against the normal of its likeliest class, an image lies on the hyperplane."""
    graph = DecisionGates().prepare(toy(), 0.5).eval()
    layer, generator = linear_classifier(graph, "answer 0"), Generator().manual_seed(0)
    nn.init.normal_(layer.weight, generator=generator)
    nn.init.normal_(layer.bias, generator=generator)
    images, labels = told(50)
    DecisionGates().fit(graph, images, labels)
    rule = graph.parts["Q0"]
    assert isinstance(rule, DistanceRule)
    features = images.flatten(1)
    distance = -rule.observe(layer(features))[:, 0]
    normals = layer.weight / layer.weight.norm(dim=1, keepdim=True)
    moved = layer(features[:, None] - distance[:, None, None] * normals)  # (N, normals, classes)
    on_planes = moved.diagonal(dim1=1, dim2=2)  # (N, classes): of each class, behind the move along its own normal
    assert torch.allclose(on_planes.amax(dim=1), torch.zeros(50), atol=1e-4)


def test_the_hinge_loss_asks_for_a_margin_of_one() -> None:
    answer = torch.tensor([[2.0, -3.0, -1.0], [0.5, 0.0, -2.0]])
    labels = torch.tensor([0, 1])
    assert float(hinge_loss(answer, labels)) == pytest.approx((0 + (1.5 + 1.0 + 0.0)) / 2)
    assert float(hinge_loss(answer, F.one_hot(labels, 3).float())) == pytest.approx(float(hinge_loss(answer, labels)))
    even = torch.full((2, 3), 0.5)
    assert float(hinge_loss(torch.zeros(2, 3), even)) == pytest.approx(3.0)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9, 1.0])
def test_the_weight_of_an_image_is_what_a_wrong_decision_costs(weight: float) -> None:
    """Four images: right at both exits, only here, only after going on, at neither. Going on costs 0.5 more."""
    stopping = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.2] * 4])
    following = torch.tensor([[[1.0, 0.0, 1.0, 0.0]], [[0.7] * 4]])
    price = (1 - weight) * 0.5
    gain = gain_of_going_on(stopping, following, torch.tensor([weight]))
    assert gain.tolist() == [pytest.approx([-price, -weight - price, weight - price, -price])]


def test_a_policy_without_features_follows_the_weighted_majority() -> None:
    """Without regularisation its bias would be log(W₊ / W₋), of the weights for going on and for stopping."""
    gain = torch.tensor([[3.0, -1.0, -1.0], [1.0, -2.0, -2.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    policy = fit_weighted(torch.zeros(3, 1, dtype=torch.float64), gain)
    assert policy[:, 0].tolist() == [0.0] * 3
    assert policy[:2, 1].tolist() == pytest.approx([np.log(3 / 2), np.log(1 / 4)], rel=0.05)
    assert float(policy[2, 1]) > 2


def test_policies_know_what_follows_from_going_on() -> None:
    """Each image carries a sign for each policy. Exit 0 is always wrong, exit 1 right for the first half, the last exit for the second.

    Exit 1's features tell the halves apart, so its policy sends only the second half on. Going on from exit 0 then always ends right, at
    different costs: it pays for the first half alone where the last exit is too dear.
    """
    half = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(50)[:, None]
    first = half[:, 0] > 0
    correct = torch.stack([torch.zeros(100, dtype=torch.bool), first, ~first], dim=1)
    outcomes = ExitOutcomes(torch.zeros(100, 3, 2), correct, torch.tensor([0.1, 0.2, 2.0], dtype=torch.float64))
    weight = torch.tensor([0.05, 0.4, 0.8], dtype=torch.float64)
    policies = fit_policies([half, half], outcomes, weight)
    goes_on = [policy[:, :-1] @ half.T + policy[:, -1:] > 0 for policy in policies]  # (steps, N) each
    decided = [[(bool(one[step][first].all()), bool(one[step][~first].any())) for step in range(3)] for one in goes_on]
    pays = [(w - (1 - w) * 0.1 > 0, w - (1 - w) * 1.8 > 0) for w in weight.tolist()]
    assert pays == [(False, False), (True, False), (True, True)]
    assert decided[1] == [(False, False), (False, False), (False, True)]
    assert decided[0] == [(False, False), (True, False), (True, True)]


def test_policies_of_a_network_gain_on_either_extreme() -> None:
    method, (images, labels) = Bolukbasi(exchange_rate=1.0), told(600)
    rewards = {}
    for lam in (0.0, 0.6, 1.0):
        graph = method.prepare(toy(), lam).eval()
        method.fit(graph, images, labels)
        execution = execute(graph, images, Greedy())
        right = (execution.predicted == labels).double()
        rewards[lam] = float(graph.tradeoff.reward(right, reward_cost(graph, execution), lam).mean())
        outcomes = exit_outcomes(graph, images, labels)
        alone = graph.tradeoff.reward(outcomes.correct.double(), outcomes.costs, lam).mean(dim=0)  # of every image at one exit
        assert rewards[lam] >= float(alone.max()) - 0.01
    assert rewards[0.6] > float(graph.tradeoff.reward(outcomes.correct.double(), outcomes.costs, 0.6).mean(dim=0).max()) + 0.01
    assert rewards[0.0] == pytest.approx(-float(exit_costs(graph)[0]), abs=1e-6)


def shaken(graph: Graph, seed: int = 0) -> Graph:
    """The graph with exit rules whose numbers are drawn, so that some images stop at each exit."""
    generator = Generator().manual_seed(seed)
    for number, rule in enumerate(exit_rules(graph)):
        rule.thresholds.copy_(0.3 + 0.4 * torch.rand(rule.thresholds.shape, generator=generator))
        if isinstance(rule, ConfidenceRule):
            rule.thresholds.mul_(0.3)  # doubts are below 1 here, and mostly small
        if isinstance(rule, PolicyRule):
            rule.weights.copy_(0.05 * torch.randn(rule.weights.shape, generator=generator))
            rule.weights[:, -1] += 1  # of the entropy
        if isinstance(rule, DistanceRule):
            rule.norms.copy_(0.5 + torch.rand(rule.norms.shape, generator=generator))
            rule.thresholds.sub_(2.0 - number)
    return graph


@pytest.mark.parametrize("lam", [None, 0.5])
@pytest.mark.parametrize("method", TRAINED, ids=METHODS)
def test_an_image_stops_where_its_answers_say(method: ExitMethod, lam: float | None) -> None:
    graph, (images, _) = shaken(method.prepare(toy(every_lam=lam is None), lam).eval()), told(300)
    at = 0.37 if lam is None else lam
    execution = execute(graph, images, Greedy(), lam=at)
    logits = images.flatten(1).view(300, 3, 3).double()
    doubts = torch.zeros(300, 2, dtype=torch.float64)
    thresholds = torch.zeros(2, dtype=torch.float64)
    for number, rule in enumerate(exit_rules(graph)):
        row = round(at * (len(rule.thresholds) - 1)) if lam is None else 0
        logs = logits[:, number].log_softmax(dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1)
        thresholds[number] = rule.thresholds[row]
        if isinstance(rule, EntropyRule):
            doubts[:, number] = entropy
        elif isinstance(rule, ConfidenceRule):
            doubts[:, number] = 1 - logs.exp().max(dim=1).values
        elif isinstance(rule, DistanceRule):
            doubts[:, number] = -(logits[:, number] / rule.norms).max(dim=1).values
        elif isinstance(rule, PolicyRule):
            seen = torch.cat([logs.sort(dim=1, descending=True).values, entropy[:, None]], dim=1)
            doubts[:, number] = seen @ rule.weights[row].double()
    place = stops(doubts, thresholds)
    assert len(place.unique()) == 3
    assert torch.equal(execution.output.double(), logits[torch.arange(300), place])
    assert torch.equal(sum(execution.ran[f"y{number}"].long() for number in range(3)) - 1, place)


@pytest.mark.parametrize("lam", [None, 0.5])
@pytest.mark.parametrize("method", TRAINED, ids=METHODS)
def test_programs_and_the_fast_engine_decide_alike(method: ExitMethod, lam: float | None) -> None:
    graph, (images, _) = shaken(method.prepare(toy(every_lam=lam is None), lam).eval()), told(40)
    session = runs(graph)
    for at in (0.0, 0.37, 1.0) if lam is None else (None,):
        for image in images[:12]:
            program_alike(graph, session, image[None], at)
        engine_alike(graph, images, Greedy(), Greedy(), at)
        engine_alike(graph, images[:1], Greedy(), Greedy(), at)


@pytest.mark.parametrize("lam", [None, 0.5])
@pytest.mark.parametrize("name", METHODS)
def test_stored_rules_decide_alike(name: str, lam: float | None) -> None:
    config = run_config(
        architecture={"name": "resnet_cascade", "n": 1, "width": 4, "exits": [1, 2]}, dataset="digits", method=name, lam=lam
    )
    graph, again = (assemble(config, (1, 8, 8), 10).eval() for _ in range(2))
    unpack(pack(shaken(graph, 3)), again)
    x = torch.randn(50, 1, 8, 8, generator=Generator().manual_seed(0))
    one, other = (execute(network, x, Greedy(), lam=0.4) for network in (graph, again))
    assert torch.equal(one.output, other.output)
    assert all(torch.equal(one.gates[name], other.gates[name]) for name in one.gates)


def few() -> Data:
    """Some of the digits."""
    whole = Digits().read()
    parts = (Split(part.images[:count], part.labels[:count]) for part, count in ((whole.train, 400), (whole.val, 100), (whole.test, 100)))
    return Data(*parts, whole.classes)


@pytest.mark.parametrize("lam", [None, 0.4])
@pytest.mark.parametrize("name", METHODS)
def test_a_short_training_gives_a_network_that_keeps_to_lam(name: str, lam: float | None) -> None:
    shape = {"name": "cascade", "trunk": [4, 8, 8], "head": [8, 8, 8]}
    training = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01}
    config, data = run_config(architecture=shape, dataset="digits", method=name, lam=lam, training=training), few()
    *_, last = train(config, data)
    assert last.final is not None
    rows = last.final["val"]
    spent = [row["macs_mean"] / row["macs_static"] for row in rows]
    graph = assemble(config, data.image, 10).eval()
    assert last.state is not None
    unpack(last.state, graph)
    costs = exit_costs(graph).tolist()
    if lam is None:
        assert costs[0] - 1e-6 <= spent[0] < spent[-1] <= costs[-1] + 1e-6
    elif name != "bolukbasi":
        assert costs[0] - 1e-6 <= spent[0] <= costs[0] + lam * (costs[-1] - costs[0]) + 1e-6
    assert rows[-1]["accuracy"] > 0.2  # chance is 0.1


@pytest.mark.parametrize("method", TRAINED, ids=METHODS)
def test_every_exit_learns_from_every_image_and_the_holdout_from_none(method: ExitMethod) -> None:
    graph, (images, labels) = method.prepare(toy(), 0.5).train(), told(20)
    holdout = torch.arange(20) >= 15
    teacher = torch.zeros(20, CLASSES)
    taught = method.model_copy(update={"distillation_weight": 1.0})
    losses = taught.step(graph, Batch(images, labels, holdout, teacher), 0.5, 0.0, Generator()).losses
    fewer = taught.step(graph, Batch(images[:15], labels[:15], holdout[:15], teacher[:15]), 0.5, 0.0, Generator()).losses
    assert {name: loss.item() for name, loss in losses.items()} == {name: loss.item() for name, loss in fewer.items()}
    assert set(losses) == {"classification", "distillation", *(["weights"] if isinstance(method, L2W) else [])}
    losses["classification"].backward()
    assert all(bool(linear_classifier(graph, f"answer {number}").weight.grad.abs().sum() > 0) for number in range(3))


def test_the_weight_of_early_exits_is_that_in_the_loss() -> None:
    images, labels = told(20)
    logits = images.flatten(1).view(20, 3, 3)
    early, last = [float(F.cross_entropy(logits[:, number], labels)) for number in range(2)], float(F.cross_entropy(logits[:, 2], labels))
    for weight in (0.0, 0.5, 2.0):
        method = BranchyNet(early_exit_weight=weight)
        found = method.step(method.prepare(toy(), 0.5), Batch(images, labels, torch.zeros(20, dtype=torch.bool)), 0.5, 0.0, Generator())
        assert found.losses["classification"].item() == pytest.approx(weight * sum(early) + last, rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "architecture", ["chain", "hierarchy", "plain", "lc_resnet", {"name": "cascade", "controller_sees": "features"}], ids=str
)
def test_other_architectures_are_refused_in_one_line(name: str, architecture: object) -> None:
    with pytest.raises(ConfigError, match="choose") as caught:
        run_config(architecture=architecture, dataset="digits", method=name)
    assert "\n" not in str(caught.value)


def test_control_nodes_that_are_no_early_exits_are_named() -> None:
    for name in ("chain", "hierarchy"):
        graph = run_config(architecture=name, dataset="digits", method="d2nn").architecture.build((1, 8, 8), 10)
        with pytest.raises(ConfigError, match="is not an early exit, which sees an answer") as caught:
            BranchyNet().prepare(graph, 0.5)
        assert graph.controls[0].name in str(caught.value)
    none = run_config(architecture={"name": "resnet_cascade", "n": 1, "exits": []}, dataset="digits", method="branchynet")
    with pytest.raises(ConfigError, match="has no early exits: name at least one"):
        assemble(none, (1, 8, 8), 10)


def test_architectures_with_early_exits_have_them_in_their_graphs() -> None:
    found = {}
    for name in ("cascade", "high_low", "resnet_cascade", "msdnet"):
        architecture = run_config(architecture=name, dataset="digits", method="branchynet").architecture
        found[name] = [one.control for one in early_exits(architecture.build((1, 16, 16), 10))]
    assert found == {
        "cascade": ["Q1", "Q2", "Q3"],
        "high_low": ["Q"],
        "resnet_cascade": ["Q1", "Q2", "Q3"],
        "msdnet": ["Q1", "Q2", "Q3", "Q4"],
    }


def test_a_rule_sees_the_answer_alone_and_its_policy_is_counted() -> None:
    entropy, policy = (method.prepare(toy(every_lam=True), None) for method in (BranchyNet(), Bolukbasi()))
    assert entropy.by_name["Q1"].inputs == policy.by_name["Q1"].inputs == (Edge("answer 1"),)
    assert entropy.macs["Q1"] == 0
    assert policy.macs["Q1"] == CLASSES + 1
    assert policy.parts["Q1"].weights.shape == (POLICY_STEPS, CLASSES + 1)
