"""A batch in parts on several threads gives what it gives as a whole."""

from collections.abc import Iterator
from threading import Thread

import pytest
import torch
from test_branch import awake
from torch import Generator, nn

from core.config import run_config
from core.inference import parts
from core.inference.engine import Engine
from core.network.execution import execute
from core.network.graph import Graph
from core.network.policy import Forced, Greedy, Open, Policy, Random, Replay

IMAGES = 2 * parts.LEAST + 1


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
    whole, divided = Engine(graph)._run(x, policies[kind][0], lam), Engine(graph).run(x, policies[kind][1], lam=lam)
    assert torch.allclose(whole.output, divided.output, atol=1e-4)
    assert all(torch.equal(whole.ran[name], ran) for name, ran in divided.ran.items())
    assert all(torch.allclose(whole.gates[name], gates) for name, gates in divided.gates.items())
    if kind in ("replay", "forced", "random"):
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


def test_a_batch_is_divided_only_where_each_part_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, sizes = network(), []
    engine = Engine(graph)
    run = engine._run
    monkeypatch.setattr(engine, "_run", lambda x, *rest: (sizes.append(len(x)), run(x, *rest))[1])
    for images in (2 * parts.LEAST - 1, IMAGES):
        engine.run(torch.randn(images, 3, 32, 32), Greedy(), lam=0.5)
    assert sizes[0] == 2 * parts.LEAST - 1
    assert sorted(sizes[1:]) == [parts.LEAST, parts.LEAST + 1]
    engine.run(torch.randn(IMAGES, 3, 32, 32), Random(0.5, Generator()), lam=0.5)
    assert sizes[3:] == [IMAGES]  # its numbers are drawn for all images together
