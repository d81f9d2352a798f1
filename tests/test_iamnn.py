"""IamNN: a stage applies one block as often as an image needs, with weights that are stored and counted once."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load
from torch import Generator, Tensor, nn

from core.config import run_config
from core.datasets import Data, Split
from core.fast.engine import Engine
from core.graph.checkpoint import pack, unpack
from core.graph.cost import cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.initialisation import initialise_from
from core.graph.policy import Forced, Greedy, Open
from core.graph.static import static_macs, static_network
from core.methods import Batch
from core.methods.act import ACT, ponder_cost
from core.modules.halting import HaltedMean, HaltingSum
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.optimizer import optimizer_of
from core.training.train import train

IMAGES = torch.randn(48, 1, 8, 8, generator=Generator().manual_seed(0))
SMALL = {"name": "iamnn", "stages": [4, 8], "iterations": 4}
EPSILON = 0.1
SCORES = SMALL | {"halting": "score", "epsilon": EPSILON}


def controlled(lam: float | None = None) -> Graph:
    config = run_config(architecture=SMALL, dataset="digits", method="d2nn", lam=lam)
    return assemble(config, (1, 8, 8), 10).eval()


def halting(lam: float = 0.5) -> Graph:
    """A network whose halting scores differ between images, so that they stop after one to four iterations."""
    graph = assemble(run_config(architecture=SCORES, dataset="digits", method="act", lam=lam), (1, 8, 8), 10)
    generator = Generator().manual_seed(3)
    for part in graph.parts.values():
        if isinstance(part, HaltingSum):
            nn.init.normal_(part.score.weight, std=6.0, generator=generator)
            nn.init.constant_(part.score.bias, -1.5)
    return graph.eval()


def iterations(execution: Execution, stage: int) -> Tensor:
    """How often each image ran the block of a stage, (B,)."""
    return torch.stack([execution.ran[f"block {stage}-{number}"] for number in range(1, 5)]).sum(dim=0)


def parameters(graph: nn.Module) -> int:
    return sum(parameter.numel() for parameter in graph.parameters())


def test_the_iterations_share_their_convolutions_and_not_their_norms() -> None:
    graph = controlled()
    first, last = graph.parts["block 2-1"], graph.parts["block 2-4"]
    assert first.conv1 is last.conv1
    assert first.conv2 is last.conv2
    assert first.bn1 is not last.bn1
    assert graph.parts["block 1-1"].conv1 is not first.conv1


def test_shared_weights_count_once_as_parameters_and_each_time_as_computation() -> None:
    short, long = (
        run_config(architecture=SMALL | {"iterations": count, "halting": "score"}, dataset="digits", method="act", lam=0.5)
        .architecture.build((1, 8, 8), 10)
        .eval()
        for count in (2, 4)
    )
    norms, scores = 2 * 2 * 2 * (4 + 8), 2 * (4 + 1 + 8 + 1)  # of two more iterations
    assert parameters(long) - parameters(short) == norms + scores
    blocks = 2 * 9 * 4 * 4 * 64 + 2 * 9 * 8 * 8 * 16
    assert static_macs(long) - static_macs(short) == 2 * blocks + 2 * (4 + 8)


@pytest.mark.parametrize("build", [controlled, halting])
def test_shared_weights_are_saved_once_and_stay_shared(build: object) -> None:
    assert callable(build)
    graph, again = build(), build()
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.add_(0.1)
    state = pack(graph)
    unpack(state, again)
    stored = sorted(name for name in load(state) if name.endswith("conv1.weight"))
    assert stored == [f"graph.parts.block {stage}-1.conv1.weight" for stage in (1, 2)]
    assert again.parts["block 1-1"].conv1 is again.parts["block 1-3"].conv1
    with torch.no_grad():
        before, after = (execute(one, IMAGES, Greedy(), lam=0.5).output for one in (graph, again))
    assert torch.equal(before, after)


def test_an_interrupted_training_resumes_with_shared_weights() -> None:
    graph, again = halting(), halting()
    config = run_config(architecture=SCORES, dataset="digits", method="act", lam=0.5)
    optimizers = [optimizer_of(one, config.training) for one in (graph, again)]
    _step(graph, optimizers[0])
    assert unpack(pack(graph, optimizers[0], 7), again, optimizers[1]) == 7
    for one, optimizer in zip((graph, again), optimizers, strict=True):
        _step(one, optimizer)
    assert all(torch.equal(graph.state_dict()[name], value) for name, value in again.state_dict().items())


def _step(graph: Graph, optimizer: torch.optim.Optimizer) -> None:
    batch = Batch(IMAGES, torch.arange(len(IMAGES)) % 10, torch.zeros(len(IMAGES), dtype=torch.bool))
    losses = ACT().step(graph.train(), batch, 0.5, 0.5, Generator()).losses
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()


def test_the_static_network_shares_them_too_and_a_gated_one_begins_with_its_weights() -> None:
    graph = controlled()
    static = static_network(graph)
    assert static.parts["block 1-1"].conv1 is static.parts["block 1-4"].conv1
    assert static.parts["block 1-1"].conv1 is not graph.parts["block 1-1"].conv1
    with torch.no_grad():
        expected = execute(graph, IMAGES, Forced({one.name: {1: True} for one in graph.controls}, Open()), lam=0.5)
        assert torch.allclose(expected.output, execute(static, IMAGES, Open()).output, atol=1e-5)
    other = controlled()
    done = initialise_from(pack(static), other)
    assert set(done.new) == {control.name for control in other.controls}
    assert torch.equal(other.parts["block 1-3"].conv2.weight, static.parts["block 1-1"].conv2.weight)


def oracle(graph: Graph, image: Tensor) -> tuple[list[int], Tensor]:
    """The iterations of each stage and the answer for one image (1, C, H, W), in plain loops as Graves writes them."""
    state, counts = graph.parts["stem"](image), []
    for stage in (1, 2):
        state = graph.parts[f"enter {stage}"](state)
        total, result, count = 0.0, torch.zeros_like(state), 0
        for number in range(1, 5):
            state = (state + graph.parts[f"block {stage}-{number}"](state)).relu()
            count += 1
            score = float(graph.parts[f"sum {stage}-{number}"].score(state.mean(dim=(2, 3))).sigmoid()) if number < 4 else 1.0
            if number == 4 or total + score >= 1 - EPSILON:
                result = result + (1 - total) * state
                break
            total, result = total + score, result + score * state
        state = result
        counts.append(count)
    return counts, graph.parts["y"](state)


def test_images_stop_and_answer_as_in_a_plain_loop() -> None:
    graph = halting()
    with torch.no_grad():
        execution = execute(graph, IMAGES, Greedy())
        found = [oracle(graph, image[None]) for image in IMAGES]
    for stage in (1, 2):
        assert iterations(execution, stage).tolist() == [counts[stage - 1] for counts, _ in found]
    assert len({tuple(counts) for counts, _ in found}) >= 4
    assert torch.allclose(execution.output, torch.cat([answer for _, answer in found]), atol=1e-4)
    macs = torch.tensor([graph.macs["block 1-1"] + 0.0, graph.macs["block 2-1"]], dtype=torch.float64)
    counts = torch.tensor([counts for counts, _ in found], dtype=torch.float64)
    sums = torch.tensor([4.0, 8.0], dtype=torch.float64)
    fixed = sum(graph.macs[name] for name in ("stem", "enter 1", "enter 2", "y"))
    assert torch.allclose(cost(graph, execution).used, fixed + counts @ macs + counts.clamp(max=3) @ sums)


def test_a_controller_stops_a_stage_with_its_last_state() -> None:
    graph = controlled()
    stops = {"Q1-1": {1: True}, "Q1-2": {0: True}, "Q2-1": {0: True}}
    with torch.no_grad():
        execution = execute(graph, IMAGES, Forced(stops, Open()), lam=0.5)
        state = graph.parts["enter 1"](graph.parts["stem"](IMAGES))
        for name in ("block 1-1", "block 1-2"):
            state = (state + graph.parts[name](state)).relu()
        state = graph.parts["enter 2"](state)
        expected = graph.parts["y"]((state + graph.parts["block 2-1"](state)).relu())
    assert torch.allclose(execution.output, expected, atol=1e-5)
    assert iterations(execution, 1).unique().tolist() == [2]
    assert not execution.ran["Q1-3"].any()


def test_the_weights_of_the_states_add_up_to_one() -> None:
    states = [torch.full((2, 3, 2, 2), float(value)) for value in (1, 10, 100)]
    totals = [torch.tensor([[0.25], [1.0]]), torch.tensor([[0.75], [1.0]])]
    found = HaltedMean()(*states, *totals)
    assert found[0].unique().tolist() == [0.25 + 5 + 25]
    assert found[1].unique().tolist() == [1.0]


def test_the_ponder_cost_is_the_iterations_and_the_remainders_and_raises_the_scores_before_the_last() -> None:
    graph = halting()
    execution = execute(graph, IMAGES, Greedy())
    expected = torch.zeros(len(IMAGES))
    for stage in (1, 2):
        count = iterations(execution, stage)
        totals = [execution.values[f"Q{stage}-{number}"][:, 0].detach() for number in range(1, 4)]
        before = torch.stack([torch.zeros(len(IMAGES)), *totals], dim=1).gather(1, count[:, None] - 1)[:, 0]
        expected += count + 1 - before
    found = ponder_cost(graph, execution)
    assert torch.allclose(found, expected)
    found.sum().backward()
    bias = graph.parts["sum 1-1"].score.bias.grad
    assert bias is not None
    assert float(bias) < 0


def test_a_price_on_iterations_lowers_their_number() -> None:
    """With no classification to lose, the scores rise until each stage stops after its first iteration or its second."""
    graph = halting(0.0)
    for part in graph.parts.values():
        if isinstance(part, HaltingSum):
            nn.init.zeros_(part.score.weight)
            nn.init.constant_(part.score.bias, -1.0)
    scores = [parameter for name, parameter in graph.named_parameters() if ".score." in name]
    optimizer = torch.optim.Adam(scores, lr=0.1)
    batch = Batch(IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64), torch.zeros(len(IMAGES), dtype=torch.bool))
    before = execute(graph, IMAGES, Greedy())
    for _ in range(40):
        loss = ACT(ponder_weight=1.0).step(graph, batch, 0.0, 0.5, Generator()).losses["ponder cost"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = execute(graph, IMAGES, Greedy())
    for stage in (1, 2):
        assert iterations(before, stage).unique().tolist() == [4]
        assert iterations(after, stage).max() <= 2


@pytest.mark.parametrize("build", [controlled, halting])
@pytest.mark.parametrize("count", [1, 7])
def test_the_fast_engine_answers_alike_as_one_program(build: object, count: int) -> None:
    assert callable(build)
    graph = build()
    with torch.no_grad():
        expected = execute(graph, IMAGES[:count], Greedy(), lam=0.5)
    engine = Engine(graph)
    found = engine.run(IMAGES[:count], Greedy(), lam=0.5)
    assert torch.allclose(expected.output, found.output, atol=1e-4)
    assert all(torch.equal(torch.as_tensor(found.ran[name]), ran) for name, ran in expected.ran.items())
    assert engine.form(1, Greedy()) == "one program with the decisions inside"


@pytest.mark.parametrize(
    ("architecture", "method", "lam", "says"),
    [
        (SMALL, "act", 0.5, "pick one of several options, and .* add up halting scores"),
        ({"name": "lc_resnet"}, "act", 0.5, "open each gate on its own, and .* add up halting scores"),
        (SCORES, "act", None, "choose it"),
        (SCORES, "d2nn", None, "add up halting scores, and .* pick one of several options"),
    ],
)
def test_what_a_method_cannot_train_is_refused_in_one_line(
    architecture: dict[str, object], method: str, lam: float | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        assemble(run_config(architecture=architecture, dataset="digits", method=method, lam=lam), (1, 8, 8), 10)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def digits() -> Data:
    data = run_config(architecture="plain", dataset="digits", method="static").dataset.read()
    parts = {"train": data.train, "val": data.val, "test": data.test}
    return replace(data, **{name: Split(part.images[:256], part.labels[:256]) for name, part in parts.items()})


@pytest.mark.parametrize(
    ("architecture", "method", "lam"), [(SMALL, "d2nn", None), (SCORES, "act", 0.5), (SMALL, "static", None), (SCORES, "static", None)]
)
def test_a_short_training_ends_with_an_evaluated_network(
    digits: Data, architecture: dict[str, object], method: str, lam: float | None
) -> None:
    shape = architecture | {"iterations": 2}
    config = run_config(architecture=shape, dataset="digits", method=method, lam=lam, training={"epochs": 2, "ema_decay": 0.9})
    *_, last = train(config, digits)
    assert last.final is not None
    assert all(0 < point["macs_mean"] <= 1.1 * point["macs_static"] for point in last.final["test"])
    assert last.state is not None
    graph = assemble(config, digits.image, len(digits.classes))
    unpack(last.state, graph)
    assert graph.parts["block 1-1"].conv1 is graph.parts["block 1-2"].conv1
