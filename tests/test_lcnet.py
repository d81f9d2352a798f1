"""LC-Net: gates that keep to their budget, and open where that helps."""

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam

from core.config import run_config
from core.datasets import Data, Split, normalised
from core.evaluation.dependence import dependence
from core.evaluation.evaluate import evaluate
from core.graph.builder import Builder
from core.graph.calibration import calibrate
from core.graph.checkpoint import pack, unpack
from core.graph.cost import reward_cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.node import Edge
from core.graph.policy import Greedy, Open, Random, StraightThrough
from core.graph.static import static_price
from core.graph.tradeoff import CURVE_STEPS, most_expensive_useful
from core.methods import Batch
from core.methods.expected_cost import expected_share, open_gates
from core.methods.lcnet import LCNet
from core.methods.losses import distillation_loss
from core.methods.static_gates import TABLE_ROWS, StaticGates, fit_tables, gate_networks, gate_statistics
from core.modules.gate_network import GateNetwork
from core.modules.layers import Add, classifier
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.train import train


def small(every_lam: bool = True, **options: bool) -> Graph:
    """A ResNet of eight layers with gates of both kinds, or as `options` say, as it is before training."""
    torch.manual_seed(0)
    config = run_config(architecture={"name": "lc_resnet", "depth": 8, "width": 4, **options}, dataset="digits", method="lcnet")
    return config.method.prepare(config.architecture.build((1, 8, 8), 10, every_lam=every_lam), None if every_lam else 0.5)


def shaken(graph: Graph) -> Graph:
    """The graph with gate networks that say something."""
    for control in graph.controls:
        nn.init.normal_(graph.parts[control.name].head.weight, generator=Generator().manual_seed(1))
    return graph


IMAGES = torch.randn(256, 1, 8, 8, generator=Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [True, False])
def test_the_expected_cost_is_the_executed_one_and_reaches_closed_gates(channels: bool) -> None:
    """An open block is dearer, also where it is closed now; but where its channels have gates it is theirs to save."""
    graph = shaken(small(channels=channels)).eval()
    execution = execute(graph, IMAGES, StraightThrough(), lam=0.3, dense=True)
    scores = {name: given.detach().requires_grad_() for name, given in execution.scores.items()}
    expected = expected_share(graph, replace(execution, scores=scores))
    assert torch.allclose(expected, reward_cost(graph, execute(graph, IMAGES, Greedy(), lam=0.3)).float(), atol=1e-6)
    expected.sum().backward()
    closed = reached = 0
    for control in graph.controls:
        gradient = scores[control.name].grad  # (B, gates)
        assert gradient is not None
        assert bool((gradient[:, 0] == 0 if channels else gradient[:, 0] > 0).all())
        assert bool((gradient[:, 1:] >= 0).all())
        reached += int(bool((gradient > 0).any()))
        closed += int((~execution.ran[f"block {control.name[1:]}"]).sum())
    assert closed > 0
    assert reached > 0


def test_open_gates_are_exact_forwards_and_soft_backwards() -> None:
    scores = torch.tensor([[-2.0, 0.0, 0.5]], requires_grad=True)
    gates = open_gates(scores)
    assert gates.tolist() == [[0.0, 0.0, 1.0]]
    gates.sum().backward()
    soft = scores.detach().sigmoid()
    assert torch.allclose(scores.grad, soft * (1 - soft))


def test_the_budgets_of_a_batch_cover_every_cost_and_both_ends() -> None:
    """Gates that stand open are held against what is asked of groups of neighbouring λ, all along from the least to the whole."""
    graph = two_blocks(every_lam=True).eval()
    graph.prices.copy_(torch.tensor([50.0 if node.name.startswith("block") else 0.0 for node in graph.nodes]))
    images, labels = halves(64, Generator().manual_seed(0))
    method = LCNet(min_budget=0.2, budget_warmup=0.0, budget_groups=64, budget_weight=1.0)
    loss = method.step(graph, Batch(images, labels, torch.zeros(64, dtype=torch.bool)), None, 1.0, Generator().manual_seed(0)).losses[
        "cost"
    ]
    lams = ((torch.arange(64) + 0.5) / 64 * 1.1 - 0.05).clamp(0, 1)
    assert loss.item() == pytest.approx(((1 - lams) * 0.8).square().mean().item(), rel=0.03)


