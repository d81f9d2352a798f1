"""Every failure of a command is one line and status 2, whatever it was given."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.table import Table
from test_cli import call
from typer.main import get_command

from core.choices import choices, options
from core.cli.failure import MAX_LINE, sentence
from core.cli.main import app
from core.cli.output import console, print_json, print_table, say
from core.cli.predict import _print_answer
from core.cli.settings import settings
from core.config import Training
from core.registry import COMPONENT_KINDS

ROOT = Path(__file__).parents[1]
RUN = "reference/cascade-digits"
DEEP = "[" * 10_000
LIMITED = ("--lam", "--seed", "--epochs")  # the configuration checks them, in the words of the form


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["describe", "cascade", "--set", f"architecture.trunk={DEEP}"], "must be a list"),
        (["describe", "cascade", "--set", "architecture.trunk=" + '{"a":' * 10_000], "must be a list"),
        (["describe", "9" * 5000], "no run"),
        (["cascade", "a" * 5000], "File name too long"),
        (["export", RUN, "a" * 5000 + ".safetensors"], "too long"),
        (["evaluate", RUN, "--grid", "1000000000"], "--grid"),
        (["evaluate", RUN, "--budgets", "0.5," * 2000], "no more than"),
        (["evaluate", RUN, "--budgets", "nan"], "out of reach"),
        (["evaluate", RUN, "--policy", "random", "--rate", "nan"], "--rate"),
        (["evaluate", RUN, "--lam", "1e400"], "must be a number"),
        (["bench", RUN, "--threads", "100000"], "whole numbers from 1 to 256"),
        (["bench", RUN, "--batch", "1000000000"], "whole numbers from 1 to 4096"),
        (["bench", RUN, "--batch", "1," * 101], "no more than 100"),
        (["bench", RUN, "--lams", "nan"], "between 0 and 1"),
        (["bench", RUN, "--seconds", "1e9"], "--seconds"),
        (["sweep", "cascade", "--name", "s", "--seeds", ",".join(map(str, range(1001)))], "from 1 to 1000 values"),
        (["sweep", "cascade", "--name", "s", "--jobs", "100000"], "--jobs"),
        (["sweep", "cascade", "--dataset", "digits", "--name", ""], "a sweep's name"),
        (["sweep", "cascade", "--dataset", "digits", "--name", "../../x"], "a sweep's name"),
        (["train", "cascade", "--dataset", "digits", "--name=-h"], "must not begin with -"),
        (["train", "cascade", "--epochs", "many"], "--epochs"),
        (["train", "cascade", "--seed", "9" * 50], "seed"),
        (["train", "--no-such-option"], "--no-such-option"),
        (["no-such-command"], "no-such-command"),
        (["train"], "ARCHITECTURE"),
        (["predict", RUN, "\x1b[31m\udc80.png"], "\\x1b[31m\\udc80.png"),
    ],
)
def test_a_failure_is_one_line(words: list[str], told: str, scratch_database: str) -> None:
    done = call(*words)
    assert done.returncode == 2, done.stderr[-500:]
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert told in lines[0]
    assert lines[0].startswith("error: ")
    assert len(lines[0]) <= MAX_LINE + 20


def test_a_deleted_working_folder_is_a_line(tmp_path: Path) -> None:
    gone = f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); from core.cli.main import main; os.rmdir(os.getcwd())"
    code = f"{gone}; sys.argv = ['core', 'export', '{RUN}', 'x.safetensors', '--db', 'runs.db']; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_too_little_memory_is_a_line() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55)
    for error in (MemoryError(), raised.value):
        assert "needs more memory" in str(sentence(error))


def test_an_error_of_the_program_keeps_its_traceback() -> None:
    assert sentence(KeyError("execution_rates")) is None


def test_every_number_of_every_command_has_bounds_that_its_help_shows() -> None:
    commands = get_command(app).commands
    missing = []
    for name, command in commands.items():
        for option in command.params:
            bounded = None not in (option.min, getattr(option, "max", None))
            if option.type_descriptor.annotation in (int, float) and not bounded and option.opts[0] not in LIMITED:
                missing.append(f"{name} {option.opts[0]}")
    assert missing == []


def test_every_number_of_every_component_has_bounds() -> None:
    models = [options(Training), *(choice.options for kind in COMPONENT_KINDS for choice in choices(kind))]
    numbers = [option for known in models for option in known if re.search("integer|number", option.values)]
    assert len(numbers) > 50
    for option in numbers:
        assert re.search(r"from \S+ to|(at least|above).*(at most|below)", option.values), option


def test_a_value_that_is_nested_too_deeply_is_text() -> None:
    assert settings([f"training.epochs={DEEP}"])["training"]["epochs"] == DEEP


def test_printed_commands_can_be_pasted(scratch_database: str) -> None:
    name = "it's; touch x"
    done = call("train", "plain", "--dataset", "digits", "--method", "static", "--epochs", "1", "--name", name)
    assert done.returncode == 0
    assert "python -m core resume 'it'\"'\"'s; touch x'`" in " ".join(done.stderr.split())


def test_tables_texts_and_json_give_a_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    order = "\x1b[2J\x9b2J"
    table = Table(order, title=order)
    table.add_row(f"[red]{order}")
    print_table(table)
    console(errors=True).print(order)
    say(f"{order}\n\tnext")
    print_json({order: ["\u202e", "λ"]})
    said, warned = capsys.readouterr()
    assert not any(letter in said + warned for letter in "\x1b\x9b\u202e")
    assert said.count(r"\x1b[2J\x9b2J") == 4
    assert r"[red]\x1b[2J" in said
    assert said.count("\n\tnext") == said.count("λ") == 1
    assert json.loads(said[said.index("{") :]) == {order: ["\u202e", "λ"]}


def test_json_holds_no_numbers_that_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 0.5, (float("-inf"),)], "b": {"c": float("inf")}, "d": "NaN"})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"a": [None, 0.5, [None]], "b": {"c": None}, "d": "NaN"}


def test_answers_give_a_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    escape = "\x1b[2J"
    answer = {"image": f"a{escape}.png", "label": escape, "probabilities": {escape: 1.0}, "lam": None, "macs": 1, "macs_static": 1}
    answer |= {"seconds": 0.0, "executed": [escape], "skipped": [escape], "gates": {}, "thresholds": []}
    _print_answer(answer, 0.0)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert r"a\x1b[2J.png: \x1b[2J (100%)" in said
