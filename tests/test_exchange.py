"""A run as one file: an exported run comes back complete, and a broken file leaves nothing behind."""

import contextlib
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from core.cli.main import main
from core.config import run_config
from core.errors import UserError
from core.evaluation.model_card import card
from core.explain.model import load as load_network
from core.files import MAX_WEIGHTS_BYTES
from core.graph.weight_file import read_tensors
from core.store import Run, RunRecord, Store, StoreError
from core.store.exchange import export_run, import_run, is_exported, read_exported, read_header
from core.store.record import MAX_FIGURES, Point
from core.store.references import SHIPPED, load_references
from core.training.worker import machine, work
from tests.reproductions.imports import HEADERS

CONFIG = {"architecture": "high_low", "dataset": "digits", "method": "d2nn", "training": {"epochs": 1, "batch_size": 256}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one trained run, called "small"."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('exchange') / 'runs.db'}")
    work(store, store.runs.create(run_config(**CONFIG, lam=0.25).record(), name="small").id)
    return store


@pytest.fixture
def file(trained: Store, tmp_path: Path) -> Path:
    """The run, exported."""
    export_run(trained, "small", tmp_path / "small.safetensors", describe=card)
    return tmp_path / "small.safetensors"


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(f"sqlite:///{tmp_path / 'other.db'}")


