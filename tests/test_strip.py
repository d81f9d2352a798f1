"""The strip of test images: what it shows, in which order, with which marks; and the picture of a person's own that is kept."""

import io
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from app.background import Background
from app.components.samples import page_of
from app.own_picture import SIDE, SMALL, kept_form
from app.samples import FIRST_VIEW, Samples, arranged, thumbnail
from core.datasets.sources.picture import read_picture
from core.explain.survey import Survey, Surveyed

EASY = Surveyed((0, 0), (0.2, 0.2), (True, True))
HARD = Surveyed((0, 1), (0.2, 0.9), (False, True))
LOST = Surveyed((0, 1), (0.1, 0.5), (False, False))
LABELS = ["a", "b", "a", "b"]
SURVEY = Survey((0.0, 1.0), 4, (EASY, HARD, LOST))  # the fourth image has not been executed


@pytest.mark.parametrize(
    ("show", "order", "rows"),
    [
        ("all", "given", [0, 1, 2, 3]),
        ("all", "cheapest", [0, 2, 1, 3]),
        ("all", "dearest", [1, 2, 0, 3]),
        ("routes", "given", [1, 2]),
        ("wrong", "given", [1, 2]),
        ("class b", "given", [1, 3]),
    ],
)
def test_images_are_narrowed_and_ordered(show: str, order: str, rows: list[int]) -> None:
    assert arranged(LABELS, SURVEY, {**FIRST_VIEW, "show": show, "order": order}) == rows


def test_shuffling_keeps_every_image_and_differs_by_seed() -> None:
    many, known = ["a"] * 50, Survey((0.5,), 50)
    first, again, other = (arranged(many, known, {**FIRST_VIEW, "order": "shuffled", "seed": seed}) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first) == list(range(50))


def test_pages_have_bounds() -> None:
    assert page_of(range(130), 2, 60) == (list(range(120, 130)), 2, 3)
    assert page_of(range(130), 9, 60)[1:] == (2, 3)
    assert page_of([], 3, 60) == ([], 0, 1)


def test_marks_say_what_they_mean() -> None:
    samples = Samples(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), [f"Image {row}" for row in range(4)], list(LABELS), [None] * 4)
    easy, hard, lost, unknown = (thumbnail(samples, SURVEY, row) for row in range(4))
    assert [(one["turns"], one["wrong"]) for one in (easy, hard, lost, unknown)] == [
        (False, ""),
        (True, "partly"),
        (True, "always"),
        (False, ""),
    ]
    assert hard["title"] == "Image 1 · its route changes along λ · wrong at 1 of 2 values of λ"
    assert unknown["title"] == "Image 3"


def test_small_pictures_are_small() -> None:
    large = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert len(thumbnail(Samples(large, ["x"], [None], [None]), Survey((), 1), 0)["url"]) < 12_000


def encoded(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def test_a_small_file_is_kept_as_it_is_and_a_large_one_is_made_smaller() -> None:
    small = encoded(Image.new("RGB", (40, 30), "red"), "PNG")
    assert kept_form(small, "red.png").data == small
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8))
    kept = kept_form(encoded(noise, "PNG"), "noise.png")
    assert kept.readable
    assert len(kept.data) < 4 * SMALL / 3
    assert read_picture(kept.data).size == (SIDE, SIDE * 3 // 4)
    assert not kept_form(b"no picture", "x.png").readable


def test_a_picture_that_takes_long_to_decode_is_kept_in_a_light_form() -> None:
    file = io.BytesIO()
    Image.new("P", (7_200, 7_000)).save(file, "PNG", compress_level=1)
    assert len(file.getvalue()) < SMALL
    kept = kept_form(file.getvalue(), "a.png")
    assert kept.readable
    assert not read_picture(kept.data).info


def grown(survey: Background) -> Survey:
    deadline = time.monotonic() + 30
    while survey.growing and time.monotonic() < deadline:
        survey.look()
        survey.wait(0.05)
    return survey.look()


def test_a_survey_grows_in_the_background_while_it_is_looked_at() -> None:
    begun: list[int] = []

    def surveys() -> Iterator[Survey]:
        for count in range(1, 4):
            begun.append(count)
            yield Survey((0.5,), 3, (EASY,) * count, complete=count == 3)

    survey = Background(surveys(), Survey((), 3))
    assert begun == []
    assert len(grown(survey).images) == 3
    assert not survey.growing
    assert begun == [1, 2, 3]


def test_a_survey_that_fails_keeps_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    def surveys() -> Iterator[Survey]:
        yield Survey((0.5,), 3, (EASY,))
        raise RuntimeError("no memory")

    survey = Background(surveys(), Survey((), 3))
    assert len(grown(survey).images) == 1
    assert not survey.growing
    assert "no memory" in caplog.text
