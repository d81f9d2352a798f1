"""The JavaScript of the components: its own tests under Node, and the one module that its files are joined into."""

import re
import shutil
import subprocess
from pathlib import Path

import playwright
import pytest

from app.javascript import ENTRY, GRAPH_FOLDER, joined

ROOT = Path(__file__).parents[1]
MODULES = sorted(GRAPH_FOLDER.glob("*.mjs"))


def node() -> str:
    """The system's Node, or else the one that Playwright brings."""
    return shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")


def test_the_tests_under_node_pass() -> None:
    files = sorted(map(str, (ROOT / "tests" / "javascript").glob("*.test.js")))
    assert files
    run = subprocess.run([node(), "--test", *files], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not re.search(r"^# tests 0$", run.stdout, re.MULTILINE)


def test_the_modules_are_joined_into_one_that_imports_nothing(tmp_path: Path) -> None:
    text = joined(ENTRY)
    assert not re.search(r"^(import|export (?!default function))", text, re.MULTILINE)
    assert all(file.read_text(encoding="utf-8").splitlines()[0] in text for file in MODULES), "every module is part of the component"
    (tmp_path / "joined.mjs").write_text(text, encoding="utf-8")
    run = subprocess.run([node(), "--check", tmp_path / "joined.mjs"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_no_module_is_so_long_that_it_has_several_concerns() -> None:
    assert max(len(file.read_text(encoding="utf-8").splitlines()) for file in MODULES) <= 260


@pytest.mark.parametrize("statement", ['import "./x.mjs";', 'import all from "./x.mjs";', "export { a };"])
def test_what_cannot_be_joined_is_refused(statement: str, tmp_path: Path) -> None:
    (tmp_path / "x.mjs").write_text("export const a = 1;\n")
    (tmp_path / "page.mjs").write_text(f"{statement}\nexport default function () {{}}\n")
    with pytest.raises(ValueError, match=r"page\.mjs"):
        joined(tmp_path / "page.mjs")
