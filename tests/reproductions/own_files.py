"""Weights and folders as people have them."""

import unicodedata
from collections.abc import Callable

import torch
from torch import Tensor

from tests.reproductions.commands import RESNET
from tests.reproductions.inputs import folder, picture, resnet8, saved
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import Ended, Studio

TWO = {"dark": 40, "light": 200}
TEN = {f"c{number}": 20 + 20 * number for number in range(10)}


def _begun(studio: Studio, content: object, classes: dict[str, int]) -> Ended:
    """Train a ResNet for an epoch from weights in a file."""
    data = folder(studio.folder / "data", classes)
    file = saved(studio.folder / "weights.pth", content)
    return studio.command(*RESNET, "--dataset", "folder", "--set", f"dataset.path={data}", "--set", f"training.init_from={file}")


def _said(done: Ended) -> str:
    assert done.status == 0, done.err[-200:]
    return " ".join((done.out + done.err).split())


def a_head_of_another_name(studio: Studio) -> None:
    said = _said(_begun(studio, resnet8("linear"), TEN))
    assert "head is linear" in said, "the head is not used, and nothing says so"


def a_head_of_a_thousand_classes(studio: Studio) -> None:
    said = _said(_begun(studio, resnet8(classes=1000), TWO))
    assert "new, with random weights: y" in said, "nothing says that the head is new"


def dropped_projections(studio: Studio) -> None:
    done = _begun(studio, resnet8() | {"layer2.0.downsample.0.weight": torch.zeros(32, 16, 1, 1)}, TEN)
    assert done.status == 2, "they are dropped without a word"
    assert "downsample" in done.err, done.err[-200:]


def wrapped_weights(studio: Studio) -> None:
    weights = resnet8()
    prefixed: dict[str, Tensor] = {f"module._orig_mod.{name}": tensor for name, tensor in weights.items()}
    for content in ({"state_dict": weights, "epoch": 3}, {"model": {"state_dict": prefixed}}, {"net": prefixed}):
        _said(_begun(studio, content, TEN))
    said = _said(_begun(studio, {"state_dict": weights, "state_dict_ema": weights}, TEN))
    assert "exponential moving average" in said, "nothing says which of two was used"


def bottleneck_blocks(studio: Studio) -> None:
    done = _begun(studio, resnet8() | {"layer1.0.conv3.weight": torch.zeros(64, 16, 1, 1)}, TEN)
    assert done.status == 2, "they are dropped without a word"
    assert "bottleneck" in done.err, done.err[-200:]


def weights_of_nan(studio: Studio) -> None:
    for classes in (TWO, TEN):
        done = _begun(studio, resnet8(classes=len(classes)) | {"conv1.weight": torch.full((16, 3, 3, 3), torch.nan)}, classes)
        assert done.status == 2, "they are trained"
        assert "NaN" in done.err, done.err[-200:]


def _read(studio: Studio, prepare: Callable[[], None]) -> str:
    """Train on a folder; return the classes as they are stored, and what was said."""
    prepare()
    words = ("train", "plain", "--dataset", "folder", "--method", "static", "--epochs", 1, "--name", "it", "--set", "dataset.size=16")
    said = _said(studio.works(*words, "--set", f"dataset.path={studio.folder / 'data'}"))
    return f"{studio.rows('classes')[0][0]} {said}"


def training_and_test_folders(studio: Studio) -> None:
    def prepare() -> None:
        for split in ("train", "val", "test"):
            folder(studio.folder / "data" / split, TWO)

    assert '"dark"' in _read(studio, prepare), "the splits have become classes"


def what_systems_leave_behind(studio: Studio) -> None:
    data = studio.folder / "data"

    def prepare() -> None:
        folder(data, TWO)
        for name in ("__MACOSX", "__pycache__", ".ipynb_checkpoints"):
            (data / name).mkdir()
            picture(data / name / "a.png")
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt", "more.txt"):
            (data / "dark" / name).write_text("text")

    found = _read(studio, prepare)
    assert "MACOSX" not in found, "what a system left behind is a class"
    assert "2 files" in found, "nothing says that files were left out"


def classes_that_are_too_small(studio: Studio) -> None:
    data = folder(studio.folder / "data", {"large": 40})
    folder(data, {"one": 90, "two": 140}, count=1)
    words = ("train", "plain", "--dataset", "folder", "--method", "static", "--epochs", 1, "--set", f"dataset.path={data}")
    told = studio.refused(*words)
    assert "one" in told, told
    assert "two" in told, told


def two_spellings_of_one_name(studio: Studio) -> None:
    data = studio.folder / "data"

    def prepare() -> None:
        folder(data, TWO)
        folder(data, {unicodedata.normalize("NFC", "café"): 90, unicodedata.normalize("NFD", "café"): 95})

    classes = _read(studio, prepare).partition("]")[0]
    assert classes.count(",") == 2, f"they are two classes: {classes}"


REPRODUCTIONS = (
    Reproduction("own files", "weights whose head is called linear", a_head_of_another_name),
    Reproduction("own files", "weights of 1,000 classes on two", a_head_of_a_thousand_classes),
    Reproduction("own files", "weights with projection shortcuts", dropped_projections),
    Reproduction("own files", "weights in wrappings, under prefixes and averaged", wrapped_weights),
    Reproduction("own files", "weights of bottleneck blocks", bottleneck_blocks),
    Reproduction("own files", "weights of NaN, for two classes and ten", weights_of_nan),
    Reproduction("own files", "folders train, val and test", training_and_test_folders),
    Reproduction("own files", "what systems leave behind in a folder", what_systems_leave_behind),
    Reproduction("own files", "several classes that are too small", classes_that_are_too_small),
    Reproduction("own files", "two spellings of one class", two_spellings_of_one_name),
)