def test_the_static_network_is_a_teacher() -> None:
    """A teacher that says what the network says already adds nothing; another adds its distance, weighed."""
    graph = two_blocks(every_lam=True).eval()
    images, labels = halves(8, Generator().manual_seed(0))
    answers = execute(graph, images, Open(), lam=torch.full((8,), 0.5)).output.detach()
    method = LCNet(distillation_weight=0.5)
    losses = []
    for teacher in (answers, -answers):
        batch = Batch(images, labels, torch.zeros(8, dtype=torch.bool), teacher)
        losses.append(method.step(graph, batch, None, 0.0, Generator().manual_seed(0)).losses["distillation"].item())
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[1] == pytest.approx(0.5 * distillation_loss(answers, -answers).item())
    assert losses[1] > 0.1


def test_the_network_beside_teaches_where_gates_change_the_answer() -> None:
    """With gates that are open and scale by one both are the same network; what it teaches otherwise is weighed."""
    images, labels = torch.randn(16, 1, 8, 8, generator=Generator().manual_seed(2)), torch.arange(16) % 10
    for graph, moved in ((small().eval(), False), (shaken(small()).eval(), True)):
        taught_at = []
        for weight in (1.0, 0.5):
            batch = Batch(images, labels, torch.zeros(16, dtype=torch.bool))
            losses = LCNet(sandwich_weight=weight).step(graph, batch, None, 0.0, Generator().manual_seed(0)).losses
            taught_at.append(losses["all-open distillation"].item())
            full = execute(graph, images, Open(), lam=torch.full((16,), 0.5)).output
            assert losses["all-open classification"].item() == pytest.approx(nn.functional.cross_entropy(full, labels).item())
        assert taught_at[1] == pytest.approx(0.5 * taught_at[0], abs=1e-7)
        assert (taught_at[0] > 1e-4) == moved


def test_distilling_needs_a_network_and_uses_it(tmp_path: Path) -> None:
    shape, training = {"name": "lc_resnet", "depth": 8, "width": 4}, {"epochs": 1}
    with pytest.raises(ConfigError, match="nothing to distil"):
        run_config(architecture=shape, dataset="digits", method={"name": "lcnet", "distillation_weight": 1.0})
    static = run_config(architecture=shape, dataset="digits", method="static", training=training)
    data = static.dataset.read()
    *_, last = train(static, data)
    file = tmp_path / "static.safetensors"
    file.write_bytes(last.state)
    method = {"name": "lcnet", "distillation_weight": 1.0}
    begun = run_config(architecture=shape, dataset="digits", method=method, training=training | {"init_from": str(file)})
    progress = list(train(begun, data))
    states = [one.state for one in progress if one.state]
    *_, resumed = train(begun, data, resume=states[0])
    assert resumed.state == states[-1]
    curve = next(one.figures for one in progress if one.figures)
    assert curve["train distillation loss"] > 0


def test_the_budget_falls_from_the_whole_cost() -> None:
    method = LCNet(min_budget=0.2, budget_warmup=0.5)
    lams = torch.tensor([0.0, 0.5, 1.0])
    assert method.budgets(lams, 0.0).tolist() == [1.0] * 3
    assert method.budgets(lams, 0.25).tolist() == pytest.approx([0.6, 0.8, 1.0])
    assert method.budgets(lams, 0.5).tolist() == method.budgets(lams, 1.0).tolist() == pytest.approx([0.2, 0.6, 1.0])
    assert LCNet(budget_warmup=0.0).budgets(lams, 0.0).tolist() == pytest.approx([0.1, 0.55, 1.0])


