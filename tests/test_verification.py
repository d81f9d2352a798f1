"""`export RUN FILE.onnx` and `verify FILE.onnx`: what a file claims is what ONNX Runtime executes, and a false claim is found."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from test_cli import call, told

from core.explain.model import load
from core.program.file import program
from core.program.operators import module_of
from core.program.session import ProgramError
from core.program.verification import random_images, verify

LAMS = [0.0, 0.5, 1.0]


def saved(folder: Path, made: onnx.ModelProto) -> Path:
    file = folder / "network.onnx"
    file.write_bytes(made.SerializeToString())
    return file


@pytest.mark.parametrize("run", ["cascade-digits", "lc-digits", "high-low-faces", "cascade-faces-static"])
def test_what_a_file_claims_is_executed(tmp_path: Path, run: str) -> None:
    model = load(f"reference/{run}")
    done: list[int] = []
    found = verify(saved(tmp_path, program(model)), lambda ready: random_images(ready, 3), LAMS, done.append)
    assert [one.lam for one in found] == (LAMS if model.graph.tradeoff.every_lam else [None])
    for one in found:
        assert one.differences == ()
        assert one.executed_macs == pytest.approx(one.claimed_macs)
        assert 0 < one.executed_nodes <= len(model.graph.nodes)
    assert sum(done) == 3 * len(found)


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_fewer_bits_keep_the_claims(tmp_path: Path, weights: str) -> None:
    file = saved(tmp_path, program(load("reference/cascade-digits"), weights))
    assert all(not one.differences for one in verify(file, lambda ready: random_images(ready, 3), LAMS, lambda count: None))


def test_a_node_that_runs_unclaimed_is_found(tmp_path: Path) -> None:
    """The branches of an `If` are exchanged: the file computes what it says that it skips."""
    made = program(load("reference/high-low-faces"))
    node = next(node for node in made.graph.node if node.op_type == "If" and not module_of(node.name))
    node.attribute[0].name, node.attribute[1].name = node.attribute[1].name, node.attribute[0].name
    found = verify(saved(tmp_path, made), lambda ready: random_images(ready, 4), LAMS, lambda count: None)
    texts = " ".join(text for one in found for text in one.differences)
    assert "executed but not claimed" in texts
    assert "claimed but not executed" in texts


def test_multiply_adds_that_are_claimed_too_low_are_found(tmp_path: Path) -> None:
    made = program(load("reference/cascade-digits"))
    for tensor in made.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float64 and values.ndim == 2 and values.shape[1] == 1 and values.max() > 1000:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * 0.5, tensor.name))
    (first, *_) = verify(saved(tmp_path, made), lambda ready: random_images(ready, 1), LAMS, lambda count: None)
    assert "multiply-adds claimed" in first.differences[0]
    assert first.executed_macs == pytest.approx(2 * first.claimed_macs)


def test_export_and_verify_as_a_person_calls_them(tmp_path: Path) -> None:
    file, picture, db = tmp_path / "faces.onnx", tmp_path / "face.png", f"sqlite:///{tmp_path / 'runs.db'}"
    Image.new("RGB", (60, 40), (200, 120, 90)).save(picture)
    written = told("export", "reference/high-low-faces", file, "--weights", "float16", "--no-evaluate", "--db", db)
    assert written["bytes"] == file.stat().st_size
    assert written["scores"] == []
    again = call("export", "reference/high-low-faces", file, "--no-evaluate", "--db", db)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    rows = told("verify", file, picture, "--lams", "0.2,0.9")
    assert [row["lam"] for row in rows] == [0.2, 0.9]
    shown = call("verify", file, "--images", 2, "--lams", "0.5")
    assert shown.returncode == 0, shown.stderr
    assert "agrees" in shown.stdout
    made = onnx.load(file)
    for tensor in made.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float64:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * 0, tensor.name))
    onnx.save(made, file)
    false = call("verify", file, "--images", 2, "--lams", "0.5")
    assert false.returncode == 1
    assert "differs" in false.stdout


def test_files_that_cannot_be_verified_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_text("no program")
    for words, said in (
        (("verify", tmp_path / "no.onnx"), "it is not an ONNX file"),
        (("verify", tmp_path / "none.onnx"), "cannot be read"),
        (("verify", tmp_path / "none.onnx", "--lams", "2"), "must be numbers from 0 to 1"),
        (("export", "reference/lc-digits", tmp_path / "a.safetensors", "--weights", "int8"), "are for ONNX files"),
    ):
        done = call(*words)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_export_measures_a_file_on_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cli.export.SCORED_IMAGES", 20)
    db = f"sqlite:///{tmp_path / 'runs.db'}"
    rows = told("export", "reference/cascade-digits", tmp_path / "a.onnx", "--weights", "float16", "--db", db)["scores"]
    assert [(row["weights"], row["lam"]) for row in rows] == [(form, lam) for form in ("float16", "float32") for lam in (0.2, 0.5, 0.8)]
    assert all(row["images"] == 20 and 0 <= row["accuracy"] <= 1 and 0 < row["cost_share"] < 1.2 for row in rows)
    card = call("export", "reference/cascade-digits", tmp_path / "b.onnx", "--db", db)
    assert "20 test images" in card.stdout
    assert json.loads(json.dumps(rows))


def hostile(name: str) -> onnx.ModelProto:
    """Return a sound program with one thing changed."""
    made = program(load("reference/cascade-digits"))
    said = {one.key: one for one in made.metadata_props}
    match name:
        case "outside":
            made.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
            made.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")
        case "loop":
            node = next(node for node in made.graph.node if node.op_type == "If")
            node.op_type = "Loop"
        case "inside":
            node = next(node for node in made.graph.node if node.op_type == "If")
            size = onnx.helper.make_tensor("size", onnx.TensorProto.INT64, [1], [10**10])
            node.attribute[0].g.node.append(onnx.helper.make_node("Constant", [], ["size"], value=size))
            node.attribute[0].g.node.append(onnx.helper.make_node("ConstantOfShape", ["size"], ["huge"]))
        case "deep":
            said["classes"].value = "[" * 100_000
        case "missing":
            said["run"].key = "walk"
        case "image":
            said["image"].value = "[3, 1000000, 1000000]"
        case "nodes":
            said["nodes"].value = json.dumps(["one", "two"])
    return made


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("outside", "its weights are in another file"),
        ("loop", "the operator Loop is none"),
        ("inside", "ConstantOfShape makes 10,000,000,000 values"),
        ("deep", "what it says of itself cannot be read"),
        ("missing", "what it says of itself cannot be read"),
        ("image", "what it says of itself is not what it takes"),
        ("nodes", "its operators do not say which node they belong to"),
    ],
)
def test_programs_of_other_people_are_refused_in_a_line(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ProgramError, match=says):
        verify(saved(tmp_path, hostile(name)), lambda ready: random_images(ready, 1), [0.5], lambda count: None)