def call(*words: object) -> tuple[int, str]:
    """Return the exit status of a command and its error output."""
    err = io.StringIO()
    arguments, sys.argv = sys.argv, ["core", *map(str, words)]
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            main()
    except SystemExit as ended:
        return int(ended.code or 0), err.getvalue()
    finally:
        sys.argv = arguments
    return 0, err.getvalue()


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the header of an exported file."""
    with safe_open(file, framework="numpy") as opened:
        told = json.loads(opened.metadata()["gatescope"])
    change(told)
    save_file(load_file(file), file, metadata={"gatescope": json.dumps(told)})


def empty(store: Store) -> bool:
    """Return whether a store has neither a run nor a file."""
    left = list(store.weights.folder.rglob("*")) if store.weights.folder.exists() else []
    return not [run for run in store.runs.all() if not run.reference] and not left


def test_a_run_comes_back_as_it_was(trained: Store, file: Path, other: Store) -> None:
    here, there = trained.runs.get("small"), import_run(other, file)
    kept = ("name", "config", "architecture", "dataset", "method", "lam", "seed", "epochs", "epoch", "image", "classes", "figures")
    for column in (*kept, "status", "seconds", "machine"):
        assert getattr(there, column) == getattr(here, column), column
    assert there.machine == machine()
    assert other.metrics.history(there.id) == trained.metrics.history(here.id)
    first, second = (load_file(store.checkpoints.latest(run.id)[1]) for store, run in ((trained, here), (other, there)))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(StoreError, match="'small' is taken"):
        import_run(other, file)
    again = import_run(other, file, "again")
    export_run(other, "again", file.with_name("again.safetensors"))
    assert read_header(file.with_name("again.safetensors")) == read_header(file).model_copy(update={"name": "again"})
    assert other.checkpoints.read(again.id)[1] == file.read_bytes()


def test_a_curve_with_a_gap_travels(trained: Store, other: Store, tmp_path: Path) -> None:
    copied = import_run(other, exported(trained, tmp_path))
    other.metrics.log(copied.id, 1, {"odd": math.nan})
    export_run(other, copied.id, tmp_path / "odd.safetensors")
    back = import_run(other, tmp_path / "odd.safetensors", "odd")
    assert repr(other.metrics.history(back.id)) == repr(other.metrics.history(copied.id))


def exported(store: Store, folder: Path) -> Path:
    """The run, exported without a card."""
    export_run(store, "small", folder / "plain.safetensors")
    return folder / "plain.safetensors"


def test_nothing_is_overwritten_without_force(trained: Store, file: Path) -> None:
    for path, left in ((file, file.with_suffix(".md")), (file.with_suffix(".md"), file)):
        path.write_text("precious")
        left.unlink()
        status, said = call("export", "small", file, "--db", trained.url)
        assert (status, f"{path} exists already" in said, "--force" in said) == (2, True, True)
        assert (path.read_text(), left.exists()) == ("precious", False)
        assert call("export", "small", file, "--force", "--db", trained.url)[0] == 0
        assert read_header(file).name == "small"
        assert file.with_suffix(".md").read_text(encoding="utf-8").startswith("# small\n")


def test_the_name_of_an_exported_file_ends_in_safetensors(trained: Store, tmp_path: Path) -> None:
    for name in ("small", "small.md", "small.safetensor"):
        status, said = call("export", "small", tmp_path / name, "--db", trained.url)
        assert (status, ".safetensors" in said, said.count("\n")) == (2, True, 1)
    assert not list(tmp_path.glob("small*"))


def test_a_full_disk_leaves_the_files_that_were_there(trained: Store, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be written: No space left on device$"):
        export_run(trained, "small", file, describe=card, force=True)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.glob("small*")) == ["small.md", "small.safetensors"]


def test_a_damaged_run_is_not_exported(trained: Store, file: Path, other: Store, tmp_path: Path) -> None:
    run = import_run(other, file)
    other.checkpoints.latest(run.id)[1].write_bytes(b"damaged")
    with pytest.raises(StoreError, match="of run small are lost"):
        export_run(other, run.id, tmp_path / "new.safetensors")
    odd = other.imports.add("odd", read_header(file), history={}, tensors=b"no safetensors")
    with pytest.raises(StoreError, match="cannot be read") as caught:
        export_run(other, odd.id, tmp_path / "new.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new.safetensors").exists()


def test_a_long_description_is_refused_and_its_unknown_figures_are_left_out(file: Path, other: Store) -> None:
    whole = file.read_bytes()
    changed(file, lambda told: told["figures"]["test"][0].update(extra="A" * 2_000_000))
    run = import_run(other, file)
    assert "extra" not in run.figures["test"][0]
    other.runs.purge(run.id)
    file.write_bytes(whole)
    changed(file, lambda told: told["figures"]["test"][0].update(extra="A" * 5_000_000))
    status, said = call("import", file, "--db", other.url)
    assert (status, "longer than 4 MB" in said) == (2, True)
    assert empty(other)


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "curve": lambda told: told.pop("curve"),
    "classes": lambda told: told.pop("classes"),
    "image": lambda told: told.update(image=[1, 8]),
    "classes.0": lambda told: told["classes"].__setitem__(0, "\x1b]0;title\x07"),
    "image.0": lambda told: told.update(image=[2, 8, 8]),
    "image.1": lambda told: told.update(image=[3, 40_000, 40_000]),
    "figures.test": lambda told: told["figures"].pop("test"),
    "figures.val.0.accuracy": lambda told: told["figures"]["val"][0].pop("accuracy"),
    "epochs": lambda told: told.update(epochs="many"),
    "name": lambda told: told.update(name=None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_incomplete_header_is_refused_before_anything_is_stored(file: Path, other: Store, fault: str) -> None:
    changed(file, FAULTS[fault])
    status, said = call("import", file, "--db", other.url)
    assert (status, fault in said, said.count("\n")) == (2, True, 1)
    assert empty(other)


def test_weights_that_do_not_fit_are_refused_before_anything_is_stored(file: Path, other: Store) -> None:
    def wider(told: dict[str, Any]) -> None:
        told["config"]["architecture"]["stem"] += 8

    whole = file.read_bytes()
    for harm in (
        lambda: changed(file, wider),
        lambda: changed(file, lambda told: told["classes"].append("one more")),
        lambda: changed(file, lambda told: told["config"].update(dataset="nonsense")),
        lambda: file.write_bytes(whole[:-100]),
        lambda: file.write_bytes(b"nothing"),
    ):
        file.write_bytes(whole)
        harm()
        status, said = call("import", file, "--db", other.url)
        assert (status, said.count("\n"), said[:6]) == (2, 1, "error:")
        assert empty(other)
    file.write_bytes(whole)
    assert call("import", file, "--db", other.url) == (0, "")


def test_a_failed_import_leaves_nothing_behind(file: Path, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    for name, broken, said in (("os.fsync", full, "No space left"), ("core.store.imports.add_history", lambda *_: 1 / 0, "division")):
        with monkeypatch.context() as patch:
            patch.setattr(name, broken)
            with pytest.raises((StoreError, ZeroDivisionError), match=said):
                import_run(other, file)
        assert empty(other)
    with pytest.raises(StoreError, match="plain numbers"):
        import_run(other, file, "12")
    assert empty(other)


def test_a_run_that_ships_with_the_project_comes_back_under_another_name(other: Store, tmp_path: Path) -> None:
    file = tmp_path / "copy.safetensors"
    load_references(other)
    export_run(other, "reference/high-low-digits", file)
    status, said = call("import", file, "--db", other.url)
    assert (status, "--name" in said) == (2, True)
    assert call("import", file, "--name", "mine", "--db", other.url)[0] == 0


def test_older_files_are_still_read(file: Path, other: Store) -> None:
    def old(told: dict[str, Any]) -> None:
        del told["machine"], told["exchange_rate"], told["gated"]
        told["seconds"] = 90.0
        method = told["config"]["method"]
        method["taught"] = method.pop("self_distillation")
        told["curve"]["train taught loss"] = [(1.0, 0.5)]

    rate = read_header(file).exchange_rate
    changed(file, old)
    told = read_header(file)
    assert (told.seconds, told.machine, told.exchange_rate) == (90.0, None, rate)
    assert rate == float(load_file(file)["graph.tradeoff.exchange_rate"])
    lines = card(told).splitlines()
    assert "- Time to train: 1.5 minutes" in lines
    run = import_run(other, file)
    assert (run.seconds, run.machine, run.gated) == (90.0, None, True)
    assert run.config == run_config(**CONFIG, lam=0.25).model_dump(mode="json")
    assert other.metrics.history(run.id)["train self-distillation loss"] == [(1.0, 0.5)]
    references: list[Run] = load_references(other)
    assert len(references) == len(list(SHIPPED.glob("*.safetensors"))) > 0
    assert all(run.seconds > 0 or run.machine for run in references)


def rewritten(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the weights in an exported file, as a file of the time before checksums."""
    with safe_open(file, framework="numpy") as opened:
        told = opened.metadata()["gatescope"]
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"gatescope": told})