def two_blocks(every_lam: bool) -> Graph:
    """Two blocks that each tell one half of the images apart: which half it is, is written into the image."""
    torch.manual_seed(0)
    g = Builder((4, 2, 2), every_lam=every_lam)
    before = g.add("stem", nn.Identity(), g.input)
    sent = []
    for number in (0, 1):
        part = GateNetwork([g.shapes[before]], 1, every_lam=every_lam)
        gates = g.control(f"Q{number}", before, options=("block",), part=part, decides="each")
        sent.append(g.add(f"block {number}", Half(number), before, when=gates[0]))
    both = g.add("add", Add(), *(Edge(one, 0.0) for one in sent))
    g.output("y", nn.Flatten(), both)
    return g.build()


class Half(nn.Module):
    """Says the class of an image of its own half, and nothing of the other; costs a little."""

    def __init__(self, half: int) -> None:
        super().__init__()
        self.half, self.idle = half, classifier(4, 50)

    def forward(self, x: Tensor) -> Tensor:
        mine = (x[:, 2] > 0) == bool(self.half)  # (B, 2, 2)
        score = (x[:, 3] * mine).mean(dim=(1, 2)) * 4
        return torch.stack([-score, score], dim=1)[:, :, None, None] + 0 * self.idle(x).sum()


def halves(count: int, generator: Generator, first: float = 0.5) -> tuple[Tensor, Tensor]:
    """Images, a share `first` of them of the first half, and their classes."""
    half, label = (torch.rand(count, generator=generator) >= first).long(), torch.randint(2, (count,), generator=generator)
    images = torch.randn(count, 4, 1, 1, generator=generator) / 10
    images[:, 2, 0, 0], images[:, 3, 0, 0] = half * 2.0 - 1, label * 2.0 - 1
    return images.expand(-1, -1, 2, 2).contiguous(), label


@pytest.mark.parametrize("lam", [None, 0.5])
def test_half_the_cost_is_spent_where_it_helps(lam: float | None) -> None:
    method = LCNet(min_budget=0.02, budget_warmup=0.2)
    graph = method.prepare(two_blocks(lam is None), lam).train()
    graph.prices.copy_(torch.tensor([50.0 if node.name.startswith("block") else 0.0 for node in graph.nodes]))
    optimizer, generator = Adam(graph.parameters(), lr=0.02), Generator().manual_seed(0)
    for step in range(600):
        images, labels = halves(64, generator)
        losses = method.step(graph, Batch(images, labels, torch.zeros(64, dtype=torch.bool)), lam, step / 600, generator).losses
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    images, labels = halves(1000, generator)
    calibrate(graph.eval(), images, labels)
    execution = execute(graph, images, Greedy(), lam=0.5)
    assert float(reward_cost(graph, execution).mean()) == pytest.approx(0.51, abs=0.06)
    assert float((execution.predicted == labels).float().mean()) > 0.97  # blocks drawn at random would get 75% right
    own = (images[:, 2, 0, 0] > 0).long()
    opened = torch.stack([execution.gates[f"Q{number}"][:, 0] > 0 for number in (0, 1)], dim=1)
    assert float(opened.gather(1, own[:, None]).float().mean()) > 0.95


def uneven_network() -> Graph:
    """Gates of which more open the higher the budget is, but not evenly."""
    graph = shaken(small()).eval()
    for control in graph.controls:
        part = graph.parts[control.name]
        part.hidden.weight.data[0], part.hidden.weight.data[0, -1] = 0.0, 3.0
        part.hidden.bias.data[0] = 0.0
        part.head.weight.data[:, 0] = 1.0
        part.head.bias.data.fill_(-1.0)
    return graph


def unevenness(graph: Graph) -> float:
    """Return how far the mean cost at λ = 0, 0.1, … is from a straight line, as a fraction of the line's rise."""
    shares = torch.tensor([float(reward_cost(graph, execute(graph, IMAGES, Greedy(), lam=step / 10)).mean()) for step in range(11)])
    rise = float(shares[-1] - shares[0])
    assert rise > 0.2
    return float((shares - torch.linspace(float(shares[0]), float(shares[-1]), 11)).abs().max()) / rise


