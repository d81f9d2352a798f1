"""Imports point one way, and what should be light loads without the heavy packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT_APP = (
    *(
        f"charts.{module}"
        for module in (
            *("style", "atlas", "averages", "cheapest", "curves", "lessons"),
            *("modules", "openness", "parallel", "splits", "tradeoff", "trials"),
        )
    ),
    *(f"graph_view.{module}" for module in ("diagram", "drawing", "facts", "folding", "payload", "sketch", "standalone", "view")),
    *(f"runs.{module}" for module in ("best", "configuration", "entries", "search", "table", "transfer")),
    *("colours", "comparison", "fields", "javascript", "option_groups", "sweep_report"),
    *("terms", "toy_controller", "trace", "wording"),
)


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
    path = ROOT / folder
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert files, folder
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(imported(file))
        if any(name == one or name.startswith(f"{one}.") for one in forbidden)
    ]


ROOMS = (  # from low to high: a room imports from those on lines above it
    ("core.errors",),
    ("core.files", "core.hosts", "core.bibliography", "core.published", "core.scale", "core.pareto", "core.machine"),
    ("core.registry",),
    ("core.modules",),
    ("core.graph",),
    ("core.architectures", "core.datasets"),
    ("core.methods",),
    ("core.store", "core.choices", "core.recipes", "core.sweep_values"),
    ("core.config", "core.trackers"),
    ("core.presets",),
    ("core.evaluation", "core.explain"),
    ("core.program",),
    ("core.training", "core.fast"),
    ("core.serving", "core.search"),
    ("core.cli",),
    ("app",),
)


def files_of(room: str) -> str:
    """The path of a room: a folder, or a file of its own."""
    path = room.replace(".", "/")
    return path if (ROOT / path).is_dir() else f"{path}.py"


@pytest.mark.parametrize("room", [room for line in ROOMS for room in line])
def test_imports_point_one_way(room: str) -> None:
    height = next(number for number, line in enumerate(ROOMS) if room in line)
    above = tuple(other for line in ROOMS[height:] for other in line if other != room)
    assert breaches(files_of(room), above) == []


def test_every_room_has_its_place() -> None:
    there = {f"core.{path.stem}" for path in (ROOT / "core").iterdir() if not path.name.startswith("__")}
    assert there - {room for line in ROOMS for room in line} == {"core.malloc"}  # the C library's switch, which imports nothing


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("core", ("streamlit", "plotly", "graphviz")),
        ("core/store", ("torch", "core.graph", "core.config")),
        ("app", ("core.methods", "torch")),
    ],
)
def test_rooms_do_without(folder: str, forbidden: tuple[str, ...]) -> None:
    assert breaches(folder, forbidden) == []


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("app/charts", ("streamlit", "app.screens", "app.components", "app.graph_view", "app.state")),
        ("app/graph_view", ("plotly", "app.screens", "app.components", "app.charts", "app.state")),
        ("app/components", ("plotly", "app.screens", "app.charts", "app.state")),
    ],
)
def test_charts_and_drawings_know_no_page(folder: str, forbidden: tuple[str, ...]) -> None:
    assert breaches(folder, forbidden) == []


def test_the_app_takes_only_what_starts_runs_from_training() -> None:
    names = ("worker", "cluster", "sweep", "cascade", "members", "preview")
    starting = [f"core.training.{name}" for name in names]
    assert [breach for breach in breaches("app", ("core.training",)) if not any(name in breach for name in starting)] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("core.store", "torch"),
        ("core.config", "torch"),
        ("core.sweep_values", "torch"),
        ("core.registry", "torch"),
        ("core.scale", "torch"),
        ("core.cli.main", "torch"),
        ("core.trackers", "torch"),
        ("core.store.references", "torch"),
        *[(f"app.{module}", absent) for module in LIGHT_APP for absent in ("streamlit", "torch")],
    ],
)
def test_light_modules_load_without_heavy_packages(module: str, absent: str) -> None:
    probe = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
