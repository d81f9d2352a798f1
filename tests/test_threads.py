"""A batch in parts on several threads gives what it gives as a whole."""

import time
from collections.abc import Iterator
from threading import Thread

import pytest
import torch
from test_residual import awake
from torch import Generator, nn

from core.config import run_config
from core.fast import threads
from core.fast.answer import Answer
from core.fast.engine import Engine
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Forced, Greedy, Open, Policy, Random, Replay

IMAGES = 2 * threads.MIN_IMAGES_PER_PART + 1


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def network() -> Graph:
    torch.manual_seed(0)
    graph = awake(
        run_config(architecture={"name": "cascade"}, dataset="cifar10", method="d2nn").architecture.build((3, 32, 32), 10, every_lam=True)
    )
    for control in graph.controls:
        head = graph.parts[control.name].head
        nn.init.normal_(head.weight, std=2.0)
        nn.init.zeros_(head.bias)
    return graph


@pytest.mark.parametrize("lam", [0.6, torch.linspace(0, 1, IMAGES)], ids=["one", "each"])
@pytest.mark.parametrize("kind", ["greedy", "open", "replay", "forced", "random"])
def test_parts_give_the_same(kind: str, lam: float | torch.Tensor) -> None:
    graph, x = network(), torch.randn(IMAGES, 3, 32, 32)
    random = execute(graph, x, Random(0.5, Generator().manual_seed(1)), lam=lam)
    policies: dict[str, list[Policy]] = {
        "greedy": [Greedy()] * 2,
        "open": [Open()] * 2,
        "replay": [Replay(random)] * 2,
        "forced": [Forced({"Q2": {1: True}}, Replay(random))] * 2,
        "random": [Random(0.5, Generator().manual_seed(2)) for _ in range(2)],
    }
    engine = Engine(graph)
    with torch.inference_mode():
        whole, divided = engine._run(x, policies[kind][0], lam), threads.in_parts(engine._run, x, policies[kind][1], lam)
    if kind == "random":
        assert divided is None  # its numbers are drawn for all images together
        return
    assert divided is not None
    assert torch.allclose(whole.output, divided.output, atol=1e-4)
    assert all(torch.equal(whole.ran[name], ran) for name, ran in divided.ran.items())
    assert all(torch.allclose(whole.gates[name], gates) for name, gates in divided.gates.items())
    if kind in ("replay", "forced"):
        assert any(0 < int(ran.sum()) < IMAGES for ran in divided.ran.values())


def test_lam_for_another_number_of_images_is_refused_as_without_parts() -> None:
    graph, x = network(), torch.randn(IMAGES, 3, 32, 32)
    for count in (IMAGES // 2 + 1, IMAGES + 7):
        with pytest.raises(RuntimeError):
            Engine(graph).run(x, Greedy(), lam=torch.rand(count))
    one, each = Engine(graph).run(x, Greedy(), lam=0.7), Engine(graph).run(x, Greedy(), lam=torch.full((1, IMAGES), 0.7))
    assert torch.allclose(one.output, each.output, atol=1e-4)


def test_other_threads_keep_their_number_of_threads() -> None:
    Engine(network()).run(torch.randn(IMAGES, 3, 32, 32), Greedy(), lam=0.5)
    seen: list[int] = []
    other = Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [2]


def test_small_batches_and_single_threads_are_not_divided() -> None:
    engine = Engine(network())
    for images, count in ((2 * threads.MIN_IMAGES_PER_PART - 1, 2), (IMAGES, 1)):
        torch.set_num_threads(count)
        assert threads.in_parts(engine._run, torch.randn(images, 3, 32, 32), Greedy(), 0.5) is None


@pytest.mark.parametrize("slow", ["whole", "part"])
def test_the_quicker_way_is_taken(slow: str) -> None:
    sizes: list[int] = []

    def run(x: torch.Tensor, policy: Policy, lam: object) -> Answer:
        sizes.append(len(x))
        time.sleep(0.05 if (len(x) == IMAGES) == (slow == "whole") else 0)
        return Answer(x, {}, {})

    chooses = threads.BatchSplitter(run)
    for _ in range(2):
        assert torch.equal(chooses(torch.ones(IMAGES, 1), Greedy(), None).output, torch.ones(IMAGES, 1))
        tried, sizes = sizes, []
    assert sum(size == IMAGES for size in tried) == (0 if slow == "whole" else 1)  # in the second turn, when it is known
