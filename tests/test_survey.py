"""The survey of images at a few values of λ agrees with what each of them does alone, and is bounded."""

import pytest
import torch

import core
from core.explain.model import Model
from core.explain.predict import predict
from core.explain.survey import SURVEYED_LAMS, Survey, Surveyed, survey


@pytest.fixture(scope="module")
def model() -> Model:
    return core.load("reference/cascade-digits")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (40, 1, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_survey_agrees_with_predictions(model: Model, images: torch.Tensor) -> None:
    labels = [None] + [model.classes[3]] * 39
    *_, known = survey(model, images, labels, 60)
    assert known.complete
    assert (known.lams, known.total, len(known.images)) == (SURVEYED_LAMS, 40, 40)
    traces = [predict(model, images, lam=lam) for lam in SURVEYED_LAMS]
    for row, one in enumerate(known.images):
        along = [at[row] for at in traces]
        assert one.cost_shares == pytest.approx([trace.cost_share for trace in along])
        routes = [tuple(trace.executed) for trace in along]
        assert [a == b for a in one.routes for b in one.routes] == [a == b for a in routes for b in routes]
        assert one.right == (None if row == 0 else tuple(trace.label == model.classes[3] for trace in along))


def test_results_come_in_chunks_and_end_when_there_is_no_time(model: Model, images: torch.Tensor) -> None:
    labels = [model.classes[0]] * 40
    first, *_, last = survey(model, images, labels, 60)
    assert 0 < len(first.images) < 40
    assert not first.complete
    assert last.images[: len(first.images)] == first.images
    assert last.complete
    [only] = survey(model, images, labels, -1.0)
    assert only.complete
    assert only.images == first.images


def test_a_network_for_one_lam_is_surveyed_at_that_lam() -> None:
    static = core.load("reference/cascade-digits-static")
    images = torch.zeros(2, 1, 48, 48, dtype=torch.uint8)
    *_, known = survey(static, images, ["0", "1"], 60)
    assert len(known.lams) == 1
    assert not any(one.changes_route for one in known.images)


def test_the_cheapest_right_lam_is_that_of_the_lowest_cost() -> None:
    easy = Surveyed((0, 1), (0.3, 0.9), (True, True))
    hard = Surveyed((0, 1), (0.3, 0.9), (False, True))
    odd = Surveyed((0, 1), (0.9, 0.3), (True, True))  # the network spends less at the higher λ
    lost = Surveyed((0, 0), (0.3, 0.3), (False, False))
    unknown = Surveyed((0, 0), (0.3, 0.3), None)
    assert [one.cheapest_right for one in (easy, hard, odd, lost, unknown)] == [0, 1, 1, None, None]
    assert [one.wrong for one in (easy, hard, lost, unknown)] == [0, 1, 2, 0]
    assert easy.mean_cost == pytest.approx(0.6)
    assert Survey((0.0, 1.0), 5, (easy, hard, odd, lost, unknown)).cheapest_right_counts() == ([1, 2], 1)