def first_weights(tensors: dict[str, Any]) -> str:
    return next(name for name, values in tensors.items() if values.ndim > 1)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no pipes with names")
def test_pipes_and_large_files_are_not_imported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        for read in (read_exported, read_header):
            with pytest.raises(StoreError, match=f"{file} cannot be read: (not a regular file|Is a directory)"):
                read(file)
    with (tmp_path / "large").open("wb") as opened:
        opened.truncate(MAX_WEIGHTS_BYTES + 1)  # takes no room
    with pytest.raises(StoreError, match="large cannot be read: larger than 4 GB"):
        read_exported(tmp_path / "large")


def test_a_flipped_bit_is_refused(file: Path, other: Store, tmp_path: Path) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    entry = content.index(b"checksum")
    places = [
        0,
        7,
        8,
        entry,
        entry + 3,
        entry + 14,
        content.index(b"accuracy") + 1,
        content.index(b"macs_mean"),
        8 + length,
        len(content) - 1,
    ]
    places += range(9, len(content), len(content) // 60)
    for place in places:
        for bit in (0, 3, 6):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            (tmp_path / "damaged.safetensors").write_bytes(damaged)
            with pytest.raises(StoreError):
                import_run(other, tmp_path / "damaged.safetensors")
    assert empty(other)
    assert import_run(other, file).name == "small"


def test_a_file_without_a_checksum_loads(file: Path, other: Store) -> None:
    rewritten(file, lambda tensors: None)
    assert import_run(other, file).name == "small"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(file: Path, other: Store, value: float) -> None:
    rewritten(file, lambda tensors: tensors[first_weights(tensors)].reshape(-1).__setitem__(3, value))
    status, said = call("import", file, "--db", other.url)
    assert (status, said.count("\n")) == (2, 1)
    assert "finite" in said
    assert empty(other)
    with pytest.raises(UserError, match="finite"):
        load_network(file)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.bool_, np.uint8])
