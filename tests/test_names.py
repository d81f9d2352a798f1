"""One name, one meaning: no class or constant is defined in two modules with two values."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SNAPSHOTS = "core/store/migrations"  # these repeat the names of their day


def definitions(source: str) -> Iterator[tuple[str, str]]:
    """Yield the classes and constants that a module defines at its top, as (name, definition)."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name, ast.unparse(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
            yield from ((name, ast.unparse(statement)) for name in names if name.isupper())


def ambiguous(sources: dict[str, str]) -> dict[str, list[str]]:
    """Return {name: files} of the names that several of these files define differently."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for file, source in sources.items():
        for name, definition in definitions(source):
            found[name][file] = definition
    return {name: sorted(files) for name, files in found.items() if len(set(files.values())) > 1}


def test_a_name_with_two_meanings_is_found() -> None:
    one, other = "MOST, FEW = 1, 2\nclass Rows: pass", "MOST: int = 3\nEVERY = 4\nclass Rows:\n    count = 0"
    assert ambiguous({"one": one, "other": other}) == {"MOST": ["one", "other"], "Rows": ["one", "other"]}
    assert ambiguous({"one": one, "same": one, "importing": "from one import MOST, FEW, Rows"}) == {}


def test_every_name_has_one_meaning() -> None:
    files = [file for folder in ("core", "app") for file in sorted((ROOT / folder).rglob("*.py"))]
    sources = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}
    sources = {file: source for file, source in sources.items() if not file.startswith(SNAPSHOTS)}
    assert len(sources) > 100
    assert ambiguous(sources) == {}