def test_the_course_makes_the_cost_rise_evenly() -> None:
    graph = uneven_network()
    labels = execute(graph, IMAGES, Greedy(), lam=1.0).predicted  # the higher the budget, the better
    assert unevenness(graph) > 0.4
    calibrate(graph, IMAGES, labels)
    assert (graph.tradeoff.curve.diff() >= 0).all()
    assert float(graph.tradeoff.curve[-1]) == 1.0
    assert unevenness(graph) < 0.2


def test_the_course_ends_where_more_cost_brings_no_more() -> None:
    graph = uneven_network()
    best = execute(graph, IMAGES, Greedy(), lam=0.5).predicted
    said = [execute(graph, IMAGES, Greedy(), lam=told / 20).predicted for told in range(21)]
    right = [float((answers == best).float().mean()) for answers in said]
    likely = (len(IMAGES) + 2) / (len(IMAGES) + 4)  # two more right answers and two wrong ones, since all are right at best
    error = math.sqrt(likely * (1 - likely) / (len(IMAGES) + 4))
    last = max(told for told in range(21) if right[told] >= 1 - error)
    assert 10 <= last < 20  # else nothing would be shown
    calibrate(graph, IMAGES, best)
    assert float(graph.tradeoff.curve[-1]) == pytest.approx(last / 20)


def test_one_lucky_image_does_not_end_the_course() -> None:
    """Of 179 images all are right once, and all but one wherever more is spent: that is no worse."""
    assert most_expensive_useful([0.95, 0.99, 1.0] + [178 / 179] * 10, 179) == 12
    assert most_expensive_useful([0.95, 0.99, 1.0] + [174 / 179] * 10, 179) == 2
    assert most_expensive_useful([0.8, 0.9, 0.891, 0.88], 1000) == 2  # the standard error is 0.0095
    assert most_expensive_useful([0.8, 0.9, 0.891, 0.88], 100) == 3  # and 0.03 for fewer images


def test_a_graph_tells_what_lies_between_the_steps_of_its_course() -> None:
    graph = small()
    graph.tradeoff.curve.copy_(torch.linspace(0, 1, CURVE_STEPS) ** 2)
    assert graph.tradeoff.condition(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.0, 0.25, 1.0])
    assert float(graph.tradeoff.condition(torch.tensor([0.505]))) == pytest.approx((0.25 + 0.51**2) / 2)


def test_a_training_of_lc_net_ends_with_figures_and_can_go_on() -> None:
    method = {"name": "lcnet", "sandwich_weight": 1.0}
    shape = {"name": "lc_resnet", "depth": 8, "width": 4}
    config = run_config(architecture=shape, dataset="digits", method=method, training={"epochs": 2})
    data = config.dataset.read()
    undisturbed = [progress for progress in train(config, data) if progress.state]
    final = undisturbed[-1].final
    assert final is not None
    shares = [row["macs_mean"] / row["macs_static"] for row in final["val"]]
    assert shares == sorted(shares)
    assert final["baselines"]["test"].keys() == {"random gates"}
    resumed = [progress for progress in train(config, data, resume=undisturbed[0].state) if progress.state]
    assert resumed[-1].state == undisturbed[-1].state


@pytest.mark.parametrize(("architecture", "method"), [("lc_resnet", "d2nn"), ("cascade", "lcnet"), ("plain", "lcnet")])
def test_methods_take_the_control_nodes_that_they_can_train(architecture: str, method: str) -> None:
    with pytest.raises(ConfigError, match="control nodes"):
        run_config(architecture=architecture, dataset="digits", method=method)


