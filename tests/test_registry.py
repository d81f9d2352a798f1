"""What can be chosen is found by its file alone, and a wrong choice is reported in one line."""

from importlib import import_module

import pytest

from core.config import run_config
from core.errors import UserError
from core.registry import COMPONENT_KINDS, Component, ComponentKind, ConfigError, choose, component, names, title

EVERYTHING = [(kind, name) for kind in COMPONENT_KINDS for name in names(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_every_file_is_a_component_that_explains_its_options(kind: ComponentKind, name: str) -> None:
    options = component(kind, name).model_fields
    assert options["name"].default == name
    for option, field in options.items():
        assert option == "name" or field.description, option
    assert component(kind, name).__doc__


@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERYTHING if pair[1] != "folder"])
def test_every_component_survives_json_and_serves_as_a_key(kind: ComponentKind, name: str) -> None:
    chosen = choose(kind, name)
    again = choose(kind, chosen.model_dump(mode="json"))
    assert chosen == again
    assert {chosen: 1}[again] == 1
    assert choose(kind, chosen) is chosen


def test_components_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        choose("architectures", "cascade").name = "other"


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"architecture": "nothing"}, "choose one of cascade"),
        ({"dataset": {"name": "digits", "nothing": 1}}, "nothing"),
        ({"lam": 2}, "^lam must be at most 1$"),
        ({"training": {"epochs": 0}}, r"^training\.epochs must be at least 1$"),
        ({"training": {"epochs": "few"}}, r"^training\.epochs must be a whole number$"),
        ({"training": {"optimizer": "adam"}}, r"^training\.optimizer must be 'adamw' or 'sgd'$"),
        ({"architecture": {"name": "cascade", "trunk": [4, 0]}}, "^architecture cascade: trunk, item 2, must be at least 1$"),
        ({"architecture": {"name": "hierarchy", "tree": [[0, -1]]}}, "^architecture hierarchy: tree, item 1, item 2, must be at least 0$"),
        ({"architecture": {"name": "cascade", "trunk": [4], "head": [4, 4]}}, "give both the same number"),
    ],
)
def test_wrong_choices_are_reported_in_one_line(choices: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        run_config(**({"architecture": "cascade", "dataset": "digits", "method": "d2nn"} | choices))
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_component_alone_tells_its_fault_as_well() -> None:
    with pytest.raises(ConfigError, match=r"^architecture cascade: trunk has 1 stages and head has 4: give both the same number$"):
        choose("architectures", {"name": "cascade", "trunk": [4]})


def test_every_component_has_a_title_of_its_own() -> None:
    titles = [title(kind, name) for kind, name in EVERYTHING]
    assert len(set(titles)) == len(titles)
    assert all(component(kind, name).title for kind, name in EVERYTHING)
    assert title("methods", "removed_bn_method") == "Removed batch norm method"


def test_a_new_file_can_be_chosen_at_once(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.architectures

    folder = tmp_path / "more"  # type: ignore[operator]
    folder.mkdir()
    (folder / "fresh_one.py").write_text(
        "from typing import Literal\nfrom core.registry import Component\n\n"
        "class FreshOne(Component):\n    name: Literal['fresh_one'] = 'fresh_one'\n    width: int = 3\n"
    )
    monkeypatch.setattr(core.architectures, "__path__", [*core.architectures.__path__, str(folder)])
    assert "fresh_one" in names("architectures")
    chosen = choose("architectures", {"name": "fresh_one", "width": 5})
    assert isinstance(chosen, Component)
    assert chosen.model_dump() == {"name": "fresh_one", "width": 5}


@pytest.mark.parametrize(
    "name",
    [
        *("registry.ConfigError", "datasets.DataError", "datasets.sources.picture.PictureError", "graph.node.GraphError"),
        *("graph.checkpoint.CheckpointError", "store.StoreError", "training.train.TrainingError"),
    ],
)
def test_every_error_that_a_person_can_mend_derives_from_one_class(name: str) -> None:
    module, _, error = name.rpartition(".")
    assert issubclass(getattr(import_module(f"core.{module}"), error), UserError)
