"""Trials with words: values of --set, arguments of commands, and addresses of pages."""

import contextlib
import io
import os
import random
import string
import sys
from functools import cache
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.choices import choices, options
from core.cli.main import main
from core.config import Training

ROOT = Path(__file__).parents[2]
VALUES = (
    *("[" * 10_000, '{"a":' * 10_000, "[" * 500 + "]" * 500, "1" * 5000, "1e400", "-1", "0", "NaN", "Infinity", "null", "true", "{}", "[]"),
    *("[[]]", "[null]", "[0]", "[1e9]", "2147483648", "1e-320", "\0", "\udc80", "é" * 3000, "/dev/zero", "~nouser/x", "..", '"\\ud800"'),
    *("[1,2,3]", "[[1,2],[3]]", '{"name":"x"}', "0.5", "7", "a=b", "'", "![x](http://h.test)", "$x$", "<img src=x>", ":material/home:"),
)


@cache
def _options() -> list[tuple[str, str, str]]:
    """Return the part, the component and the name of every option."""
    kinds = (("architectures", "architecture"), ("datasets", "dataset"), ("methods", "method"))
    found = [(part, one.name, option.name) for kind, part in kinds for one in choices(kind) for option in one.options]
    return found + [("training", "", option.name) for option in options(Training)]


def _word(chance: random.Random) -> str:
    if chance.random() < 0.7:
        return chance.choice(VALUES)
    return "".join(chance.choices(string.printable + "λ\u202e\u200b", k=chance.randint(0, 40)))


def called(words: list[str]) -> tuple[int, str]:
    """Return the status of a command in this process, and what it wrote to standard error."""
    err = io.StringIO()
    before, sys.argv = sys.argv, ["core", *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue()
    finally:
        sys.argv = before
    return 0, err.getvalue()


def configuration(chance: random.Random, folder: Path) -> None:
    """A command with odd values describes a network, or ends with one line and status 2."""
    part, name, option = chance.choice(_options())
    words = ["describe", name if part == "architecture" else "cascade", "--dataset", name if part == "dataset" else "digits"]
    if part in ("method", "training"):  # checked before the recipe, which there is not
        words = ["train", "cascade", "--dataset", "digits", "--recipe", "none", *(["--method", name] if name else [])]
    words += ["--set", f"{part}.{option}={_word(chance)}"]
    if chance.random() < 0.2:
        words[chance.randrange(1, len(words))] = _word(chance)
    (folder / "words").write_text(repr(words))
    status, told = called([*words, "--db", f"sqlite:///{folder / 'runs.db'}"])
    lines = [line for line in told.splitlines() if line.strip()]
    assert status == 0 or (status == 2 and len(lines) == 1), (status, told[-500:])


PARAMETERS = ("run", "lam", "node", "force", "hold", "sample", "noise", "blur", "turn", "show", "runs", "other")


def address(chance: random.Random, folder: Path) -> None:
    """An odd address shows a page, without an error of the program."""
    os.environ["GATESCOPE_DB"] = f"sqlite:///{folder.parent / 'addresses.db'}"
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=60)
    query = {name: _word(chance).encode(errors="replace").decode() for name in chance.sample(PARAMETERS, 4)}
    (folder / "address").write_text(repr(query))
    if chance.random() < 0.5:
        query["run"] = "reference/cascade-digits"
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if chance.random() < 0.5:
        app.switch_page(f"screens/{chance.choice(('train', 'sweep', 'runs', 'glossary'))}.py").run()
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
    assert not app.exception, [one.message for one in app.exception]
