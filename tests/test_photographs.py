"""Pictures that stand in for CIFAR-10: each has its class, and the cascade that ships recognises it."""

import pytest
import torch

import core
from core.datasets.cifar10 import Cifar10
from core.datasets.sources.drawings import DRAWINGS, UNITS, draw
from core.datasets.sources.photographs import STAND_INS, StandIn, stand_ins
from core.explain.model import Model

CLASSES = Cifar10.class_names


@pytest.fixture(scope="module")
def cascade() -> Model:
    return core.load("reference/model-cascade-cifar10")


@pytest.mark.parametrize("shown", [one for one in STAND_INS if one.label], ids=lambda one: one.subject)
def test_the_cascade_that_ships_recognises_each(shown: StandIn, cascade: Model) -> None:
    trace = core.predict(cascade, shown.read(), lam=0.9)
    assert trace.label == shown.label
    assert trace.probabilities[trace.label] > 0.6


def test_every_class_is_shown_in_the_order_of_the_classes_and_others_come_last() -> None:
    chosen, images = stand_ins((3, 32, 32), CLASSES)
    assert [one.label for one in chosen[: len(CLASSES)]] == list(CLASSES)
    assert [one.label for one in chosen[len(CLASSES) :]] == [None] * 3
    assert images.shape == (len(chosen), 3, 32, 32)
    assert images.dtype == torch.uint8
    assert all(image.float().std() > 10 for image in images)
    red, _, blue = images[CLASSES.index("cat")].float().mean(dim=(1, 2))
    assert red > blue  # the cat is ginger


def test_networks_of_other_classes_are_shown_what_they_may_know() -> None:
    chosen, images = stand_ins((3, 40, 24), ("dog", "rose"))
    assert [one.label for one in chosen] == ["dog", None, None, None]
    assert images.shape == (4, 3, 40, 24)


def test_shapes_lie_on_the_canvas() -> None:
    for subject, (_, _, shapes) in DRAWINGS.items():
        assert draw(subject).size == (256, 256)
        for _, corners in shapes:
            assert len(corners) % 2 == 0
            assert min(corners) >= 0
            assert max(corners) <= UNITS + 8  # what is cut off at the edge
