"""What can be chosen is found by its file alone, and a wrong choice is reported in one line."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from core.config import run_config
from core.errors import UserError
from core.registry import COMPONENT_KINDS, Component, ComponentKind, ConfigError, choose, component, names, problems, title

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
        ({"dataset": {"name": "digits", "nothing": 1}}, r"^dataset\.nothing is not an option: choose one of dataset\.seed\.$"),
        ({"training": {"epoch": 3}}, r"^training\.epoch is not an option: the nearest is training\.epochs\.$"),
        ({"method": {"name": "d2nn", "bags": 3}}, r"^method\.bags is not an option: the nearest (is|are) method\.bag_size"),
        ({"training": {"settled": 5}}, r"^Freeze batch norm \(training\.freeze_bn\) must be at most 1\.$"),
        (
            {"training": {"settled": 0.1, "freeze_bn": 0.2}},
            r"^Freeze batch norm \(training\.freeze_bn\) is given twice: leave out settled, its earlier name\.$",
        ),
        ({"architecture": {"name": "cascade", "trunk": 4}}, r"^Filters of each trunk \(architecture\.trunk\) must be a list\.$"),
        ({"dataset": {"name": "folder", "path": 3}}, r"\(dataset\.path\) must be text\.$"),
        ({"lam": 2}, r"^λ \(lam\) must be at most 1\.$"),
        ({"training": {"epochs": 0}}, r"^Epochs \(training\.epochs\) must be at least 1\.$"),
        ({"training": {"epochs": "few"}}, r"^Epochs \(training\.epochs\) must be a whole number\.$"),
        ({"training": {"optimizer": "adam"}}, r"^Optimiser \(training\.optimizer\) must be one of adamw, sgd\.$"),
        (
            {"architecture": {"name": "cascade", "trunk": [4, 0]}},
            r"^Filters of each trunk \(architecture\.trunk\), item 2, must be at least 1\.$",
        ),
        (
            {"architecture": {"name": "hierarchy", "tree": [[0, -1]]}},
            r"^Classes of each branch \(architecture\.tree\), item 1, item 2, must be at least 0\.$",
        ),
        ({"architecture": {"name": "cascade", "trunk": [4], "head": [4, 4]}}, "give both the same number"),
    ],
)
def test_wrong_choices_are_reported_in_one_line(choices: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        run_config(**({"architecture": "cascade", "dataset": "digits", "method": "d2nn"} | choices))
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_component_alone_tells_its_fault_as_well() -> None:
    with pytest.raises(ConfigError, match=r"^trunk has 1 stages and head has 4: give both the same number$"):
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


@pytest.fixture
def more_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files count as training methods."""
    import core.methods

    package: ModuleType = core.methods
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        (
            "lost",
            "import nowhere_at_all\n\n\nname: Literal['lost']\n",
            "cannot be imported: ModuleNotFoundError: .*nowhere_at_all.* \\(line 1\\)",
        ),
        ("slip", "def f(:\n\n\nname: Literal['slip']\n", "cannot be imported: SyntaxError"),
        (
            "renamed",
            "from typing import Literal\nfrom core.methods import Method\n\nclass New(Method):\n    name: Literal['new'] = 'new'\n",
            "its component is named 'new': name it 'renamed', or rename the file to new.py",
        ),
        (
            "stepless",
            "from typing import Literal\nfrom core.methods import Method\n\nclass New(Method):\n"
            "    name: Literal['stepless'] = 'stepless'\n    def prepare(self, graph, lam): return graph\n",
            "class New lacks step",
        ),
        (
            "stranger",
            "from typing import Literal\n\nclass New:\n    name: Literal['stranger'] = 'stranger'\n",
            "no class with this name derives from the base class",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_its_name(name: str, source: str, says: str, more_methods: Path) -> None:
    (more_methods / f"{name}.py").write_text(source)
    with pytest.raises(ConfigError, match=f"^core/methods/{name}\\.py: {says}") as caught:
        choose("methods", name)
    assert problems("methods") == [str(caught.value)]
    assert component("methods", "static").__name__ == "Static"


def test_a_file_without_a_name_is_reported_when_it_is_chosen(more_methods: Path) -> None:
    (more_methods / "nameless.py").write_text("from core.methods import Method\n\nclass New(Method):\n    name: str = 'nameless'\n")
    with pytest.raises(ConfigError, match=r'nameless\.py has no class with name: Literal."nameless". = "nameless"'):
        choose("methods", "nameless")


def test_the_component_of_a_file_is_the_class_with_its_name(more_methods: Path) -> None:
    (more_methods / "variant.py").write_text(
        "from typing import Literal\nfrom core.methods.static import Static\n\nclass Base(Static):\n    name: Literal['base'] = 'base'\n\n"
        "class Variant(Base):\n    name: Literal['variant'] = 'variant'\n"
    )
    assert component("methods", "variant").__name__ == "Variant"
    assert problems("methods") == []


def test_every_file_that_ships_can_be_used() -> None:
    assert [problem for kind in COMPONENT_KINDS for problem in problems(kind)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("registry.ConfigError", "datasets.DataError", "datasets.sources.picture.PictureError", "graph.node.GraphError"),
        *("graph.checkpoint.CheckpointError", "store.StoreError", "training.figures.TrainingError"),
    ],
)
def test_every_error_that_a_person_can_mend_derives_from_one_class(name: str) -> None:
    module, _, error = name.rpartition(".")
    assert issubclass(getattr(import_module(f"core.{module}"), error), UserError)
