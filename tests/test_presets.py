"""Presets: each is a valid configuration, and what it promises is what its training gives."""

import pytest

from core.config import run_config
from core.presets import FIRST_PRESET, PRESETS, preset
from core.registry import ConfigError
from core.store import Store
from core.store.references import load_references
from core.training.preview import outline
from core.training.train import train

SHIPPED = {"high-low": "high-low-digits", "chain": "chain-digits", "lc-net": "lc-digits", "cifar10": "resnet38-cascade-cifar10"}
HALF_PERCENT = 0.0051


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('presets') / 'runs.db'}")
    load_references(store)
    return store


def test_presets_have_names_of_their_own_and_valid_configurations() -> None:
    assert len({one.name for one in PRESETS}) == len({one.title for one in PRESETS}) == len(PRESETS)
    assert all(one.config.gated and one.config.lam is None for one in PRESETS)
    assert preset(FIRST_PRESET).config == PRESETS[0].config
    with pytest.raises(ConfigError, match="choose one of digits"):
        preset("none")


@pytest.mark.parametrize(("name", "run"), SHIPPED.items())
def test_a_preset_is_the_network_that_ships_with_its_time_and_figures(references: Store, name: str, run: str) -> None:
    one, shipped = preset(name), references.runs.get(f"reference/{run}")
    expected = run_config(**shipped.config)
    for part in ("architecture", "dataset", "method"):
        assert getattr(one.config, part) == getattr(expected, part)
    assert one.config.training.model_copy(update={"init_from": ""}) == expected.training.model_copy(update={"init_from": ""})
    (row,) = [row for row in shipped.figures["test"] if row["lam"] == 0.5]
    assert one.accuracy == pytest.approx(row["accuracy"], abs=HALF_PERCENT)
    assert one.cost == pytest.approx(row["macs_mean"] / row["macs_static"], abs=HALF_PERCENT)
    assert one.minutes is not None
    assert shipped.seconds <= 60 * one.minutes
    assert shipped.figures["collapsed"] == []


@pytest.mark.parametrize("one", [one for one in PRESETS if one.name != "own"], ids=lambda one: one.name)
def test_the_network_of_a_preset_can_be_built_without_its_images(one: object) -> None:
    found = outline(one.config)  # type: ignore[attr-defined]
    assert found.parameters > 0
    assert any(node.kind == "control" for node in found.nodes)


@pytest.mark.long  # the test above builds it, and tests/browser/test_train.py trains it for a few epochs
def test_the_shortest_preset_trains_controllers_that_decide() -> None:
    one = preset(FIRST_PRESET)
    final = list(train(one.config, one.config.dataset.read()))[-1].final
    assert final is not None
    (row,) = [row for row in final["test"] if row["lam"] == 0.5]
    assert row["accuracy"] > 0.9
    assert row["macs_mean"] < 0.6 * row["macs_static"]
    assert final["collapsed"] == []
