"""The command line: values, names and files that ended in tracebacks."""

import os
import shlex
from pathlib import Path

import torch

from tests.reproductions.inputs import folder, parquet, picture, png, saved
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import NETWORK, PLAIN, Studio

DEEP = "[" * 10_000
RESNET = ("train", "lc_resnet", "--method", "static", "--epochs", "1", "--set", "architecture.depth=8", "--set", "dataset.size=32")
RESNET += ("--set", "architecture.layers=false", "--set", "architecture.channels=false")
REFUSED = (
    ("describe", "cascade", "--set", f"architecture.trunk={DEEP}"),
    ("describe", "cascade", "--set", "architecture.trunk=" + '{"a":' * 10_000),
    ("predict", NETWORK, "a" * 5000),
    ("predict", NETWORK, "~nouser/x.png"),
    ("cascade", "a" * 5000),
    (*PLAIN, "--set", "training.init_from=/dev/zero"),
    (*PLAIN, "--set", "training.init_from=~nouser/x"),
    ("bench", NETWORK, "--threads", "100000"),
    ("bench", NETWORK, "--batch", "1000000000"),
    ("evaluate", NETWORK, "--grid", "1000000000"),
)
NAMES = ("-h", "..", "../../x", "a/../b", "x" * 10_000, "a\u200bb", "\u202eabc", "\udc80")


def values_without_bounds(studio: Studio) -> None:
    for words in REFUSED:
        studio.refused(*words, limit=60)


def a_deleted_working_folder(studio: Studio) -> None:
    gone = "import os, sys; os.rmdir(os.getcwd()); from core.cli.main import main; sys.argv = ['core', *sys.argv[1:]]; main()"
    here = studio.folder / "gone"
    here.mkdir()
    done = studio.python("-c", gone, "export", NETWORK, "x.safetensors", here=here)
    assert done.status == 2, f"status {done.status}"
    assert len(done.lines) == 1, done.lines[-1]


def weights_of_other_kinds(studio: Studio) -> None:
    data = folder(studio.folder / "data", {"x": 40, "y": 200})
    kinds = {
        "quantised": {"conv1.weight": torch.quantize_per_tensor(torch.zeros(4), 1.0, 0, torch.qint8)},
        "nested": {"conv1.weight": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])},
        "a class": {"model": torch.nn.Linear(2, 2)},
        "numbers": {1: {2: []}},
    }
    for name, content in kinds.items():
        file = saved(studio.folder / f"{name}.pth", content)
        words = (*RESNET, "--dataset", "folder", "--set", f"dataset.path={data}", "--set", f"training.init_from={file}")
        told = studio.refused(*words)
        assert name != "a class" or "Linear" in told, told


def labels_in_parquet_files(studio: Studio) -> None:
    labels = ([-1, 0], [0, 2**40], [0.5, 1.5], ["a", "b"], [None, 1], [[0], [1]])
    for number, given in enumerate(labels):
        root = parquet(studio.folder / str(number), list(given))
        told = _refused_data(studio, root)
        assert "label" in told, told
        assert ".parquet" in told, told
    _refused_data(studio, parquet(studio.folder / "twice", [0, 1], twice=True))
    broken = parquet(studio.folder / "broken", [0, 1], pictures=lambda row: png() if row != 7 else b"no picture")
    assert "row 7" in _refused_data(studio, broken)


def _refused_data(studio: Studio, root: Path) -> str:
    words = ("train", "plain", "--method", "static", "--dataset", "mnist", "--epochs", 1, "--set", "dataset.val=6")
    words += ("--set", f"dataset.path={root}")
    return studio.refused(*words, told=str(root))


def class_folders_that_are_not_utf_8(studio: Studio) -> None:
    data = folder(studio.folder / "data", {"x": 40, "y": 200})
    os.rename(os.fsencode(data / "x"), os.fsencode(data) + b"/caf\xe9")
    words = ("train", "plain", "--method", "static", "--dataset", "folder", "--epochs", 1, "--set", f"dataset.path={data}", "--name", "it")
    studio.works(*words, "--set", "dataset.size=16")
    assert "café" in studio.rows("classes")[0][0].encode().decode("unicode_escape") or "café" in studio.rows("classes")[0][0]


def names_of_runs(studio: Studio) -> None:
    for name in NAMES:
        studio.refused(*PLAIN, "--epochs", 1, f"--name={name}")


def names_of_sweeps(studio: Studio) -> None:
    for name in ("", "../../x"):
        studio.refused("sweep", *PLAIN[1:], "--epochs", 1, f"--name={name}")


def a_printed_command(studio: Studio) -> None:
    name = "it's; touch x"
    done = studio.works(*PLAIN, "--epochs", 1, "--name", name)
    for printed in (done.out + done.err).split("`")[1::2]:
        words = shlex.split(" ".join(printed.split()))
        if words[:3] == ["python", "-m", "core"]:
            assert "touch" not in words, f"pasting {printed!r} runs another command"


def an_export_into_a_new_folder(studio: Studio) -> None:
    studio.refused("export", NETWORK, studio.folder / "new" / "it.safetensors")
    assert not (studio.folder / "new").exists(), "it has made the folder"


def paths_as_people_paste_them(studio: Studio) -> None:
    file = picture(studio.folder / "a b.png")
    for pasted in (f"\u202a{file}\u202c", f'"{file}"', f"'{file}'", f"file://{str(file).replace(' ', '%20')}", f"  {file} "):
        studio.works("predict", NETWORK, pasted)
    studio.refused("predict", NETWORK, "https://h.test/a.png", told="not fetched")


def one_missing_picture_among_good_ones(studio: Studio) -> None:
    file = picture(studio.folder / "a.png")
    done = studio.command("predict", NETWORK, studio.folder / "gone.png", file)
    assert done.status == 2, "the missing picture is not said"
    assert "a.png" in done.out, "the good picture is not answered"


def standard_input_folders_and_globs(studio: Studio) -> None:
    some = studio.folder / "some"
    some.mkdir()
    file = picture(some / "a.png")
    picture(some / "b.png", 90)
    assert studio.works("predict", NETWORK, "-", given=file.read_bytes()).out
    for word in (some, some / "*.png"):
        found = studio.works("predict", NETWORK, word).out
        assert "a.png" in found, found[:150]
        assert "b.png" in found, found[:150]


REPRODUCTIONS = (
    Reproduction("8", "deep brackets, long paths, unknown users, devices, numbers without bounds", values_without_bounds),
    Reproduction("8", "a deleted working folder", a_deleted_working_folder, quick=True),
    Reproduction("8", "weights that are quantised, nested or a class", weights_of_other_kinds),
    Reproduction("8", "odd labels, columns and pictures in Parquet files", labels_in_parquet_files),
    Reproduction("8", "class folders that are not UTF-8", class_folders_that_are_not_utf_8),
    Reproduction("9", "runs named -h, .., ../../x", names_of_runs),
    Reproduction("9", "sweeps named '' and ../../x", names_of_sweeps),
    Reproduction("own files", "a printed command with a quote in a name", a_printed_command),
    Reproduction("own files", "an export into a folder that is not there", an_export_into_a_new_folder),
    Reproduction("own files", "paths as people paste them, and addresses", paths_as_people_paste_them),
    Reproduction("own files", "one missing picture among good ones", one_missing_picture_among_good_ones),
    Reproduction("own files", "predict of standard input, a folder and a glob", standard_input_folders_and_globs),
)
