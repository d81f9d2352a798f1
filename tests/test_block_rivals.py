"""Methods on the gates of blocks: ConvNet-AIG, BlockDrop and the Composer, against closed forms and on toys whose best routes are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Generator, Tensor, nn
from torch.optim import Adam

from core.config import RunConfig, run_config
from core.datasets import Data, Split
from core.graph.checkpoint import unpack
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge, Node
from core.graph.policy import Forced, Greedy, GumbelStraightThrough, Open, Sampled, Unscaled
from core.graph.tradeoff import BudgetCurve, ExchangeRate, FixedLam
from core.methods import Batch, Method
from core.methods.aig import AIG
from core.methods.block_gates import block_gates
from core.methods.blockdrop import BlockDrop, reward
from core.methods.odena import Odena
from core.methods.policy_gradient import log_likelihood, roll_out
from core.methods.static_gates import gate_networks
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.train import train
from tests.test_lcnet import halves, two_blocks
from tests.toys import LAMS, agreement, marked, three_paths

ONE = Node("Q", "control", (Edge("x"),), (), ("a", "b", "c"))
EACH = Node("Q", "control", (Edge("x"),), (), ("a", "b", "c"), "each")
SCORES = torch.tensor([-2.0, 0.0, 1.5])
ROWS = 40_000
SIGNIFICANCE = 1e-4  # p-value below which a test fails
IMAGES = torch.randn(16, 1, 8, 8, generator=Generator().manual_seed(0))
SHAPE = {"name": "lc_resnet", "depth": 8, "width": 4, "channels": False}  # three blocks


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def batch(images: Tensor, labels: Tensor) -> Batch:
    return Batch(images, labels, torch.zeros(len(labels), dtype=torch.bool))


def network(method: str, lam: float | None = 0.5, **options: Any) -> Graph:
    """A ResNet of three blocks as a method prepares it, in training mode, with gate networks that depend on the image."""
    config = run_config(architecture=SHAPE | options, dataset="digits", method=method, lam=lam)
    graph = assemble(config, (1, 8, 8), 10)
    for part in gate_networks(graph).values():
        nn.init.normal_(part.head.weight, generator=seeded(1))
    return graph.train()


@dataclass(frozen=True)
class Set:
    """A policy that gives every image the same gates."""

    gates: dict[str, Sequence[float]]

    def __call__(self, control: Node, scores: Tensor) -> Tensor:
        return torch.tensor(self.gates[control.name]).expand_as(scores)


def test_gates_with_gumbel_noise_open_as_often_as_their_scores_say() -> None:
    scores = SCORES.expand(ROWS, 3)
    gates = GumbelStraightThrough(1.0, seeded())(EACH, scores)
    assert set(gates.unique().tolist()) == {0.0, 1.0}
    rates = SCORES.sigmoid()
    assert bool(((gates.mean(dim=0) - rates).abs() < 5 * (rates * (1 - rates) / ROWS).sqrt()).all())
    options = GumbelStraightThrough(1.0, seeded())(ONE, scores)
    assert (options.sum(dim=1) == 1).all()
    assert chisquare(options.sum(dim=0), SCORES.double().softmax(dim=0) * ROWS).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_gradient_of_a_gate_with_gumbel_noise_is_the_relaxed_gates(temperature: float) -> None:
    """Its mean over the noise, u evenly spread in (0, 1), is the integral of the derivative of sigmoid((s + logit u) / T)."""
    scores = SCORES.repeat(ROWS, 1).requires_grad_()
    GumbelStraightThrough(temperature, seeded())(EACH, scores).sum().backward()
    noise = ((torch.arange(ROWS) + 0.5) / ROWS).double().logit()
    soft = ((SCORES.double() + noise[:, None]) / temperature).sigmoid()
    expected = (soft * (1 - soft) / temperature).mean(dim=0)
    assert scores.grad is not None
    assert scores.grad.mean(dim=0).tolist() == pytest.approx(expected.tolist(), rel=0.05)


def test_sampled_options_and_gates_have_the_stated_probabilities() -> None:
    scores = SCORES.expand(ROWS, 3)
    for epsilon, temperature in ((0.0, 1.0), (0.4, 0.5), (1.0, 1.0)):
        sampled = Sampled(seeded(), epsilon, temperature)
        options = (1 - epsilon) * (SCORES.double() / temperature).softmax(dim=0) + epsilon / 3
        assert sampled.probabilities(ONE, SCORES[None])[0].tolist() == pytest.approx(options.tolist(), abs=1e-6)
        drawn = sampled(ONE, scores)
        assert (drawn.sum(dim=1) == 1).all()
        assert chisquare(drawn.sum(dim=0), options * ROWS).pvalue > SIGNIFICANCE
        rates = (1 - epsilon) * (SCORES / temperature).sigmoid() + epsilon / 2
        opened = sampled(EACH, scores)
        assert set(opened.unique().tolist()) == {0.0, 1.0}
        assert opened.mean(dim=0).tolist() == pytest.approx(rates.tolist(), abs=0.015)


def test_unscaled_opens_what_greedy_opens() -> None:
    scores = torch.randn(200, 3, generator=seeded())
    assert torch.equal(Unscaled()(ONE, scores), Greedy()(ONE, scores))
    assert torch.equal(Unscaled()(EACH, scores), (scores > 0).float())


@pytest.mark.parametrize("method", ["aig", "blockdrop", "odena"])
def test_scores_are_log_odds_in_training_and_open_gates_are_one_afterwards(method: str) -> None:
    graph = network(method)
    drawn = execute(graph, IMAGES, Open()).scores["Q1-1"]
    assert len(drawn.unique()) > 10
    execution = execute(graph.eval(), IMAGES, Greedy())
    for gates in execution.gates.values():
        assert set(gates.unique().tolist()) <= {0.0, 1.0}


def enumerated(graph: Graph) -> list[dict[str, Sequence[float]]]:
    """Every way to set the gates of a graph."""
    shapes = {control.name: len(control.options) for control in graph.controls}
    ways = []
    for bits in product((0.0, 1.0), repeat=sum(shapes.values())):
        rest = list(bits)
        ways.append({name: [rest.pop(0) for _ in range(count)] for name, count in shapes.items()})
    return ways


@pytest.mark.parametrize("gates_of", ["block", "group"])
def test_the_policy_gradient_over_all_actions_is_that_of_the_expected_reward(gates_of: str) -> None:
    """For any rewards and any baseline: the sum over actions of p · (r − b) ∇log p is ∇ of the sum of p · r."""
    graph = network("blockdrop", gates_of=gates_of)
    sampled, ways = Sampled(seeded(), epsilon=0.3), enumerated(graph)
    rewards = torch.randn(len(ways), generator=seeded(2))
    parameters = [parameter for part in gate_networks(graph).values() for parameter in part.parameters()]
    logarithms = torch.stack([log_likelihood(graph, execute(graph, IMAGES, Set(way)), sampled, {}) for way in ways])  # (ways, B)
    assert torch.allclose(logarithms.exp().sum(dim=0), torch.ones(len(IMAGES)), atol=1e-5)
    expected = torch.autograd.grad((logarithms.exp().T @ rewards).mean(), parameters, retain_graph=True)
    surrogate = (logarithms.detach().exp() * (rewards - 0.7)[:, None] * logarithms).sum(dim=0).mean()
    for found, exact in zip(torch.autograd.grad(surrogate, parameters), expected, strict=True):
        assert torch.allclose(found, exact, atol=1e-5)
    assert max(float(one.abs().max()) for one in expected) > 1e-3


def test_a_rollouts_gradient_is_the_policy_gradient() -> None:
    """One controller of three options with fixed rewards: the gradient of its bias is p · (r − the mean reward)."""
    graph = three_paths()
    control = graph.parts["Q"]
    images, _ = marked(1, seeded())
    images, rewards = images.expand(ROWS, -1, -1, -1), torch.tensor([0.2, 1.0, -0.5])
    rollout = roll_out(graph, images, torch.full((ROWS,), 0.5), Sampled(seeded()), lambda done: done.gates["Q"] @ rewards)
    rollout.loss.backward()
    likely = execute(graph, images[:1], Greedy()).scores["Q"].detach().softmax(dim=1)[0]
    mean = float(likely @ rewards)
    assert float(rollout.reward) == pytest.approx(mean, abs=0.02)
    assert (-control.head.bias.grad).tolist() == pytest.approx((likely * (rewards - mean)).tolist(), abs=0.02)
    assert float(control.head.bias.grad.abs().max()) > 0.05


def test_columns_that_are_held_do_not_count_as_drawn() -> None:
    graph, held = network("blockdrop"), {"Q1-1": {0: True}, "Q2-1": {0: False}}
    sampled = Sampled(seeded())
    execution = execute(graph, IMAGES, Forced(held, sampled))
    likely = sampled.probabilities(graph.by_name["Q3-1"], execution.scores["Q3-1"])[:, 0]
    opened = execution.gates["Q3-1"][:, 0] > 0
    assert torch.allclose(log_likelihood(graph, execution, sampled, held), torch.where(opened, likely, 1 - likely).log())


def test_the_likelihood_counts_the_control_nodes_that_ran() -> None:
    graph = assemble(run_config(architecture="cascade", dataset="digits", method="odena", lam=0.5), (1, 8, 8), 10)
    sampled, first, *later = Sampled(seeded()), *(control.name for control in graph.controls)
    stopped = execute(graph, IMAGES, Set({first: (1.0, 0.0)} | dict.fromkeys(later, (0.0, 1.0))))
    assert not any(bool(stopped.ran[name].any()) for name in later)
    likely = stopped.scores[first].log_softmax(dim=1)[:, 0]
    assert torch.allclose(log_likelihood(graph, stopped, sampled, {}), likely, atol=1e-5)


@pytest.mark.parametrize("lam", [0.0, 0.25, 0.5, 1.0])
def test_the_reward_of_dropped_blocks_equals_the_papers(lam: float) -> None:
    """1 − u² for a right answer and −γ for a wrong one, where γ = λ / (1 − λ), times 1 − λ."""
    graph, lams = network("blockdrop").eval(), torch.full((16,), lam)
    for way in enumerated(graph):
        execution = execute(graph, IMAGES, Set(way))
        used = sum(gates[0] for gates in way.values()) / 3
        right = reward(graph, execution, execution.predicted, lams)
        wrong = reward(graph, execution, (execution.predicted + 1) % 10, lams)
        assert right.tolist() == pytest.approx([(1 - lam) * (1 - used**2)] * 16)
        assert wrong.tolist() == pytest.approx([-lam] * 16)


def test_the_curriculum_lets_one_more_of_the_last_blocks_be_dropped_at_a_time() -> None:
    method, graph = BlockDrop(pretraining=0.2, joint_from=0.8), network("blockdrop", depth=14)
    order = [gate.control for gate in block_gates(graph)]
    assert order == ["Q1-1", "Q1-2", "Q2-1", "Q2-2", "Q3-1", "Q3-2"]
    for progress, count in (
        (0.0, 0),
        (0.19, 0),
        (0.2, 1),
        (0.29, 1),
        (0.31, 2),
        (0.45, 3),
        (0.55, 4),
        (0.65, 5),
        (0.79, 6),
        (0.8, 6),
        (1.0, 6),
    ):
        assert method.droppable(6, progress) == count
        assert [name for name in order if not method.held(graph, progress)[name]] == order[6 - count :]
    sampled, images = Sampled(seeded(), epsilon=1.0), IMAGES.repeat(8, 1, 1, 1)
    rollout = roll_out(graph, images, torch.full((128,), 0.5), sampled, lambda done: torch.zeros(128), held=method.held(graph, 0.31))
    dropped = [name for name in order if bool((rollout.execution.gates[name] == 0).any())]
    assert dropped == order[-2:]
    assert BlockDrop(pretraining=0.0, joint_from=0.0).droppable(6, 0.0) == 6


@pytest.mark.parametrize(("progress", "trains"), [(0.1, (True, False)), (0.5, (False, True)), (0.9, (True, True))])
def test_each_stage_trains_its_part_of_the_network(progress: float, trains: tuple[bool, bool]) -> None:
    """First the modules, then the policy alone, then both; a parameter without a gradient is left as it is."""
    graph = network("blockdrop")
    losses = BlockDrop(pretraining=0.3, joint_from=0.6).step(graph, batch(IMAGES, torch.arange(16) % 10), 0.5, progress, seeded()).losses
    torch.stack(list(losses.values())).sum().backward()
    gates = set(gate_networks(graph))
    has = {name: any(parameter.grad is not None for parameter in part.parameters()) for name, part in graph.parts.items()}
    assert (has["stem"], has["Q3-1"]) == trains
    assert all(has[name] == trains[name in gates] for name in ("stem", "y", *gates))


@pytest.mark.parametrize("method", [BlockDrop(pretraining=0.0, joint_from=0.0), Odena()])
def test_the_loss_of_the_policy_does_not_reach_the_modules(method: Method) -> None:
    graph = network(method.name)
    method.step(graph, batch(IMAGES, torch.arange(16) % 10), 0.5, 0.9, seeded()).losses["policy"].backward()
    reached = {name for name, part in graph.parts.items() if any(parameter.grad is not None for parameter in part.parameters())}
    assert reached == set(gate_networks(graph))


def test_opening_rates_at_their_target_have_no_loss() -> None:
    method = AIG(min_rate=0.2)
    assert method.targets(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.2, 0.6, 1.0])
    gates = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    met = torch.tensor([0.5, 0.5, 1.0, 1.0])
    assert float(method.rate_loss(gates, met, 2)) == 0.0
    assert float(method.rate_loss(gates, met, 1)) == 0.0
    assert float(method.rate_loss(gates, torch.full((4,), 0.25), 2)) == pytest.approx((0.25**2 + 0.75**2) / 2)
    uneven = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(method.rate_loss(uneven, torch.full((2,), 0.5), 1)) == pytest.approx(0.25)
    assert float(AIG(rate_of="network").rate_loss(uneven, torch.full((2,), 0.5), 1)) == 0.0


def trained(method: Method, graph: Graph, lam: float | None, steps: int, draw: Any, rate: float = 0.02) -> Graph:
    """Train a toy on batches that `draw` draws."""
    optimizer, generator = Adam(graph.parameters(), lr=rate), seeded()
    for step in range(steps):
        losses = method.step(graph.train(), batch(*draw(64, generator)), lam, step / steps, generator).losses
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    return graph.eval()


def test_gates_with_a_target_rate_open_where_they_help() -> None:
    """Each of two blocks knows one half of the images: at a rate of one half, an image opens its own block."""
    method = AIG(min_rate=0.01)
    graph = trained(method, method.prepare(two_blocks(False), 0.5), 0.5, 300, halves)
    images, labels = halves(1000, seeded(1))
    execution = execute(graph, images, Greedy())
    own = (images[:, 2, 0, 0] > 0).long()
    opened = torch.stack([execution.gates[f"Q{number}"][:, 0] > 0 for number in (0, 1)], dim=1)
    assert float(opened.gather(1, own[:, None]).float().mean()) > 0.95
    assert float(opened.float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float((execution.predicted == labels).float().mean()) > 0.95


def test_a_policy_keeps_the_blocks_that_an_image_needs() -> None:
    """The same toy. Without a block the answer is class 0, so an image of class 0 needs none, and one of class 1 its own block alone."""
    method = BlockDrop(pretraining=0.0, joint_from=0.3)
    graph = trained(method, method.prepare(two_blocks(False), 0.5), 0.5, 400, halves)
    images, labels = halves(1000, seeded(1))
    execution = execute(graph, images, Greedy())
    assert float((execution.predicted == labels).float().mean()) > 0.95
    own = (images[:, 2, 0, 0] > 0).long()
    opened = torch.stack([execution.gates[f"Q{number}"][:, 0] > 0 for number in (0, 1)], dim=1)
    needed = torch.zeros(1000, 2).scatter_(1, own[:, None], 1.0).bool() & (labels == 1)[:, None]
    assert float((opened == needed).float().mean()) > 0.9


@pytest.mark.parametrize("every_lam", [False, True])
def test_the_composer_takes_the_path_that_pays_off(every_lam: bool) -> None:
    """At each λ the best of three paths is known for every image. One network serves all three λ, or each has its own."""
    method = Odena(exchange_rate=1.0)
    graphs = {lam: method.prepare(three_paths(every_lam), None if every_lam else lam) for lam in ((None,) if every_lam else LAMS)}
    for lam, graph in graphs.items():
        trained(method, graph, lam, 600, marked)
    for lam in LAMS:
        assert agreement(graphs[None if every_lam else lam], lam, 1.0) > 0.9


def data(image: tuple[int, int, int] = (1, 8, 8)) -> Data:
    """Few random images of ten classes."""
    images = torch.randint(256, (40, *image), dtype=torch.uint8, generator=seeded())
    split = Split(images, torch.arange(40) % 10)
    return Data(split, split, split, tuple("0123456789"))


CONFIGS = [
    *(
        (SHAPE | options, method, lam)
        for method in ("aig", "blockdrop", "odena")
        for options, lam in (({}, None), ({"gates_of": "group"}, 0.5))
    ),
    *((name, "odena", lam) for name in ("high_low", "chain", "hierarchy", "cascade") for lam in (None, 0.5)),
]


@pytest.mark.parametrize(("architecture", "method", "lam"), CONFIGS)
def test_a_training_ends_with_figures_resumes_and_loads(architecture: Any, method: str, lam: float | None) -> None:
    options = {"pretraining": 0.2, "joint_from": 0.5} if method == "blockdrop" else {}
    config: RunConfig = run_config(
        architecture=architecture,
        dataset="digits",
        method={"name": method, "bn_recalibration_batches": 1} | options,
        lam=lam,
        training={"epochs": 2, "batch_size": 20},
    )
    states = [progress for progress in train(config, data()) if progress.state]
    final = states[-1].final
    assert final is not None
    assert len(final["test"]) == (11 if lam is None else 1)
    assert all(0 < row["macs_mean"] <= 1.5 * row["macs_static"] for row in final["test"])
    assert "random gates" in final["baselines"]["test"]
    resumed = [progress for progress in train(config, data(), resume=states[0].state) if progress.state]
    assert resumed[-1].state == states[-1].state
    first, second = (assemble(config, (1, 8, 8), 10) for _ in range(2))
    unpack(states[-1].state, first)
    nn.init.constant_(next(second.parameters()), 0.5)
    unpack(states[-1].state, second)
    answers = [execute(graph.eval(), IMAGES, Greedy(), lam=0.5).output for graph in (first, second)]
    assert torch.equal(*answers)
    every = ExchangeRate if isinstance(architecture, str) else BudgetCurve
    assert type(first.tradeoff) is (FixedLam if lam is not None else every)


@pytest.mark.parametrize("method", ["aig", "blockdrop", "odena"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": True}, r"“Gate channels” off \(architecture\.layers=true, architecture\.channels=false\)"),
        ({"channels": True, "layers": False}, r"“Gate channels” off"),
        ({"scout_exit": True}, r"leave out “Let the scout's answer stand”"),
    ],
)
def test_other_gates_are_refused_in_one_line(method: str, options: dict[str, bool], says: str) -> None:
    config = run_config(architecture=SHAPE | options, dataset="digits", method=method)
    with pytest.raises(ConfigError, match=says) as caught:
        assemble(config, (1, 8, 8), 10)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["aig", "blockdrop"])
def test_graphs_without_block_gates_are_refused_before_they_are_built(method: str) -> None:
    for architecture in ("high_low", "plain"):
        with pytest.raises(ConfigError, match="control nodes"):
            run_config(architecture=architecture, dataset="digits", method=method)
    with pytest.raises(ConfigError, match="no control nodes"):
        run_config(architecture="plain", dataset="digits", method="odena")


@pytest.mark.parametrize("method", ["blockdrop", "odena"])
def test_mixed_images_have_no_right_answer_to_reward(method: str) -> None:
    """A holdout is never mixed."""
    choices: dict[str, Any] = {"architecture": SHAPE, "dataset": "digits", "training": {"mixup": 0.2}}
    with pytest.raises(ConfigError, match=r"method\.controller_holdout\) above 0"):
        run_config(method=method, **choices)
    reserved = run_config(method={"name": method, "controller_holdout": 0.1}, **choices).method
    assert reserved.holdout(1000, 10) == 100


@pytest.mark.parametrize(
    "method", [BlockDrop(pretraining=0.0, joint_from=0.0, controller_holdout=0.5), Odena(controller_holdout=0.5)], ids=lambda one: one.name
)
def test_the_holdout_teaches_the_policy_and_the_others_the_modules(method: Method) -> None:
    """Other labels of the first half change the loss of the modules alone, and those of the second half, the holdout, the policy's."""
    labels, holdout = torch.arange(16) % 10, torch.arange(16) >= 8
    found = []
    for moved in (torch.zeros(16), ~holdout, holdout):
        given = Batch(IMAGES, (labels + 5 * moved.long()) % 10, holdout)
        losses = method.step(network(method.name), given, 0.5, 0.9, seeded()).losses
        found.append((losses["classification"].item(), losses["policy"].item()))
    same, of_others, of_holdout = found
    assert of_others[0] != same[0]
    assert of_others[1] == same[1]
    assert of_holdout[0] == same[0]
