"""What can be chosen is named on the command line and in its reference, and options' earlier spellings still work."""

from pathlib import Path

import pytest

from core.choices import choice, choices, options
from core.cli.settings import configuration
from core.config import Training
from core.recipes import RECIPES
from core.registry import COMPONENT_KINDS, component, names
from scripts.cli_reference import TARGET, WIDTH, reference
from tests.test_cli import call, refused, told, trained

__all__ = ["trained"]  # a fixture
PARTS = {"architectures": "architecture", "datasets": "dataset", "methods": "method"}


def test_list_names_everything_with_its_summary_and_papers() -> None:
    lines = call("list").stdout.splitlines()
    shown = " ".join(" ".join(lines).split())
    for kind in COMPONENT_KINDS:
        for one in choices(kind):
            assert one.name in shown
            assert one.summary in shown
            assert all(str(paper) in shown for paper in one.papers)
            assert all(f"    {paper.url}" in lines for paper in one.papers)
    assert "    https://arxiv.org/abs/1701.00299" in lines
    assert "    https://arxiv.org/abs/2007.15151" in lines
    assert max(map(len, lines)) <= 100


def test_list_says_which_files_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import core.methods

    monkeypatch.setattr(core.methods, "__path__", [*core.methods.__path__, str(tmp_path)])
    (tmp_path / "torn.py").write_text("import nowhere_at_all\n\nname: Literal['torn']\n")
    listed = call("list", "methods")
    assert listed.returncode == 0
    assert listed.stderr.startswith("core/methods/torn.py: cannot be imported: ModuleNotFoundError")
    assert "d2nn" in listed.stdout
    assert call("train", "cascade", "--help").returncode == 0


def test_list_as_json_has_the_options_too() -> None:
    listed = told("list")
    assert isinstance(listed, dict)
    known = {kind: names(kind) for kind in COMPONENT_KINDS} | {"recipes": [one.name for one in RECIPES]}
    assert {kind: [one["name"] for one in there] for kind, there in listed.items()} == known
    (only,) = (one for one in told("list", "methods")["methods"] if one["name"] == "lcnet")
    assert only["papers"][0]["url"] == "https://arxiv.org/abs/2007.15151"
    assert {"name": "gates", "values": "image, constant or fixed", "default": "image"}.items() <= only["options"][-1].items()


def test_the_help_of_train_names_every_choice_and_every_option() -> None:
    shown = " ".join(call("train", "--help").stdout.split())
    for kind in COMPONENT_KINDS:
        for one in choices(kind):
            assert f"{PARTS[kind].capitalize()} {one.name}:" in shown
            for option in one.options:
                assert f"{PARTS[kind]}.{option.name}" in shown
    for option in options(Training):
        assert f"training.{option.name}" in shown
    assert "[integer from 1 to 10000; default: 10]" in shown


@pytest.mark.parametrize("words", [("cascade", "--help"), ("--help", "cascade"), ("cascade", "--lam", "0.5", "--help")])
def test_the_help_of_an_architecture_names_its_options_and_no_other_ones(words: tuple[str, ...]) -> None:
    shown = call("train", *words).stdout
    assert "architecture.trunk" in shown
    assert "architecture.links" not in shown
    assert all(f"Dataset {name}:" in shown for name in names("datasets"))
    assert [name for name in names("methods") if f"Method {name}:" in shown] == [
        *("bolukbasi", "branchynet", "d2nn", "decision_gates", "l2w", "odena", "static"),
    ]
    assert shown.index("Training:") < shown.index("Architecture cascade:")


@pytest.mark.parametrize(
    ("architecture", "methods"),
    [
        ("plain", ["static"]),
        ("lc_resnet", ["aig", "blockdrop", "fbs", "lcnet", "odena", "slimmable", "static"]),
        ("chain", ["d2nn", "odena", "static"]),
    ],
)
def test_the_help_of_an_architecture_leaves_out_methods_that_it_refuses(architecture: str, methods: list[str]) -> None:
    shown = call("train", architecture, "--help").stdout
    assert [name for name in names("methods") if f"Method {name}:" in shown] == methods
    assert "Method d2nn:" in call("train", architecture, "--method", "d2nn", "--help").stdout


