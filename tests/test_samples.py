"""The samples that use `core` run as they are written, and `import core` stays light."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import core
from core.datasets.sources.picture import PictureError
from core.errors import UserError
from core.explain.model import Model
from core.graph.node import GraphError

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "docs" / "samples").glob("*.py"))


def digit() -> Image.Image:
    """A 7 of white ink on a black canvas."""
    ink = np.zeros((48, 48), dtype=np.uint8)
    ink[10:14, 14:34] = 255
    for row in range(14, 40):
        ink[row, 32 - row // 2 : 36 - row // 2] = 255
    return Image.fromarray(ink)


@pytest.fixture(scope="module")
def model() -> Model:
    return core.load("reference/cascade-digits")


@pytest.mark.parametrize("code", [file.read_text(encoding="utf-8") for file in SAMPLES], ids=[file.stem for file in SAMPLES])
def test_a_sample_runs_as_it_is_written(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digit().save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "sample", "exec"), {"__name__": "sample"})
    assert capsys.readouterr().out


def test_a_network_is_classified_with_and_built() -> None:
    assert [file.name for file in SAMPLES] == ["build.py", "classify.py"]


def test_importing_core_imports_nothing_heavy() -> None:
    probe = "import sys, core; sys.exit(bool({'torch', 'numpy', 'pydantic', 'PIL'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0


def test_every_offered_name_is_there() -> None:
    assert set(core.__all__) <= set(dir(core))
    assert all(callable(getattr(core, name)) for name in core.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        core.nothing  # noqa: B018


def test_every_form_of_an_image_has_the_same_answer(model: Model, tmp_path: Path) -> None:
    picture, file = digit(), tmp_path / "digit.png"
    picture.save(file)
    grey = np.asarray(picture)
    colour = np.stack([grey] * 3, axis=2)
    forms = (file, str(file), file.read_bytes(), picture, grey, colour, torch.tensor(grey)[None], torch.tensor(colour).permute(2, 0, 1))
    answers = [core.predict(model, form, lam=0.4) for form in forms]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].lam == 0.4
    assert core.predict(model, picture).lam == 0.5


@pytest.mark.parametrize("array", [np.zeros((8, 8)), np.zeros((8, 8, 2), dtype=np.uint8), np.zeros(8, dtype=np.uint8)])
def test_an_array_that_is_not_an_image_is_refused(array: np.ndarray, model: Model) -> None:
    with pytest.raises(PictureError, match="uint8"):
        core.predict(model, array)


def test_a_gate_can_be_forced(model: Model) -> None:
    assert "N3" in core.predict(model, digit(), lam=0.0, forced={"N3": True}).executed
    with pytest.raises(GraphError, match="no gate"):
        core.predict(model, digit(), forced={"N1": True})


def test_a_file_and_a_shipped_run_are_the_same_network(model: Model) -> None:
    from_file = core.load(ROOT / "assets" / "reference" / "cascade-digits.safetensors")
    assert model.run == "reference/cascade-digits"
    assert core.predict(from_file, digit(), lam=0.3) == core.predict(model, digit(), lam=0.3)


@pytest.mark.parametrize(("name", "says"), [("nobody", "nobody"), ("reference/nobody", "nobody"), ("nothing.safetensors", "nothing")])
def test_what_cannot_be_loaded_is_reported_in_one_line(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        core.load(name)
