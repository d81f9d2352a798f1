"""What is said beside a run's name: gates that gain nothing or never decide; and what a person's picture shows in its frame."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from app.cautions import cautions
from app.components.crop import Crop, crop_of
from core.datasets.sources.photographs import STAND_IN_CLASSES, STAND_INS, outside
from core.datasets.sources.picture import to_tensor
from core.evaluation.report import NO_BETTER_THAN_RANDOM, NO_BETTER_THAN_ROUTES


def run(gated: bool = True, **figures: Any) -> Any:
    rows = [{"lam": lam, "macs_mean": 100 * cost, "macs_static": 100, "accuracy": 0.6} for lam, cost in ((0.0, 0.2), (1.0, 0.9))]
    return SimpleNamespace(name="it", gated=gated, state="finished", figures={"test": rows} | figures)


def front(accuracy: float) -> dict[str, Any]:
    return {"cost": 0.2, "accuracy": accuracy}


def test_a_run_whose_gates_gain_says_nothing() -> None:
    assert cautions(run(baselines={"test": {"random gates": [front(0.5)], "fixed routes": [front(0.55)]}}), 3) == ("", [])
    assert cautions(run(gated=False), 0) == ("", ())


def test_gates_that_gain_nothing_are_named() -> None:
    found = cautions(run(baselines={"test": {"random gates": [front(0.7)], "fixed routes": [front(0.8)]}}), 3)
    assert found == ("No gain over fixed routes; no gain over random gates", [NO_BETTER_THAN_RANDOM, NO_BETTER_THAN_ROUTES])


@pytest.mark.parametrize(("controllers", "words"), [(3, "1 of 3 controllers never decide"), (1, "Its controller never decides")])
def test_controllers_that_never_decide_are_counted_and_named(controllers: int, words: str) -> None:
    collapsed = [{"control": "Q2", "rates": {"N5": 1.0}, "routes": []}]
    assert cautions(run(collapsed=collapsed), controllers) == (words, ["Q2 always opens N5, whatever the image."])


def test_a_picture_of_none_of_the_classes_is_called_that_only_where_it_is_known() -> None:
    coffee = next(one for one in STAND_INS if "coffee" in one.subject)
    cat = next(one for one in STAND_INS if one.label == "cat")
    assert outside(coffee, sorted(STAND_IN_CLASSES)) == "a cup of coffee"
    assert outside(coffee, ["cat", "dog"]) == "a cup of coffee"
    assert outside(cat, sorted(STAND_IN_CLASSES)) is None
    assert outside(coffee, ["cat", "espresso"]) is None, "the class may be another word for it"


@pytest.mark.parametrize(
    ("frame", "box"),
    [
        (Crop(), (50, 0, 150, 100)),
        (Crop(0.0, 0.5, 1.0), (0, 0, 100, 100)),
        (Crop(0.75, 0.5, 0.5), (125, 25, 175, 75)),
        (Crop(1.0, 1.0, 0.5), (150, 50, 200, 100)),
    ],
)
def test_a_frame_is_a_part_of_the_picture(frame: Crop, box: tuple[float, ...]) -> None:
    assert frame.box((200, 100), (32, 32)) == pytest.approx(box)


def test_the_first_frame_shows_what_is_seen_without_one() -> None:
    picture = Image.effect_noise((200, 100), 80).convert("RGB")
    assert torch.equal(to_tensor(picture, (3, 32, 32), Crop().box(picture.size, (32, 32))), to_tensor(picture, (3, 32, 32)))


@pytest.mark.parametrize(
    "sent",
    [None, "frame", {}, {"x": 0.5, "y": 0.5}, {"x": 2, "y": 0.5, "size": 1}, {"x": "a", "y": 0, "size": 1}, {"x": 0, "y": 0, "size": 0}],
)
def test_a_frame_that_is_out_of_bounds_is_the_largest(sent: object) -> None:
    assert crop_of(sent) == Crop()
