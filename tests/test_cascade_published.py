"""A cascade of an 18- and a 50-layer published ResNet on a folder of pictures, each at an image size of its own, with λ live in Explore."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_app import MAIN, PATIENCE
from test_cli import call, refused
from test_lc_resnet import published
from torch import Tensor

from core.cli.cascade import member_file
from core.datasets import normalised
from core.datasets.folder import Folder
from core.explain.model import load_model
from core.explain.predict import sweep_lam
from core.store import Store, StoreError
from core.training.members import read_member

COLOURS = {"green": (30, 200, 60), "red": (220, 30, 40)}
PER_CLASS = 20  # pictures


def draw_pictures(folder: Path, side: int) -> Folder:
    """Write noisy pictures of one colour per class, and return their dataset."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(PER_CLASS):
            values = np.array(colour) + random.normal(0, 12, (side, side, 3))
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number}.png")
    return Folder(path=str(folder), size=side)


def write_members(folder: Path, dataset: Folder, width: int) -> tuple[Path, Path]:
    """Write weights of 18 layers that answer "green" to everything, and of 50 layers whose last layer tells the colours apart."""
    small, large = folder / "resnet18.pth", folder / "resnet50.pth"
    weights = published(18, len(COLOURS), width)
    weights["fc.weight"].zero_()
    weights["fc.bias"] = torch.tensor([1.0, 0.0])
    torch.save(weights, small)
    weights = published(50, len(COLOURS), width)
    weights["fc.bias"].zero_()
    torch.save(weights, large)
    green, red = (float(logits[0] - logits[1]) for logits in answers(large, dataset))
    scale, middle = 4 / (green - red), (green + red) / 2  # logits that differ by 2 on either side
    weights["fc.weight"] *= scale
    weights["fc.bias"] = torch.tensor([-middle * scale, 0.0])
    torch.save({"state_dict": weights}, large)
    return small, large


@torch.no_grad()
def answers(file: Path, dataset: Folder) -> list[Tensor]:
    """Return a member's logits for the first test image of each class."""
    given = read_member(file, dataset)
    network = given.member.build(len(COLOURS))
    network.network.load_state_dict(given.weights, strict=False)
    data = dataset.read()
    return [network(normalised(data.test.images[data.test.labels == label][:1]))[0] for label in range(len(COLOURS))]


def cascade(folder: Path, side: int, small_side: int, width: int) -> Path:
    """Make the cascade by the command, and return a red picture."""
    pictures = folder / "pictures"
    small, large = write_members(folder, draw_pictures(pictures, side), width)
    words = ["--dataset", "folder", "--set", f"dataset.path={pictures}", "--set", f"dataset.size={side}", "--name", "resnets"]
    training = ["--epochs", "100", "--set", "training.batch_size=4", "--set", "architecture.unseen_fraction=0.5"]
    done = call("cascade", large, f"{small}@{small_side}", *words, *training)
    assert done.returncode == 0, done.stderr
    assert "10% of the training images" in done.stderr
    return pictures / "red" / "0.png"


def live(url: str, picture: Path, side: int, small_side: int) -> None:
    """Assert that λ moves the picture from the small network to the large one, which sees it in another size."""
    from core.datasets.sources.picture import read_picture, to_tensor

    model = load_model(Store(url), "resnets")
    small, large = (model.graph.parts[name] for name in ("resnet18", "resnet50"))
    assert (small.image, large.image) == ((3, small_side, small_side), (3, side, side))
    sweep = sweep_lam(model, to_tensor(read_picture(picture), model.image))
    first, last = sweep.traces[0], sweep.traces[-1]
    assert (first.label, last.label) == ("green", "red")  # the cheap answer is wrong
    assert "resnet50" not in first.executed
    assert "resnet50" in last.executed
    assert len(sweep.thresholds) >= 1
    assert first.cost_share < 0.5 < last.cost_share


def test_narrow_published_networks_are_a_cascade_with_a_size_for_each(scratch_database: str, tmp_path: Path) -> None:
    live(scratch_database, cascade(tmp_path, 64, 48, 8), 64, 48)


@pytest.mark.long
def test_published_networks_at_their_own_size_are_live_in_explore(
    scratch_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(scratch_database, cascade(tmp_path, 224, 96, 64), 224, 96)
    app = AppTest.from_file(str(MAIN), default_timeout=3 * PATIENCE)
    app.query_params["run"] = "resnets"
    app.run()
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="run").value == "resnets"


def test_a_size_behind_a_file_is_read_and_a_file_of_that_name_comes_first(tmp_path: Path) -> None:
    plain, marked = tmp_path / "one.pth", tmp_path / "two@96"
    for file in (plain, marked):
        file.touch()
    assert member_file(str(plain)) == (plain, None)
    assert member_file(f"{plain}@224") == (plain, 224)
    assert member_file(str(marked)) == (marked, None)
    assert member_file(f"{marked}@32") == (marked, 32)
    with pytest.raises(StoreError, match="from 1 to 4096"):
        member_file(f"{plain}@0")
    for text in (f"{plain}@big", f"{plain}@", str(tmp_path / "none.pth@96"), "a run@96"):
        assert member_file(text) == (None, None)


def test_a_size_that_no_image_has_is_refused_in_one_line(tmp_path: Path) -> None:
    dataset = draw_pictures(tmp_path / "pictures", 16)
    torch.save(published(18, len(COLOURS)), tmp_path / "small.pth")
    words = ["cascade", f"{tmp_path / 'small.pth'}@5000", tmp_path / "small.pth", "--dataset", "folder"]
    assert "4096" in refused(*words, "--set", f"dataset.path={dataset.path}")
