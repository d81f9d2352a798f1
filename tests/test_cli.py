"""The command line as a person or a script calls it, with real files."""

import contextlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.evaluate import _letters, _routes
from core.cli.main import main
from core.cli.output import counted, epoch_text
from core.cli.report import _print
from core.cli.settings import configuration
from core.config import run_config
from core.datasets import Split
from core.datasets.faces import Faces
from core.datasets.sources.corruption import Corruption, corrupted
from core.evaluation.evaluate import evaluate
from core.evaluation.report import Report
from core.explain.model import load_model
from core.store import Store, TrainedRecord

ROOT = Path(__file__).parents[1]
PREDICTION = {"run", "image", "lam", "label", "probabilities", "executed", "skipped", "controls", "gates", "scales"}
PREDICTION |= {"macs", "macs_full", "macs_static", "seconds", "thresholds"}
EVALUATION = {"lam", "n", "accuracy", "f1", "macs_mean", "macs_static", "execution_rates", "routes", "precision", "recall"}


@dataclass(frozen=True)
class Called:
    """What a command printed and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def call(*words: object) -> Called:
    """One command, in this process: starting Python and torch anew for each would take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    arguments, sys.argv = sys.argv, ["core", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        sys.argv = arguments
    return Called(status, out.getvalue(), err.getvalue())


def told(*words: object) -> object:
    """What a command prints as JSON. It must succeed."""
    done = call(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(*words: object) -> str:
    """The one line that a command complains with."""
    done = call(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def told_nodes(run: str, url: str) -> list[object]:
    """The nodes of a run's graph."""
    graph = told("describe", run, "--db", url)
    assert isinstance(graph, dict)
    return list(graph["nodes"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a cascade of faces for every λ, called "faces"."""
    url = f"sqlite:///{tmp_path_factory.mktemp('cli') / 'runs.db'}"
    options = ("--dataset", "faces", "--epochs", 3, "--name", "faces", "--seed", 1, "--set", "architecture.trunk=[4,8,8,16]", "--db", url)
    made = told("train", "cascade", *options)
    assert isinstance(made, dict)
    assert made["status"] == "finished"
    return url


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """A photograph in the forms in which people have them."""
    rows, columns = np.mgrid[0:3000, 0:4000]
    photo = Image.fromarray(np.stack([rows // 12, columns // 16, (rows + columns) // 28], axis=2).astype(np.uint8))
    rotated = Image.Exif()
    rotated[0x0112] = 6
    small = photo.resize((400, 300))
    deep = Image.fromarray(np.asarray(small.convert("L"), dtype=np.uint16) * 257)
    forms = {
        "large.jpg": lambda file: photo.save(file, quality=80),
        "grey.png": lambda file: small.convert("L").save(file),
        "alpha.png": lambda file: small.convert("RGBA").save(file),
        "deep.png": lambda file: deep.save(file),
        "turned.jpg": lambda file: small.save(file, exif=rotated),
    }
    for name, save in forms.items():
        save(tmp_path / name)
    return {name: tmp_path / name for name in forms}


def test_predict_answers_for_every_form_of_photograph(trained: str, pictures: dict[str, Path]) -> None:
    answers = told("predict", "faces", *pictures.values(), "--lam", 0.6, "--db", trained)
    assert isinstance(answers, list)
    assert [answer["image"] for answer in answers] == [str(file) for file in pictures.values()]
    for answer in answers:
        assert answer.keys() == PREDICTION
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert set(answer["executed"]).isdisjoint(answer["skipped"])
        assert 0 < answer["macs"] <= answer["macs_full"]
        assert answer["lam"] == 0.6
        assert {name for name, gate in answer["gates"].items() if gate} <= set(answer["executed"])


def test_predict_finds_the_lam_of_a_cost(trained: str, pictures: dict[str, Path]) -> None:
    rows = told("evaluate", "faces", "--grid", 3, "--db", trained)
    assert isinstance(rows, list)
    share = rows[-1]["macs_mean"] / rows[-1]["macs_static"]
    (answer,) = told("predict", "faces", pictures["grey.png"], "--budget", share, "--db", trained)
    assert 0 <= answer["lam"] <= 1
    assert "out of reach" in refused("predict", "faces", pictures["grey.png"], "--budget", 9, "--db", trained)
    assert "leave out --lam" in refused("predict", "faces", pictures["grey.png"], "--budget", 0.5, "--lam", 0.5, "--db", trained)


def test_predict_says_in_words_which_lam_and_how_many_channels(pictures: dict[str, Path], scratch_database: str) -> None:
    at = ("predict", "reference/lc-digits", pictures["grey.png"], "--lam", 0.05, "--db", scratch_database)
    (answer,) = told(*at)
    inside = [gates for name, gates in answer["gates"].items() if isinstance(gates, list) and name in answer["executed"]]
    kept, of = (sum(map(len, inside)) - sum(gates.count(0) for gates in inside), sum(map(len, inside)))
    assert 0 < kept < of
    said = " ".join(call(*at).stdout.split())
    assert f"channels of the blocks that ran: {kept} of {of} computed" in said
    assert "at λ = 0.05" in said
    asked = call("predict", "reference/lc-digits", pictures["grey.png"], "--budget", 0.45, "--db", scratch_database).stdout
    assert "the mean cost is 45% of the static network's" in asked


def test_predict_refuses_what_is_no_picture_in_one_line(trained: str, pictures: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.jpg").write_bytes(pictures["large.jpg"].read_bytes()[:5000])
    for name in ("text.png", "empty.png", "cut.jpg", "missing.png"):
        assert name in refused("predict", "faces", tmp_path / name, "--lam", 0.5, "--db", trained)


def test_predict_answers_the_good_pictures_and_names_the_others(trained: str, pictures: dict[str, Path], tmp_path: Path) -> None:
    good = pictures["grey.png"]
    words = (tmp_path / "missing.png", f' "{good}" ', good.as_uri(), "https://example.org/cat.png", "~nouser/cat.png", "a" * 5000)
    done = call("predict", "faces", *words, "--lam", 0.5, "--db", trained, "--json")
    assert done.returncode == 2
    assert [answer["image"] for answer in json.loads(done.stdout)] == [str(good)] * 2
    faults = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(faults) == 4
    for fault, says in zip(faults, ("no such user", "addresses are not fetched", "too long", "no such file"), strict=False):
        assert any(says in line for line in faults), fault


def test_predict_expands_folders_and_patterns_and_reads_standard_input(
    trained: str, pictures: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = pictures["grey.png"]
    folder = tmp_path / "some"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "more/a.png"):
        (folder / name).write_bytes(good.read_bytes())
    (folder / "notes.txt").write_text("words")
    (folder / ".hidden.png").write_text("words")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(good.read_bytes())))
    answers = told("predict", "faces", folder, folder / "*.png", "-", "--lam", 0.5, "--db", trained)
    assert isinstance(answers, list)
    assert [answer["image"] for answer in answers] == [*(str(folder / name) for name in ("b.png", "more/a.png", "b.png")), "standard input"]
    assert "no file has such a name" in refused("predict", "faces", folder / "*.gif", "--db", trained)
    (tmp_path / "empty").mkdir()
    assert "the folder holds no pictures" in refused("predict", "faces", tmp_path / "empty", "--db", trained)


def test_force_holds_a_gate_open_or_closed(trained: str, pictures: dict[str, Path]) -> None:
    at = ("predict", "faces", pictures["grey.png"], "--lam", 0.5, "--db", trained)
    answers = [told(*at, "--force", f"N3={state}") for state in ("on", "off")]
    for answer, runs in zip(answers, (True, False), strict=True):
        assert isinstance(answer, list)
        assert ("N3" in answer[0]["executed"]) == runs
        assert (answer[0]["gates"]["N3"] > 0) == runs
    assert "N1" in refused(*at, "--force", "N1=on")
    deep = told(*at, "--force", "N7=on")
    assert isinstance(deep, list)
    assert "N7" in deep[0]["executed"]
    assert "cannot be forced off" in refused(*at, "--force", "N7=on", "--force", "N3=off")
    assert "NODE=on" in refused(*at, "--force", "N3")


def test_evaluate_gives_one_object_per_lam_and_the_same_twice(trained: str) -> None:
    command = ("evaluate", "faces", "--split", "test", "--grid", 3, "--db", trained)
    first = told(*command)
    assert first == told(*command)
    assert isinstance(first, list)
    assert [row["lam"] for row in first] == [0.0, 0.5, 1.0]
    for row in first:
        assert row.keys() == EVALUATION
        assert sum(route["share"] for route in row["routes"]) == pytest.approx(1)
        assert row["n"] == 60
    random = told("evaluate", "faces", "--policy", "random", "--lam", 0.5, "--rate", 1.0, "--db", trained)
    opened = told("evaluate", "faces", "--policy", "open", "--lam", 0.5, "--db", trained)
    assert isinstance(random, list)
    assert isinstance(opened, list)
    assert random[0]["macs_mean"] == opened[0]["macs_mean"]


def test_evaluate_reports_accuracy_and_cost_on_corrupted_images(trained: str) -> None:
    words = ("evaluate", "faces", "--lam", 0.5, "--db", trained, "--corrupt", "gaussian_noise:5", "--corrupt", "contrast:5")
    rows = told(*words)
    assert isinstance(rows, list)
    assert [row["corruption"] for row in rows] == [None, "gaussian_noise:5", "contrast:5"]
    assert told("evaluate", "faces", "--lam", 0.5, "--db", trained) == [{name: rows[0][name] for name in EVALUATION}]
    model, images = load_model(Store(trained), "faces"), Faces().read().val
    noisy = Split(corrupted(images.images, Corruption("gaussian_noise", 5)), images.labels)
    measured = json.loads(json.dumps(evaluate(model.graph, noisy, lam=0.5).to_json()))
    assert measured == {name: rows[1][name] for name in EVALUATION}
    assert all(said in call(*words).stdout for said in ("as they are", "contrast:5"))
    assert "'mist' is no corruption: choose one of gaussian_noise, " in refused(*words, "--corrupt", "mist:3")


def test_random_gates_of_a_network_whose_gates_scale_are_left_to_the_report() -> None:
    says = refused("evaluate", "reference/lc-digits", "--lam", 0.6, "--policy", "random", "--rate", 0.7)
    assert "`python -m core report reference/lc-digits`" in says
    assert told("report", "reference/lc-digits")["figures"].keys() >= {"gain over random gates, mean over costs of 30% to 70%"}


def test_a_seed_out_of_bounds_is_refused(trained: str) -> None:
    for seed in (-1, 2**31, 99999999999999999999):
        done = call("evaluate", "faces", "--policy", "random", "--seed", seed, "--db", trained)
        assert done.returncode == 2
        assert "--seed" in done.stderr
        assert "Traceback" not in done.stderr


def test_evaluate_refuses_a_folder_whose_classes_are_others_by_now(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    for number, name in enumerate(("ant", "bee", "cat")):
        (folder / name).mkdir(parents=True)
        for row in range(10):
            Image.new("L", (8, 8), 80 * number + row).save(folder / name / f"{row}.png")
    options = ("--set", f"dataset.path={folder}", "--set", "dataset.size=8", "--method", "static", "--epochs", 1, "--name", "mine")
    told("train", "plain", "--dataset", "folder", *options)
    before = told("evaluate", "mine")
    moved = folder.rename(tmp_path / "moved")
    assert "no such folder" in refused("evaluate", "mine")
    path = ("--set", f"dataset.path={moved}")
    assert told("evaluate", "mine", *path) == before
    assert "only dataset.path=FOLDER can be set" in refused("evaluate", "mine", "--set", "dataset.size=9")
    Image.new("L", (8, 8), 255).save(moved / "ant" / "0.png")
    assert "files were added, removed or changed. Restore" in refused("evaluate", "mine", *path)
    assert told("evaluate", "mine", *path, "--changed-data")
    moved.rename(folder)
    (folder / "ant").rename(folder / "zebra")
    assert "(new: zebra; missing: ant). Restore the original data" in refused("evaluate", "mine")


def test_the_same_training_gives_the_same_metrics(trained: str) -> None:
    options = ("--dataset", "faces", "--method", "d2nn", "--lam", 0.7, "--seed", 0, "--epochs", 2, "--db", trained)
    first, second = (told("train", "cascade", *options) for _ in range(2))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["figures"] == second["figures"]
    assert first["curve"] == second["curve"]
    assert first["id"] != second["id"]


def test_runs_and_describe_tell_what_is_there(trained: str) -> None:
    runs = told("runs", "--db", trained)
    assert isinstance(runs, list)
    assert "faces" in [run["name"] for run in runs]
    for what in (("faces",), ("cascade", "--dataset", "faces")):
        graph = told("describe", *what, "--db", trained)
        assert isinstance(graph, dict)
        assert graph["macs_full"] == sum(node["macs"] for node in graph["nodes"])
        assert {"source": "Q1", "target": "N3", "kind": "control", "option": "go on"} in graph["edges"]


def test_describe_writes_graphviz_source_that_dot_takes(trained: str) -> None:
    source = call("describe", "faces", "--dot", "--db", trained).stdout
    assert '"Q1" -> "N3" [style=dashed label="go on"]' in source
    assert '"Q1" [shape=diamond]' in source
    if shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tplain"], input=source, capture_output=True, text=True, check=True).stdout
        assert sum(line.startswith("node ") for line in drawn.splitlines()) == len(told_nodes("faces", trained))


def test_describe_needs_no_images_of_a_published_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    graph = told("describe", "cascade", "--dataset", "cifar10")
    assert isinstance(graph, dict)
    assert [graph["nodes"][0]["shape"], graph["nodes"][-1]["shape"]] == [[3, 32, 32], [10]]


def test_describe_tells_which_control_node_has_the_channels_of_a_node() -> None:
    what = ("lc_resnet", "--set", "architecture.depth=8", "--set", "architecture.width=4")
    graph = told("describe", *what)
    assert isinstance(graph, dict)
    opened = [edge for edge in graph["edges"] if edge["kind"] == "control" and edge["target"] == "block 2-1"]
    assert [(edge["source"], edge["option"]) for edge in opened] == [("Q2-1", "block"), ("Q2-1", "8 channels")]
    assert "Q2-1: block, Q2-1: 8 channels" in call("describe", *what).stdout
    assert '"Q2-1" -> "block 2-1" [style=dashed label="8 channels"]' in call("describe", *what, "--dot").stdout


def test_names_are_printed_as_they_are(scratch_database: str) -> None:
    options = (
        "--dataset",
        "faces",
        "--epochs",
        1,
        "--set",
        "architecture.trunk=[2]",
        "--set",
        "architecture.head=[2]",
        "--method",
        "static",
    )
    assert call("train", "cascade", *options, "--name", "a[/b] [red]c").returncode == 0
    assert "a[/b] [red]c" in call("runs").stdout


def test_grid_asks_for_several_lams(trained: str) -> None:
    assert "--grid" in refused("evaluate", "faces", "--grid", 3, "--lam", 0.3, "--db", trained)


def test_budgets_are_met_in_the_mean_and_refused_out_of_reach(trained: str) -> None:
    shares = [row["macs_mean"] / row["macs_static"] for row in told("evaluate", "faces", "--split", "val", "--db", trained)]
    middle = (min(shares) + max(shares)) / 2
    (row,) = told("evaluate", "faces", "--split", "val", "--budgets", middle, "--db", trained)
    assert row.keys() == EVALUATION | {"budget"}
    assert row["budget"] == pytest.approx(middle)
    assert row["macs_mean"] / row["macs_static"] == pytest.approx(middle, abs=max(shares) - min(shares))
    assert "out of reach" in refused("evaluate", "faces", "--budgets", 0.001, "--db", trained)
    for budgets in ("half", "", "0.5,"):
        assert "not a number" in refused("evaluate", "faces", "--budgets", budgets, "--db", trained)
    assert "cannot be combined" in refused("evaluate", "faces", "--budgets", 0.5, "--lam", 0.3, "--db", trained)


def test_a_run_travels_as_one_file(trained: str, tmp_path: Path, pictures: dict[str, Path]) -> None:
    file, url = tmp_path / "away" / "faces.safetensors", f"sqlite:///{tmp_path / 'other.db'}"
    file.parent.mkdir()
    assert call("export", "faces", file, "--db", trained).returncode == 0
    assert "python -m core train cascade --dataset faces" in file.with_suffix(".md").read_text(encoding="utf-8")
    assert call("import", file, "--db", url).returncode == 0
    here, there = (told("predict", "faces", pictures["deep.png"], "--lam", 0.5, "--db", db) for db in (trained, url))
    assert isinstance(here, list)
    assert isinstance(there, list)
    assert here[0] | {"seconds": 0} == there[0] | {"seconds": 0}
    histories = [store.metrics.history(store.runs.get("faces").id) for store in (Store(url), Store(trained))]
    assert histories[0] == histories[1]
    assert "faces" in refused("import", file, "--db", url)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train", "nonsense"), "choose one of cascade"),
        (("train", "cascade", "--dataset", "nonsense"), "choose one of"),
        (("train", "cascade", "--set", "training.epochs=0"), "error: Epochs (training.epochs) must be at least 1."),
        (("train", "high_low", "--epochs", "0"), "error: Epochs (training.epochs) must be at least 1."),
        (("train", "high_low", "--set", "method.bags=2"), "the nearest is method.bag_size."),
        (("describe", "two_scales"), "architectures are cascade, chain"),
        (("bench", "two_scales"), "architectures are cascade, chain"),
        (("train", "cascade", "--set", "epochs=3"), "part.option=value"),
        (("train", "cascade", "--dataset", "faces", "--set", "architecture.name=plain"), "--set architecture.name=plain"),
        (("describe", "cascade", "--set", "dataset.name=faces"), "--set dataset.name=faces"),
        (
            ("describe", "cascade", "--set", "architecture.trunk=[8]"),
            "error: trunk has 1 stages and head has 4: give both the same",
        ),
        (
            ("train", "plain", "--dataset", "digits", "--method", "static", "--set", "method.controller_holdout=0.99"),
            "lower method.controller_holdout",
        ),
        (("train", "cascade", "--lam", "1.5"), "lam"),
        (("train", "plain", "--dataset", "digits"), "control nodes"),
        (("train", "plain", "--dataset", "digits", "--method", "static", "--lam", "0.5"), "no λ"),
        (("train", "cascade", "--dataset", "faces", "--set", "method.bag_size=200"), "too few"),
        (("train", "high_low", "--dataset", "digits", "--method", "static", "--set", 'method.route=["Q=left"]'), "stop, go on"),
        (("predict", "nobody", "x.png"), "nobody"),
        (("evaluate", "nobody"), "nobody"),
        (("describe", "nobody"), "nobody"),
        (("describe", "reference/high-low-digits", "--set", "architecture.low=[4]"), "--set applies to the architecture"),
        (("describe", "cascade", "--set", "training.seed=1"), "not to 'seed'"),
        (("train", "cascade", "--dataset", "faces", "--set", "method.metric=f1"), "f1 of a single image"),
        (("import", "nothing.safetensors"), "nothing.safetensors"),
        (("runs", "--db", "nonsense"), "nonsense"),
    ],
)
def test_a_mistake_is_reported_in_one_line(words: tuple[str, ...], says: str) -> None:
    assert says in refused(*words)


def test_a_training_that_could_not_begin_leaves_its_name_free(scratch_database: str) -> None:
    words = ["train", "cascade", "--dataset", "faces", "--name", "mine", "--epochs", "1", "--db", scratch_database]
    for _ in range(2):
        assert "too few" in refused(*words, "--set", "method.bag_size=200")
    assert "method.teacher: " in refused(*words, "--set", "method.distillation_weight=1", "--set", "method.teacher=nowhere.safetensors")
    assert "set method.distillation_weight above 0" in refused(*words, "--set", "method.teacher=nowhere.safetensors")
    assert [run.name for run in Store(scratch_database).runs.all() if not run.reference] == []


def test_a_training_that_fails_unexpectedly_leaves_its_name_free(scratch_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.methods.static import Static

    def broken(*_args: object) -> object:
        raise IndexError("off by one")

    monkeypatch.setattr(Static, "step", broken)
    with pytest.raises(IndexError, match="off by one"):
        call("train", "plain", "--dataset", "digits", "--method", "static", "--name", "mine", "--db", scratch_database)
    assert [run.name for run in Store(scratch_database).runs.all() if not run.reference] == []


def test_a_training_is_announced_once_nothing_speaks_against_it(scratch_database: str) -> None:
    words = ("train", "cascade", "--dataset", "faces", "--epochs", 1, "--name", "mine", "--set", "architecture.trunk=[2,2,2,2]")
    assert "Training run" not in call(*words, "--set", "method.bag_size=200").stderr
    assert call(*words).stderr.count("Training run") == 1


@pytest.mark.parametrize(
    "words",
    [
        *(("describe", "nobody"), ("bench", "nobody"), ("evaluate", "nobody"), ("predict", "nobody", "x.png"), ("report", "nobody")),
        *(("resume", "nobody"), ("stop", "nobody"), ("export", "nobody", "x.safetensors")),
        *(("train", "high_low", "--epochs", "0"), ("describe", "cascade", "--set", "architecture.trunk=[8]")),
    ],
)
def test_a_command_that_fails_creates_no_database(words: tuple[str, ...], tmp_path: Path) -> None:
    refused(*words, "--db", f"sqlite:///{tmp_path / 'runs.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_resembles_a_shipped_run_is_suggested(tmp_path: Path) -> None:
    says = refused("evaluate", "reference/high-low-digit", "--db", f"sqlite:///{tmp_path / 'runs.db'}")
    assert "did you mean 'reference/high-low-digits'?" in says


def test_runs_as_json_have_the_whole_record_and_their_place_in_a_sweep() -> None:
    runs = told("runs")
    assert isinstance(runs, list)
    assert all(run.keys() >= TrainedRecord.model_fields.keys() | {"id", "name", "state", "epoch", "sweep", "variant"} for run in runs)
    gated = {run["name"]: run["gated"] for run in runs}
    assert (gated["reference/lc-digits"], gated["reference/lc-digits-static"]) == (True, False)


def test_routes_are_named_in_the_table_of_an_evaluation() -> None:
    shown = call("evaluate", "reference/high-low-digits", "--lam", 0.6).stdout
    assert "A 84%, B 16%" in shown
    assert "Every route runs x, stem, low, low answer, y low, Q.\nRoute A runs nothing else.\nRoute B also runs high, y high." in shown


def test_rare_routes_are_counted_together() -> None:
    routes = [{"nodes": [f"n{number}"], "share": 0.1} for number in range(10)]
    letters = _letters([{"routes": routes}])
    assert _routes({"routes": routes}, letters) == "A 10%, B 10%, C 10%, D 10%, E 10%, F 10%, G 10%, H 10%, others 20%"


def test_multiply_adds_of_a_column_have_one_unit() -> None:
    assert counted([9_999, 1_234_567.4]) == ["9,999", "1,234,567"]
    assert counted([12_345, 1_234_567]) == ["0.01 M", "1.23 M"]


@pytest.mark.parametrize(("epoch", "says"), [(0.0, "0"), (0.0234375, "0.0"), (1.5, "1.5"), (2.0, "2")])
def test_the_epoch_of_an_unfinished_run_is_rounded(epoch: float, says: str) -> None:
    assert epoch_text(epoch) == says


def test_a_report_prints_no_negative_zero(capsys: pytest.CaptureFixture[str]) -> None:
    _print(Report("mine", "test", 10, [0], [], {"gain": (-0.00001, None), "loss": (-0.25, 0.1)}, []))
    shown = capsys.readouterr().out
    assert "-0.0000" not in shown
    assert "0.0000" in shown
    assert "-0.2500 ± 0.1000" in shown


def test_the_command_of_a_configuration_makes_the_same_configuration(scratch_database: str) -> None:
    config = run_config(
        architecture={"name": "high_low", "low": [4], "high": [8, 8]},
        dataset="digits",
        method={"name": "static", "route": ["Q=stop"]},
        training={"epochs": 1, "seed": 3, "batch_size": 512},
    )
    words = shlex.split(config.command())[3:]
    made = told(*words, "--name", "again")
    assert isinstance(made, dict)
    assert Store(scratch_database).runs.get("again").config == config.model_dump(mode="json")


@pytest.mark.parametrize("path", ["2024", "1e3", "true", "null", "[1]", '"quoted"', "a folder/{seed}", "it's"])
def test_text_that_looks_like_something_else_stays_text(path: str) -> None:
    config = run_config(
        architecture={"name": "cascade", "trunk": [4, 8], "head": [8, 8]},
        dataset={"name": "folder", "path": path},
        method={"name": "static", "route": ["Q1=stop"], "distillation_weight": 0.5, "teacher": path},
        training={"epochs": 1, "init_from": path, "precision": "bfloat16"},
    )
    words = shlex.split(config.command())
    pairs = [value for option, value in pairwise(words) if option == "--set"]
    assert configuration("cascade", "folder", "static", None, 1, 0, pairs) == config


def test_the_module_runs_as_a_process_of_its_own(scratch_database: str) -> None:
    listed = subprocess.run([sys.executable, "-m", "core", "runs", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout) == json.loads(call("runs", "--json").stdout)
    wrong = subprocess.run([sys.executable, "-m", "core", "runs", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_a_report_tells_gains_and_compares_with_static_networks(trained: str) -> None:
    told_alone = told("report", "faces", "--db", trained)
    assert isinstance(told_alone, dict)
    assert (told_alone["run"], told_alone["seeds"], told_alone["against"], told_alone["split"]) == ("faces", [1], [], "test")
    names = list(told_alone["figures"])
    assert any(name.startswith("gain over random gates") for name in names)
    assert any(name.startswith("gain over confidence") for name in names)
    assert all(figure["deviation"] is None for figure in told_alone["figures"].values())
    told("train", "cascade", "--dataset", "faces", "--method", "static", "--epochs", 1, "--name", "whole", "--db", trained)
    against = told("report", "faces", "--against", "whole", "--split", "val", "--db", trained)
    assert isinstance(against, dict)
    assert (against["against"], against["split"]) == (["whole"], "val")
    assert {"accuracy of the most accurate compared run", "cost of the most accurate compared run"} <= against["figures"].keys()
    table = call("report", "faces", "--db", trained)
    assert table.returncode == 0
    assert "seed 1 alone" in table.stdout
    assert "holds no gated network" in refused("report", "whole", "--db", trained)


def test_bench_compares_with_the_static_network(trained: str) -> None:
    rows = told("bench", "faces", "--batch", "1,3", "--threads", 1, "--lams", "0,1", "--random", "", "--seconds", 0.1, "--db", trained)
    assert isinstance(rows, list)
    keys = {"run", "gates", "lam", "batch", "threads", "macs_ratio", "time_ratio", "skip_efficiency", "gated_ms", "static_ms"}
    keys |= {"gated_form", "static_form"}
    assert all(set(row) == keys for row in rows)
    assert [(row["batch"], row["gates"], row["lam"]) for row in rows] == [
        (batch, gates, lam) for batch in (1, 3) for gates, lam in (("learned", 0.0), ("learned", 1.0), ("open", 0.5))
    ]
    assert rows[0]["macs_ratio"] <= rows[1]["macs_ratio"] <= rows[2]["macs_ratio"]
    shown = call("bench", "lc_resnet", "--set", "architecture.depth=8", "--batch", 2, "--threads", 1, "--seconds", 0.1, "--db", trained)
    assert "random 0.5" in shown.stdout
    assert "Machine: " in shown.stdout
    assert "; static as " in shown.stdout
    small = ("--set", "architecture.depth=8", "--size", 16, "--batch", 1, "--threads", 1, "--seconds", 0.1, "--random", "")
    assert told("bench", "lc_resnet", *small, "--db", trained)[0]["static_ms"] > 0
    assert "random weights" in refused("bench", "faces", "--size", 16, "--db", trained)
    (row,) = told("bench", "faces", "--slider", "--threads", 1, "--db", trained)
    assert row.keys() == {"run", "threads", "images", "ms", "ms_most"}
    assert 0 < row["ms"] <= row["ms_most"]
    assert "at 101 values of λ" in call("bench", "faces", "--slider", "--threads", 1, "--db", trained).stdout
    assert "serves every λ" in refused("bench", "cascade", "--slider", "--db", trained)
    where = call("bench", "faces", "--profile", "--batch", 1, "--threads", 1, "--db", trained)
    assert "Q1 (gates)" in where.stdout
    assert "Gates take" in where.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("plain",), "no gates"),
        (("cascade", "--batch", "0"), "--batch"),
        (("cascade", "--random", "half"), "--random"),
        (("cascade", "--random", "1.5"), "between 0 and 1"),
        (("cascade", "--batch", "inf"), "--batch"),
        (("cascade", "--threads", "1.5"), "whole numbers"),
        (("cascade", "--random", "nan"), "--random"),
    ],
)
def test_bench_says_what_is_wrong(words: tuple[str, ...], part: str, trained: str) -> None:
    assert part in refused("bench", *words, "--db", trained)


@pytest.mark.parametrize(
    ("variant", "part"),
    [
        ("wide", "NAME:"),
        ("a: x='b", "quotation"),
        ("same:", "the same"),
        ("same: method.name=d2nn", "the same"),
        ("b: architecture.depth=1", "the same"),
        ("c: training.seed=1", "--seeds"),
        ("every: architecture.depth=2", "something else"),
    ],
)
def test_a_sweep_refuses_variants_that_are_none(variant: str, part: str, trained: str) -> None:
    assert part in refused("sweep", "cascade", "--dataset", "faces", "--name", "varied", "--variant", variant, "--db", trained)