def test_the_help_of_a_dataset_and_a_method_leaves_the_others_out() -> None:
    shown = call("train", "cascade", "--dataset", "folder", "--method=static", "--help").stdout
    assert "dataset.path" in shown
    assert "dataset.canvas" not in shown
    assert "method.route" in shown
    assert "method.budget_weight" not in shown
    assert "choose one of cascade" in refused("train", "nothing", "--help")


@pytest.mark.parametrize(
    ("kind", "name", "option", "values", "default"),
    [
        ("architectures", "cascade", "trunk", "list of 1 to 64 integers from 1 to 4096", "[8,16,32,64]"),
        ("architectures", "hierarchy", "tree", "list of lists of integers from 0 to 9999", "[]"),
        ("architectures", "lc_resnet", "layers", "true or false", "true"),
        ("architectures", "lc_resnet", "layer_gate_lr", "number, above 0, at most 1", "0.1"),
        ("methods", "d2nn", "controller_holdout", "number, at least 0, below 1", "0.1"),
        ("methods", "static", "route", "list of texts", "[]"),
        ("methods", "static", "teacher", "text", "empty"),
        ("datasets", "mnist", "limit", "integer from 1 to 1000000, or null", "null"),
        ("datasets", "faces", "source", "embedded or full", "embedded"),
    ],
)
def test_an_option_says_which_values_it_takes(kind: str, name: str, option: str, values: str, default: str) -> None:
    (found,) = (one for one in choice(kind, name).options if one.name == option)  # type: ignore[arg-type]
    assert (found.values, found.default_text) == (values, default)
    assert found.help


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `python -m scripts.cli_reference`"


def test_the_reference_shows_current_spellings_in_short_lines() -> None:
    page = reference()
    assert "`--budgets <str>`" in page
    assert "--targets" not in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_earlier_spellings_of_options_still_work_and_are_hidden(trained: str, tmp_path: Path) -> None:
    rows = told("evaluate", "faces", "--grid", 3, "--db", trained)
    assert isinstance(rows, list)
    share = rows[-1]["macs_mean"] / rows[-1]["macs_static"]
    assert told("evaluate", "faces", "--targets", share, "--db", trained) == told("evaluate", "faces", "--budgets", share, "--db", trained)
    assert told("evaluate", "faces", f"--targets={share}", "--db", trained)[0]["budget"] == share
    assert "out of reach" in refused("predict", "faces", tmp_path / "x.png", "--target", 9, "--db", trained)
    assert "--variant a: x='b" in refused("sweep", "cascade", "--dataset", "faces", "--name", "s", "--also", "a: x='b", "--db", trained)
    for command, old in (("evaluate", "--targets"), ("predict", "--target"), ("sweep", "--also")):
        assert old not in call(command, "--help").stdout
    assert "No such option" in call("train", "cascade", "--targets", "1").stderr


def test_the_papers_choices_are_set_in_one_word_and_can_be_changed() -> None:
    config = configuration("cascade", "digits", "d2nn", 0.5, None, 0, ["method.exchange_rate=2"], published=True)
    for kind, part in (("architectures", config.architecture), ("methods", config.method)):
        stated = component(kind, part.name).as_published  # type: ignore[arg-type]
        assert stated
        for option, value in stated.items():
            assert getattr(part, option) == (2 if option == "exchange_rate" else value) != type(part).model_fields[option].default
    assert "--published: the papers train one network for each λ" in refused("train", "cascade", "--dataset", "digits", "--published")
    error = refused("sweep", "cascade", "--dataset", "digits", "--name", "s", "--lams", "0.5,every", "--published")
    assert "Name values with --lams" in error