@pytest.mark.parametrize("lam", [None, 0.5])
def test_constant_gates_know_nothing_of_the_image(lam: float | None) -> None:
    """The toy whose blocks each know one kind of image. Four in five are of the first: at half the cost its block is the one to open."""
    method = LCNet(min_budget=0.02, budget_warmup=0.2, gates="constant")
    graph = method.prepare(two_blocks(lam is None), lam).train()
    graph.prices.copy_(torch.tensor([50.0 if node.name.startswith("block") else 0.0 for node in graph.nodes]))
    optimizer, generator = Adam(graph.parameters(), lr=0.02), Generator().manual_seed(0)
    for step in range(300):
        images, labels = halves(64, generator, 0.8)
        losses = method.step(graph, Batch(images, labels, torch.zeros(64, dtype=torch.bool)), lam, step / 300, generator).losses
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
    images, labels = halves(1000, generator, 0.8)
    execution = execute(graph.eval(), images, Greedy(), lam=0.5)
    assert all(len(scores.unique(dim=0)) == 1 for scores in execution.scores.values())
    opened = [bool((execution.gates[f"Q{number}"] > 0).any()) for number in (0, 1)]
    assert opened == [True, False]
    assert float((execution.predicted == labels).float().mean()) == pytest.approx(0.9, abs=0.04)


def test_gates_are_fixed_at_what_most_images_do() -> None:
    """Of ten images seven open the first block and three the second: the first alone costs what is nearest to ten blocks in twenty."""
    graph = two_blocks(every_lam=False).eval()
    graph.prices.copy_(torch.tensor([50.0 if node.name.startswith("block") else 0.0 for node in graph.nodes]))
    images = torch.zeros(10, 4, 2, 2)
    images[:7, 2], images[7:, 2] = 1.0, -1.0
    for number, network in enumerate(gate_networks(graph).values()):  # the score is 2 · (±what the image says of its half)
        for parameter in network.parameters():
            parameter.data.zero_()
        network.norm.weight.data[2], network.norm.running_var[2], network.norm.eps = 1.0, 1.0, 0.0
        network.hidden.weight.data[0, 2], network.head.weight.data[0, 0] = (1.0, -1.0)[number], 2.0
        network.table = torch.zeros(1, 1)
    fit_tables(graph, images)
    tables = [network.table for network in gate_networks(graph).values()]
    assert tables[0].tolist() == [[2.0]]
    assert float(tables[1]) < 0
    execution = execute(graph, images, Greedy())
    assert execution.ran["block 0"].all()
    assert not execution.ran["block 1"].any()


@pytest.fixture(scope="module")
def digits() -> Data:
    return run_config(architecture="plain", dataset="digits", method="static").dataset.read()


CHANNELS = {
    "name": "lc_resnet",
    "depth": 8,
    "width": 4,
    "layers": False,
}  # with gates of channels alone, a pattern can cost nearly anything


@pytest.fixture(scope="module")
def varied(digits: Data) -> Graph:
    """A network for every λ whose gates depend on the image: their weights are random, batch norm knows the images of `digits`."""
    graph = shaken(small(layers=False)).train()
    images = normalised(digits.train.images[:256])
    with torch.no_grad():
        for _ in range(20):
            execute(graph, images, Open(), lam=torch.linspace(0, 1, 256), dense=True)
    return graph.eval()


def fixed(graph: Graph, images: Tensor) -> Graph:
    """A copy of a network whose gates are fixed at what they do most often for the images."""
    copy = LCNet(gates="fixed").prepare(deepcopy(graph), None)
    fit_tables(copy, images)
    return copy


@torch.no_grad()
def test_no_pattern_of_common_gates_costs_more_nearly_what_the_network_does(varied: Graph, digits: Data) -> None:
    """At each λ, against every share of the images from which on a gate could be called common."""
    images = normalised(digits.train.images[:256])
    settled = fixed(varied, images)
    of_networks = float(varied.prices.sum() - settled.prices.sum()) / static_price(varied)  # gate networks, which fixed gates do without
    assert of_networks > 0
    for lam in torch.linspace(0, 1, TABLE_ROWS).tolist():
        known = gate_statistics(varied, images, lam)
        bars = {share for often in known.open_rates.values() for share in often.tolist()}
        assert len(bars) > 5
        patterns = [execute(varied, images[:1], StaticGates(known.pattern(bar)), lam=lam) for bar in bars]
        nearest = min(abs(float(reward_cost(varied, execution)) - known.cost) for execution in patterns)
        costs = reward_cost(settled, execute(settled, images, Greedy(), lam=lam))  # (N,)
        assert len(costs.unique()) == 1
        assert abs(float(costs[0]) + of_networks - known.cost) == pytest.approx(nearest, abs=1e-6)