def test_weights_of_whole_numbers_are_refused(file: Path, other: Store, kind: Any) -> None:
    rewritten(file, lambda tensors: tensors.update({first_weights(tensors): tensors[first_weights(tensors)].astype(kind)}))
    status, said = call("import", file, "--db", other.url)
    assert (status, "holds numbers of the type" in said) == (2, True)
    assert empty(other)


def test_a_configuration_of_a_huge_network_takes_no_memory(file: Path, other: Store) -> None:
    def huge(header: dict[str, Any]) -> None:
        header["architecture"] = "chain"
        header["config"]["architecture"] = {"name": "chain", "links": [4096] * 64}

    resource = pytest.importorskip("resource")
    changed(file, huge)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, said = call("import", file, "--db", other.url)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert (status, "larger than the weights" in said) == (2, True)
    assert grown < 150_000
    assert empty(other)
    with pytest.raises(UserError, match="larger than the weights"):
        load_network(file)


@pytest.mark.parametrize(
    ("column", "value"), [("gated", False), ("architecture", "chain"), ("dataset", "faces"), ("lam", 0.5), ("epochs", 7), ("seed", 3)]
)
def test_a_description_that_contradicts_its_configuration_is_refused(file: Path, other: Store, column: str, value: object) -> None:
    changed(file, lambda header: header.update({column: value}))
    status, said = call("import", file, "--db", other.url)
    assert (status, f"{column} is not that of its configuration" in said) == (2, True)
    assert empty(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["figures"]["test"][0].pop("execution_rates"),
        lambda header: header["figures"]["baselines"].update({"test": {"random gates": [{"cost": 0.1, "accuracy": 0.5, "x": 1}]}}),
        lambda header: header["figures"]["baselines"].update(
            {"test": {"random gates": [{"cost": 0.8, "accuracy": 0.5}] * (MAX_FIGURES + 1)}}
        ),
        lambda header: [header["figures"][split].extend(header["figures"][split] * MAX_FIGURES) for split in ("val", "test")],
        lambda header: header["figures"]["test"][0].update({"accuracy": 2}),
        lambda header: header.update({"exchange_rate": math.inf}),
        lambda header: header.update({"classes": ["a\ud800"] * 10}),
        lambda header: header.update({"classes": ["a" * 10_000] * 10}),
        lambda header: header["curve"].update({"loss": [[1.0, 0.5], [1.0, 0.25]]}),
        lambda header: header["curve"].update({"loss": [[math.nan, 0.5]]}),
        lambda header: header["curve"].update({"loss": [[1.0, math.nan]]}),
        lambda header: header["config"]["training"].update({"learning_rate": math.inf}),
        lambda header: header.update({"unknown": -math.inf}),
        lambda header: header["config"]["method"].update({"name": []}),
        lambda header: [row["execution_rates"].update({"stem2": 0.5}) for split in ("val", "test") for row in header["figures"][split]],
        lambda header: header.update({"config": json.loads("[" * 90 + "]" * 90)}),
    ],
)
def test_a_description_that_no_page_can_show_is_refused(file: Path, other: Store, change: Callable[[dict[str, Any]], object]) -> None:
    changed(file, change)
    status, said = call("import", file, "--db", other.url)
    assert (status, said.count("\n"), "the description of the run is invalid" in said) == (2, 1, True)
    assert empty(other)


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_of_weights_are_refused_in_a_line(tmp_path: Path, name: str) -> None:
    file = HEADERS[name](tmp_path / "it.safetensors")
    initial = ("train", "plain", "--dataset", "digits", "--method", "static", "--set", f"training.init_from={file}")
    for words in (("import", file), ("predict", file, file), ("describe", file), initial):
        status, said = call(*words, "--db", f"sqlite:///{tmp_path / 'runs.db'}")
        assert (status, len(said.split("error: "))) == (2, 2), (words[0], said[-300:])
        assert "Traceback" not in said


