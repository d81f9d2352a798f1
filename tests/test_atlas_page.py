"""The Atlas, driven without a browser: it is computed in the background, kept, and opened at once at the next visit."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import atlas

MAIN = Path(__file__).parents[1] / "app" / "main.py"
PATIENCE = 90  # seconds; the first run of a page imports torch


@pytest.fixture
def visited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder of a new store with the reference runs, and few test images."""
    monkeypatch.setenv("GATESCOPE_DB", f"sqlite:///{tmp_path / 'runs.db'}")
    monkeypatch.setattr("app.samples.MAX_SAMPLES", 40)
    return tmp_path / "runs.weights"


def opened(run: str) -> AppTest:
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
    app.query_params["run"] = run
    app.switch_page("screens/atlas.py")
    return app.run()


def complete(app: AppTest) -> AppTest:
    """The page once all images have been run."""
    deadline = time.monotonic() + PATIENCE
    while not any("Routes" in heading.value for heading in app.subheader):
        assert time.monotonic() < deadline
        assert not app.exception
        time.sleep(0.1)
        app.run()
    return app


def test_an_atlas_is_computed_once(visited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = complete(opened("reference/cascade-digits"))
    headings = [heading.value for heading in app.subheader]
    assert headings[:4] == ["Map of the images", "Routes at λ = 0.5", "Classes at λ = 0.5", "Cost and answers at λ = 0.5"]
    assert len(app.get("plotly_chart")) == 6
    assert len(list(visited.rglob("atlas-*.npz"))) == 1
    monkeypatch.setattr("core.explain.atlas.computation.compute_atlas", lambda *given: pytest.fail("it is stored"))
    monkeypatch.setattr("app.atlas._atlas", atlas._atlas.__wrapped__)  # without what is kept in memory
    again = opened("reference/cascade-digits")
    assert [heading.value for heading in again.subheader] == headings


def test_the_address_names_lam(visited: Path) -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
    app.query_params["run"], app.query_params["lam"] = "reference/cascade-digits", "0.8"
    app.switch_page("screens/atlas.py")
    assert "Routes at λ = 0.8" in [heading.value for heading in complete(app.run()).subheader]


def test_a_network_without_gates_has_an_atlas(visited: Path) -> None:
    app = complete(opened("reference/cascade-digits-static"))
    assert not app.exception
    assert "All images take the same route at every λ." in [caption.value for caption in app.caption]


def test_a_run_that_is_not_there_is_named(visited: Path) -> None:
    app = opened("go_ne")
    assert not app.exception
    assert "“go\\_ne”" in app.warning[0].value