@torch.no_grad()
def test_fixed_gates_stay_as_they_are_while_the_modules_are_trained(varied: Graph, digits: Data, tmp_path: Path) -> None:
    file = tmp_path / "first.safetensors"
    file.write_bytes(pack(varied))
    method = {"name": "lcnet", "gates": "fixed"}
    config = run_config(architecture=CHANNELS, dataset="digits", method=method, training={"epochs": 1, "init_from": str(file)})
    with torch.enable_grad():
        *_, last = train(config, digits)
    graph = assemble(config, digits.image, len(digits.classes))
    unpack(last.state, graph)
    images = normalised(digits.train.images[:256])
    assert not torch.equal(graph.parts["stem"].conv1.weight, varied.parts["stem"].conv1.weight)
    graph.tradeoff.curve.copy_(varied.tradeoff.curve)  # so that both have the same budgets
    for lam in torch.linspace(0, 1, TABLE_ROWS).tolist():
        costs = [float(reward_cost(one, execute(one, images, Greedy(), lam=lam)).mean()) for one in (varied, graph)]
        assert costs[1] == pytest.approx(costs[0], abs=0.1)  # the two nearest patterns are never further apart than twice that
    assert [row["dependence"] for row in last.final["test"]] == [0.0] * 11
    assert 0 < evaluate(varied, digits.test, lam=0.5).dependence <= 1


def test_fixed_gates_need_a_network_to_begin_with() -> None:
    with pytest.raises(ConfigError, match=r"training\.init_from"):
        run_config(architecture="lc_resnet", dataset="digits", method={"name": "lcnet", "gates": "fixed"})


def test_dependence_is_what_lies_between_images() -> None:
    """Two gates: one follows the image (half open), the other is always open. Pooled 3/4 are open: of 3/16, 1/8 lies between images."""
    graph = two_blocks(every_lam=False).eval()
    images = torch.zeros(8, 4, 2, 2, dtype=torch.uint8)
    images[:4, 2] = 255
    for number, network in enumerate(gate_networks(graph).values()):
        for parameter in network.parameters():
            parameter.data.zero_()
        network.norm.weight.data[2], network.norm.running_var[2] = 1.0, 1.0
        network.hidden.weight.data[0, 2], network.head.weight.data[0, 0] = 1.0, 1.0
        network.head.bias.data.fill_(float(number))
    split = Split(images, torch.zeros(8, dtype=torch.long))
    assert evaluate(graph, split).dependence == pytest.approx((1 / 8) / (3 / 16))
    assert evaluate(graph, split).dependences == {"Q0": 1.0, "Q1": 0.0}
    assert evaluate(graph, split, policy=Random(0.5, torch.Generator().manual_seed(0))).dependence is None
    assert dependence(torch.tensor([0.5, 1.0])) == pytest.approx((1 / 8) / (3 / 16))
    assert dependence(torch.tensor([1.0, 1.0])) == 0.0


def test_fixed_gates_need_gates_that_were_trained(tmp_path: Path) -> None:
    shape = {"name": "lc_resnet", "depth": 8, "width": 4}
    static = run_config(architecture=shape, dataset="digits", method="static", training={"epochs": 1})
    data = static.dataset.read()
    *_, last = train(static, data)
    file = tmp_path / "static.safetensors"
    file.write_bytes(last.state)
    fixed = run_config(architecture=shape, dataset="digits", method={"name": "lcnet", "gates": "fixed"}, training={"init_from": str(file)})
    with pytest.raises(ConfigError, match="no trained gates"):
        next(train(fixed, data))
