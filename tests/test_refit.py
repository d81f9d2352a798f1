"""Controllers that are fitted to what every option gives, on toys whose best way is known."""

import pytest
import torch
from torch import Generator
from toys import LAMS, agreement, marked, three_paths, three_stages

from core.datasets import Split
from core.graph.graph import Graph
from core.methods.d2nn import D2NN
from core.methods.refit import DRAWS_PER_IMAGE, fit_controllers, option_outcomes
from core.modules.controller import Controller


def told(count: int, seed: int) -> Split:
    """Marked images as a split: channels well below or well above grey."""
    images, labels = marked(count, Generator().manual_seed(seed))
    return Split((127.5 + 60 * images).round().to(torch.uint8), labels)


def untrained(graph: Graph) -> Graph:
    return D2NN(exchange_rate=1.0).prepare(graph, None).eval()


@pytest.mark.parametrize("toy", [three_paths, three_stages])
def test_controllers_that_never_learnt_find_the_best_way(toy: object) -> None:
    graph = untrained(toy(every_lam=True))  # type: ignore[operator]
    assert min(agreement(graph, lam, 1.0) for lam in LAMS) < 0.7
    fit_controllers(graph, told(1500, 0), told(400, 1), Generator().manual_seed(0))
    assert float(graph.tradeoff.exchange_rate) == 1.0
    reached = [agreement(graph, lam, 1.0) for lam in LAMS]  # λ at κ = 1, some of which an even slider hardly passes
    assert min(reached) >= 0.75
    assert sum(reached) / len(reached) >= 0.85


def test_only_controllers_change_and_the_same_seed_gives_the_same() -> None:
    fitted = []
    for _ in range(2):
        graph = untrained(three_stages(every_lam=True))
        before = {name: value.clone() for name, value in graph.state_dict().items()}
        fit_controllers(graph, told(300, 0), told(200, 1), Generator().manual_seed(0))
        changed = {
            name.removeprefix("parts.").split(".")[0] for name, value in graph.state_dict().items() if not torch.equal(value, before[name])
        }
        assert changed == {"Q1", "Q2"}
        fitted.append(graph.state_dict())
    assert all(torch.equal(fitted[0][name], fitted[1][name]) for name in fitted[0])


def test_what_serves_validation_images_worse_is_not_kept() -> None:
    graph = untrained(three_stages(every_lam=True))
    fit_controllers(graph, told(1500, 0), told(400, 1), Generator().manual_seed(0))
    good = {name: value.clone() for name, value in graph.state_dict().items()}
    contrary = told(300, 2)
    contrary.labels.zero_()  # teaches that a path is right where it is wrong
    fit_controllers(graph, contrary, told(400, 1), Generator().manual_seed(0))
    assert all(torch.equal(value, good[name]) for name, value in graph.state_dict().items())


def test_images_of_which_none_comes_to_a_control_node_are_passed_over() -> None:
    graph = untrained(three_stages(every_lam=True))
    first = graph.parts["Q1"]
    assert isinstance(first, Controller)
    with torch.no_grad():
        first.head.bias[:] = torch.tensor([9.0, -9.0, 0.0, 0.0])  # Q1 always stops
    images, labels = marked(257, Generator().manual_seed(0))  # the last batch is one image
    last = graph.parts["Q2"]
    assert isinstance(last, Controller)
    counts = {
        len(option_outcomes(graph, graph.by_name["Q2"], last, images, labels, Generator().manual_seed(seed)).conditions)
        for seed in range(60)
    }
    assert min(counts) > 0


def test_outcomes_hold_what_each_option_gives() -> None:
    graph = untrained(three_stages(every_lam=True))
    images, labels = marked(50, Generator().manual_seed(0))
    last = graph.by_name["Q2"]
    part = graph.parts["Q2"]
    assert isinstance(part, Controller)
    found = option_outcomes(graph, last, part, images, labels, Generator().manual_seed(0))
    signs = found.features > 0  # Q2 observes the image's three channels
    assert graph.parts["Q2"] is part
    assert (
        0.4 * 50 * DRAWS_PER_IMAGE <= len(found.conditions) <= 50 * DRAWS_PER_IMAGE
    )  # half of the images explore, on a way that reaches it
    assert torch.equal(found.accuracy, torch.stack([signs[:, 1], signs[:, 2]], dim=1).float())
    static = graph.macs["y2"]
    expected = torch.tensor([0.0, graph.macs["N2"] + graph.macs["y2"]]) / static
    torch.testing.assert_close(found.later_cost, expected.expand_as(found.later_cost))