def test_a_header_of_many_tensors_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a header takes many times its memory."""
    file = HEADERS["a million tensors"](tmp_path / "it.safetensors")
    monkeypatch.setattr("core.store.exchange.deserialize", lambda content: pytest.fail("it was read"))
    monkeypatch.setattr("core.graph.weight_file.load", lambda content: pytest.fail("it was read"))
    for read in (lambda: read_header(file), lambda: read_tensors(file.read_bytes())):
        with pytest.raises(UserError, match=r"header .*is longer than 16 MB"):
            read()
    assert not is_exported(file.read_bytes())


def test_every_shipped_file_is_described_as_its_configuration_says() -> None:
    for shipped in SHIPPED.glob("*.safetensors"):
        header = read_header(shipped)
        assert dict(run_config(**header.config).record()) | {"config": 0} == {
            column: 0 if column == "config" else getattr(header, column) for column in RunRecord.model_fields
        }


def test_the_card_tells_what_the_header_tells(file: Path) -> None:
    told = read_header(file).model_copy(update={"seconds": 150.0, "machine": "x86_64, 2 cores", "exchange_rate": 0.0341})
    lines = card(told).splitlines()
    assert "- Time to train: 2.5 minutes on x86_64, 2 cores" in lines
    assert "- Exchange rate κ: 0.0341, the accuracy that the static network's whole cost is worth" in lines
    assert sum(line.startswith("| 0.25 | ") for line in lines) == 2
    controllers = next(line for line in lines if line.startswith("- Controllers: "))
    assert 0 < float(controllers.split()[2].rstrip("%")) < 2
    assert "Time" not in card(told.model_copy(update={"seconds": 0.0}))
    shutil.copy(SHIPPED / "high-low-digits-static.safetensors", file)
    assert "κ" not in card(read_header(file))


def test_the_card_tells_whether_gates_depend_on_the_image_and_have_learnt_anything() -> None:
    told = read_header(SHIPPED / "lc-digits.safetensors")
    assert "κ" not in card(told)  # λ is a share of the cost there, and has no exchange rate
    shares = [row.dependence for row in told.figures.test if 0.3 <= row.macs_mean / row.macs_static <= 0.7]
    assert f"The image explains {sum(shares) / len(shares):.0%} of the variance of the gates, mean over the same costs." in card(told)
    assert "learnt nothing" not in card(told)
    better = {"random gates": [Point(cost=0.0, accuracy=1.0)]}
    bare = told.figures.model_copy(update={"baselines": {"test": {"fixed routes": []}}})
    assert "Gains on the test split" not in card(told.model_copy(update={"figures": bare}))
    useless = told.figures.model_copy(update={"baselines": {"test": better}})
    assert "The gates do not beat random gates: the network has not learned when to skip." in card(
        told.model_copy(update={"figures": useless})
    )


def test_a_card_gives_deviations_over_the_seeds_of_a_sweep(file: Path) -> None:
    told = read_header(file)
    first = told.figures.test
    second = [row.model_copy(update={"accuracy": row.accuracy + 0.02}) for row in first]
    lines = card(told, [first, second]).splitlines()
    assert f"| {first[0].accuracy + 0.01:.4f} ± 0.0141 |" in next(line for line in lines if line.startswith(f"| {first[0].lam:g} | "))
    assert any(line.startswith("- over random gates: ") for line in lines)
    assert "±" not in card(told, [first])


def test_siblings_differ_in_the_seed_alone(other: Store) -> None:
    for lam, seed, epochs in ((None, 1, 1), (None, 0, 1), (0.5, 0, 1), (None, 2, 9)):
        config = run_config(**CONFIG | {"lam": lam, "training": {"seed": seed, "epochs": epochs}})
        run = other.runs.create(config.record(), name=f"{lam}-{seed}", sweep="all")
        other.lifecycle.claim(run.id)
        other.lifecycle.finish(run.id, {}, weights=b"none", epoch=epochs)
    assert [run.name for run in other.runs.siblings(other.runs.get("None-1"))] == ["None-0", "None-1"]
    alone = other.runs.create(run_config(**CONFIG).record(), name="alone")
    assert other.runs.siblings(alone) == []


def test_stopping_a_finished_run_is_refused(trained: Store) -> None:
    status, said = call("stop", "small", "--db", trained.url)
    assert (status, said) == (2, "error: run small is finished: there is nothing to stop.\n")
