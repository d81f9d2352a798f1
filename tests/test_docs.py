"""Documents hold: their size, their links, their commands, their figures and their code."""

import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import typer
from torch import Generator, Tensor

from core.cli.main import app
from core.config import Training, run_config
from core.graph.node import Node
from core.graph.policy import Policy, one_hot
from core.registry import COMPONENT_KINDS, ComponentKind, component, names
from core.training.train import train

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SCRIPTS = sorted((ROOT / "scripts" / "reproduce").glob("*.sh"))
SAMPLES = ROOT / "docs" / "samples"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:\.venv/bin/)?python -m core ")
PARTS: dict[str, ComponentKind] = {"architecture": "architectures", "dataset": "datasets", "method": "methods"}


def named(path: Path) -> str:
    """What a test calls a file."""
    return str(path.relative_to(ROOT))


def fenced(document: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """The names by which the headings of a document can be linked to."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(document: Path) -> list[str]:
    """Every command of the project in a document, in blocks and in sentences."""
    text = document.read_text(encoding="utf-8")
    lines = "\n".join(fenced(document, "sh")).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [line for line in (*lines, *(" ".join(one.split()) for one in inline)) if COMMAND.match(line.strip()) and "…" not in line]


def check(words: list[str]) -> None:
    """Fail where a command line does not parse, or sets an option that a component does not have under this name."""
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    if "--help" in words:
        return
    spellings = {spelling for parameter in command.params for spelling in parameter.opts}
    for word in words[1:]:
        if word.startswith("--"):
            assert word.partition("=")[0] in spellings, f"{words[0]} has no option {word}"
    params = command.make_context(words[0], words[1:]).params
    after = [(word, words[place + 1]) for place, word in enumerate(words[:-1])]
    pairs = [given for word, given in after if word == "--set"]
    for _, variant in ((word, given) for word, given in after if word == "--variant"):
        pairs += variant.partition(":")[2].split()
    chosen = {"architecture": {params.get("architecture") or params.get("what")}} | {
        part: {params.get(part), *(value for name, _, value in map(split, pairs) if name == part and _ == "name")}
        for part in ("dataset", "method")
    }
    for name, option, _ in map(split, pairs):
        known = {"name"} | set().union(*(options(name, one) for one in chosen.get(name, {None})))
        assert option in known, f"{name} has no option {option}"


def split(pair: str) -> tuple[str, str, str]:
    """The part, the option and the value of `part.option=value`."""
    name, _, value = pair.partition("=")
    part, _, option = name.partition(".")
    return part, option, value


def options(part: str, name: str | None) -> set[str]:
    """The names of the options of the training, or of a component."""
    chosen = Training if part == "training" else component(PARTS[part], str(name))
    return set(chosen.model_fields)


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The samples lie where the registry looks, as if they had been copied into their folders."""
    component.cache_clear()
    for kind in COMPONENT_KINDS:
        package = sys.modules.get(f"core.{kind}") or __import__(f"core.{kind}", fromlist=["__path__"])
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(SAMPLES / kind)])
    yield
    component.cache_clear()


