"""What a person learns of a training before it starts."""

from collections.abc import Generator
from pathlib import Path

import pytest

from app.fields import fields
from app.graph_view.sketch import sketch
from app.option_groups import COMMON, MORE, OPTION_GROUPS, found, group_of
from core.config import Training, run_config
from core.datasets import DataError
from core.datasets.cifar10 import Cifar10
from core.datasets.digits import Digits
from core.registry import component, names
from core.training.preview import Pace, measure, outline


def result(steps: Generator[None, None, Pace]) -> Pace:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def test_the_pace_of_a_training_is_measured_and_scales_with_its_epochs() -> None:
    short, long = (run_config(architecture="high_low", dataset="digits", method="d2nn", training={"epochs": epochs}) for epochs in (1, 11))
    pace = result(measure(short))
    assert pace.step > 0
    assert pace.image > 0
    sizes = Digits().sizes()
    assert sizes == (1259, 179, 359)
    assert pace.seconds(long, sizes) - pace.seconds(short, sizes) == pytest.approx(10 * (20 * pace.step + 5 * 179 * pace.image))


def test_the_outline_of_a_configuration_is_the_network_that_is_trained() -> None:
    gated, static = (outline(run_config(architecture="cascade", dataset="digits", method=method)) for method in ("d2nn", "static"))
    assert any(node.kind == "control" for node in gated.nodes)
    assert not any(node.kind == "control" for node in static.nodes)
    assert static.parameters < gated.parameters


def test_data_that_is_not_here_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    monkeypatch.setenv("GATESCOPE_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"the training downloads it first.*GATESCOPE_DATA"):
        Cifar10().sizes()
    (tmp_path / Cifar10.archives[0]).touch()
    assert Cifar10(limit=100).sizes() == (100, 5000, 10_000)


def test_a_drawing_colours_modules_by_how_often_they_ran() -> None:
    found = outline(run_config(architecture="high_low", dataset="digits", method="d2nn"))
    (gated,) = [node.name for node in found.nodes if node.gates]
    plain, seldom, always = (sketch(found.nodes, found.macs, rates) for rates in ({}, {gated: 0.25}, {gated: 1.0}))
    assert "25%" in seldom
    assert "25%" not in plain
    assert "#0d6c65" in always
    assert "#0d6c65" not in seldom


def test_every_option_has_its_group_and_every_group_its_options() -> None:
    known = {name for method in names("methods") for name in component("methods", method).model_fields} | set(Training.model_fields)
    assert {name for members in OPTION_GROUPS.values() for name in members} | set(COMMON) <= known
    assert group_of("no such option") == MORE
    assert set(Training.model_fields) - set(COMMON) <= {name for members in OPTION_GROUPS.values() for name in members}


def test_options_are_found_by_their_labels_and_their_help() -> None:
    assert [one.name for one in found(fields(Training), "label smooth")] == ["label_smoothing"]
    assert "init_from" in [one.name for one in found(fields(Training), "checkpoint")]
