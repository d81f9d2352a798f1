"""Imports point one way, and what should be light loads without the heavy packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(file: Path) -> set[str]:
    """The dotted names that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def breaches(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    """Imports below a folder that begin with one of the forbidden names."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, folder
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(imported(file))
        if any(name == one or name.startswith(f"{one}.") for one in forbidden)
    ]


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("core", ("app", "streamlit", "plotly", "graphviz")),
        (
            "core/network",
            ("core.architectures", "core.methods", "core.datasets", "core.training", "core.inference", "core.store", "core.config"),
        ),
        ("core/learning", ("core.methods", "core.training", "core.inference", "core.store", "core.config")),
        ("core/architectures", ("core.methods", "core.datasets", "core.training", "core.inference", "core.store")),
        ("core/methods", ("core.datasets", "core.training", "core.inference", "core.store")),
        ("core/datasets", ("core.methods", "core.network", "core.training", "core.inference", "core.store")),
        ("core/inference", ("core.training", "core.cli")),
        ("core/store", ("torch", "core.network", "core.training", "core.inference", "core.config")),
        ("app", ("core.methods", "torch")),
    ],
)
def test_imports_point_one_way(folder: str, forbidden: tuple[str, ...]) -> None:
    assert breaches(folder, forbidden) == []


def test_the_app_takes_only_what_starts_runs_from_training() -> None:
    starting = ("core.training.worker", "core.training.sweep")
    assert [breach for breach in breaches("app", ("core.training",)) if not any(name in breach for name in starting)] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("core.store", "torch"),
        ("core.config", "torch"),
        ("core.registry", "torch"),
        ("core.scale", "torch"),
        ("core.cli.main", "torch"),
        ("core.store.references", "torch"),
        ("app.graph_view.diagram", "streamlit"),
        ("app.charts.theme", "streamlit"),
        ("app.graph_view.diagram", "torch"),
    ],
)
def test_light_modules_load_without_heavy_packages(module: str, absent: str) -> None:
    probe = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