def test_the_readme_fits() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_lines_have_at_most_120_characters(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [(number, len(line)) for number, line in enumerate(lines, start=1) if len(line) > 120] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_resolve(document: Path) -> None:
    broken = []
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(test_\w+\.py)`:\s+((?:`test_\w+`(?:,\s+)?)+)", (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert len(named) > 60
    for file, tests in named:
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert [name for name in re.findall(r"test_\w+", tests) if f"def {name}(" not in source] == [], file


def test_every_picture_is_used() -> None:
    linked = {(document.parent / link).resolve() for document in DOCUMENTS for link in LINK.findall(document.read_text(encoding="utf-8"))}
    there = {file.resolve() for file in (ROOT / "assets").iterdir() if file.is_file()}
    assert there - linked == set()


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.name != "cli.md"], ids=named)  # that page is made from the commands
def test_every_command_of_a_document_parses(document: Path) -> None:
    for line in commands(document):
        words = shlex.split(line, comments=True)
        check(words[words.index("core") + 1 :])


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_every_command_of_a_script_parses(script: Path, tmp_path: Path) -> None:
    if script.name == "common.sh":
        return
    told = tmp_path / "told"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" >> {told}\nprintf "\\n" >> {told}\n', encoding="utf-8")
    python.chmod(0o755)
    subprocess.run(["bash", str(script)], check=True, env=os.environ | {"PYTHON": str(python)}, cwd=tmp_path)
    lines = told.read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        words = line.split("\0")[:-1]
        assert words[0] == "-m"
        if words[1] == "core":
            check(words[2:])
        else:
            assert (ROOT / words[1].replace(".", "/")).with_suffix(".py").is_file()


def test_the_readmes_sample_runs() -> None:
    [sample] = fenced(ROOT / "README.md", "python")
    assert len([line for line in sample.splitlines() if line]) == 12
    ran = subprocess.run([sys.executable, "-c", sample], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "torch.Size([8, 10])" in ran.stdout


def test_the_readmes_figures_are_those_of_the_cards() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| [\w -]+ \| (0\.\d) \| ([\d.]+)% \| ([\d.]+)% \|", readme, re.MULTILINE)
    cards = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "assets" / "reference").glob("*.md")}
    shipped = {name for name, card in cards.items() if "It serves no λ." not in card}
    assert {name for name, *_ in rows} == shipped
    for name, lam, accuracy, share in rows:
        test = cards[name][cards[name].index("## Test split") : cards[name].index("## Validation split")]
        [(right, spent)] = re.findall(rf"^\| {lam} \| ([\d.]+) \|[^|]+\|[^|]+\| ([\d.]+)% ", test, re.MULTILINE)
        assert abs(100 * float(right) - float(accuracy)) < 0.0501, name
        assert spent == share, name


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
def test_the_guides_code_is_that_of_the_samples(kind: str) -> None:
    [file] = (SAMPLES / kind).glob("*.py")
    assert file.read_text(encoding="utf-8") in fenced(ROOT / "docs" / "extending.md", "python")


def test_the_guides_policy_opens_one_option_and_prefers_high_scores() -> None:
    [code] = [block for block in fenced(ROOT / "docs" / "extending.md", "python") if "class Boltzmann" in block]
    names = {"dataclass": dataclass, "Generator": Generator, "Node": Node, "Tensor": Tensor, "one_hot": one_hot}
    exec(compile(code, "extending", "exec"), names)
    scores = torch.tensor([[0.0, 1.0]]).repeat(2000, 1)
    policy: Policy = names["Boltzmann"](0.5, Generator().manual_seed(0))  # type: ignore[operator,assignment]
    gates = policy(Node("Q", "control", options=("a", "b")), scores)
    assert torch.equal(gates.sum(dim=1), torch.ones(2000))
    assert float(gates[:, 1].mean()) == pytest.approx(1 / (1 + math.exp(-2)), abs=0.04)


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize(("method", "lam"), [("soft_routes", 0.5), ("d2nn", None)])
def test_the_samples_train(method: str, lam: float | None) -> None:
    assert {"two_scales", "shapes", "soft_routes"} <= {name for kind in COMPONENT_KINDS for name in names(kind)}
    config = run_config(
        architecture={"name": "two_scales", "glance": 2, "look": 4},
        dataset={"name": "shapes", "count": 90},
        method=method,
        lam=lam,
        training={"epochs": 1, "batch_size": 16},
    )
    data = config.dataset.read()
    macs = config.architecture.build(data.image, len(data.classes), every_lam=lam is None).macs
    *_, last = train(config, data)
    assert last.final is not None
    for row in last.final["test"]:
        assert row["n"] == 18
        assert row["macs_mean"] == pytest.approx(sum(rate * macs[node] for node, rate in row["execution_rates"].items()))
