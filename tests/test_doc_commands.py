"""The commands in the documents run: trainings for one epoch on few images, timings for a moment, everything else as it is written.

`tests/test_docs.py` checks the spelling of every command, also of those that are not run here.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_cli import call
from tests.test_docs import DOCUMENTS, ROOT, commands, named, sampled

__all__ = ["sampled"]  # a fixture

SHIPPED = ROOT / "assets" / "reference" / "high-low-digits.safetensors"
MINE = "mine"  # what the documents call a network that the reader has trained: here one that ships, since it is trained well
FEW = {  # settings under which a dataset is small
    "cluttered_digits": ("dataset.train=300", "dataset.val=100", "dataset.test=100"),
    "shapes": ("dataset.count=90",),
    "digits": (),
    "folder": (),
}
NOT_RUN = {  # part of a command: why it is not run
    "resnet18.pth": "reads published weights",
    "cascade mobilenet_v2.pth": "reads published weights",
    "cascade small.onnx": "reads ONNX classifiers",
    "--dataset cifar10": "reads CIFAR-10",
    "export large large": "exports a network trained on CIFAR-10",
    "cascade mobile-7m-cifar10": "reads CIFAR-10, and members trained on it",
    "evaluate reference/lc-": "reads CIFAR-10",
    "bench reference/lc-": "reads CIFAR-10",
    "bench reference/resnet38-": "reads CIFAR-10",
    "bench reference/NAME": "names no run",
    "bench lc_resnet": "times a network of 38 layers",
    "resume mine": "needs an interrupted training",
    "--log ": "needs the package of a tracker, as in tests/test_trackers.py",
    "search ": "trains in processes, as in tests/test_search.py",
    "--ray head:6379": "needs a cluster, as in tests/cluster",
    "copy-store ": "needs a server, as in tests/cluster",
    "serve ": "serves until it is ended, as in tests/test_serve.py",
    "report high-low-digits": "needs a sweep of scripts/reproduce",
    "report one-high-low": "needs a sweep of scripts/reproduce",
}
OF_THE_REFERENCE = (  # commands that docs/cli.md describes
    "list",
    "list methods",
    "runs",
    f"import {SHIPPED} --name again",
    "describe again",
    "describe cascade --dataset digits",
    "predict reference/high-low-digits photo.jpg",
    "evaluate again --lam 0.5",
    "report reference/high-low-digits",
    "bench reference/high-low-digits --batch 1 --threads 1 --lams 0.5 --seconds 0.1",
    "export again again.safetensors",
    "train high_low --help",
)


def written(document: Path) -> list[list[str]]:
    """Return the words of each command of a document, after `python -m core`."""
    lines = (shlex.split(line, comments=True) for line in commands(document))
    return [words[words.index("core") + 1 :] for words in lines]


def left_out(words: list[str]) -> bool:
    """Return whether a command cannot be run here."""
    return any(part in " ".join(words) for part in NOT_RUN)


def shortened(words: list[str]) -> list[str]:
    """Return a command that does the same in less time."""
    if words[0] == "bench":
        return [*words, "--seconds", "0.1", "--threads", "1"]
    if words[0] != "train":
        return words
    line = " ".join(words)
    dataset = re.search(r"--dataset (\w+)", line)
    few = FEW[dataset[1] if dataset else "cluttered_digits"]
    once = re.sub(r"--epochs \d+", "--epochs 1", re.sub(rf"--name {MINE}\b", "--name my-own", line))
    return [*shlex.split(once), *(word for setting in few for word in ("--set", setting))]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the documents name, in which commands run."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise[0]).save(tmp_path / "photo.jpg")
    for number, pixels in enumerate(noise):
        folder = tmp_path / "pictures" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
@pytest.mark.usefixtures("sampled", "place")
@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.name != "cli.md" and not all(map(left_out, written(one)))], ids=named)
def test_the_commands_of_a_document_run(document: Path) -> None:
    assert call("import", SHIPPED, "--name", MINE).returncode == 0
    for words in written(document):
        if not left_out(words):
            done = call(*shortened(words))
            assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
            assert done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_the_commands_of_the_reference_run() -> None:
    for line in OF_THE_REFERENCE:
        done = call(*shlex.split(line))
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout + done.stderr, line


def test_what_is_not_run_is_written_somewhere() -> None:
    lines = [" ".join(words) for document in DOCUMENTS for words in written(document)]
    assert [part for part in NOT_RUN if not any(part in line for line in lines)] == []


def test_a_training_is_shortened_and_nothing_else_is_changed() -> None:
    words = ["train", "high_low", "--epochs", "12", "--name", "mine"]
    few = ["--set", "dataset.train=300", "--set", "dataset.val=100", "--set", "dataset.test=100"]
    assert shortened(words) == ["train", "high_low", "--epochs", "1", "--name", "my-own", *few]
    assert shortened(["report", "mine"]) == ["report", "mine"]
