"""A cascade from the Runs page: which runs can be members, what the form says, and the cascade that it starts."""

import math
from pathlib import Path

import pytest
from safetensors.numpy import save
from streamlit.testing.v1 import AppTest
from test_app import MAIN, PATIENCE, page, plainly, texts
from test_onnx_network import network as onnx_file

from app.progress import DONE
from core.architectures.model_cascade import ModelCascade
from core.config import run_config
from core.store import Run, Store
from core.store.exchange import export_run, read_header
from core.training.worker import work

HOLDOUT = {"name": "static", "controller_holdout": 0.2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with two static networks on digits that share a holdout, one without it, a gated one and one on other images."""
    url = f"sqlite:///{tmp_path_factory.mktemp('members') / 'runs.db'}"
    store = Store(url)
    digits = {"dataset": "digits", "training": {"epochs": 1}}
    small = {"name": "cluttered_digits", "train": 60, "val": 20, "test": 20}
    choices = {
        "narrow": digits | {"architecture": {"name": "plain", "widths": [4]}, "method": HOLDOUT},
        "broad": digits | {"architecture": {"name": "plain", "widths": [16, 16]}, "method": HOLDOUT},
        "greedy": digits | {"architecture": {"name": "plain", "widths": [8]}, "method": "static"},
        "gated": digits | {"architecture": "high_low", "method": "d2nn"},
        "cluttered": {"dataset": small, "training": {"epochs": 1}, "architecture": {"name": "plain", "widths": [4]}, "method": "static"},
    }
    for name, choice in choices.items():
        work(store, store.runs.create(run_config(**choice).record(), name=name).id)
    store.runs.create(run_config(**choices["narrow"]).record(), name="waiting")
    return url


@pytest.fixture
def app(trained: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("GATESCOPE_DB", trained)
    return AppTest.from_file(str(MAIN), default_timeout=PATIENCE)


def asked(app: AppTest, url: str, *names: str) -> AppTest:
    """Select runs on the Runs page and ask for their cascade."""
    runs = Store(url).runs
    page(app, "runs")
    app.query_params["runs"] = ",".join(str(runs.get(name).id) for name in names)
    app.run()
    return app.button(key="make-cascade").click().run()


def test_selected_runs_become_a_cascade_for_every_lam(app: AppTest, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: started.append(run_id))
    asked(app, trained, "broad", "narrow")
    assert not app.exception
    members = next(frame.value for frame in app.dataframe if "Multiply-adds" in frame.value and "Test accuracy" in frame.value)
    assert list(members.iloc[:, 0]) == ["narrow", "broad"]  # from cheap to expensive
    assert "The 20% of the training images that no member was trained on teach the controllers. They are few, so the" in texts(app)
    app.text_input(key="cascade-name").set_value("both")
    app.selectbox(key="form-cascade-combine").set_value("mean")
    app.button(key="cascade-start").click().run()
    assert not app.exception
    store = Store(trained)
    run = store.runs.get("both")
    assert started == [run.id]
    assert run.state not in DONE
    assert "the cascade opens in Explore when it is ready" in texts(app)
    done = work(store, run.id)
    assert done.status == "finished"
    assert (done.config["architecture"]["combine"], done.lam) == ("mean", None)
    app.run()
    assert not app.exception
    assert app.get("page_link"), "a finished cascade links to Explore"
    app.switch_page("screens/explore.py")
    app.query_params["run"] = "both"
    app.run()
    assert not app.exception
    assert app.selectbox(key="run").value == "both"
    store.runs.purge(run.id)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("narrow", "gated"), "Run gated: this network decides per image, but a member has one cost"),
        (("narrow", "cluttered"), "Member narrow was trained on Handwritten digits (8×8), and the cascade is for Cluttered digits"),
        (("narrow", "waiting"), "Run waiting has not finished training"),
        (("narrow", "reference/lc-cifar10-static"), "its classes are"),
    ],
)
def test_what_cannot_be_a_member_is_said(app: AppTest, trained: str, names: tuple[str, ...], says: str) -> None:
    asked(app, trained, *names)
    assert not app.exception
    assert says in " ".join(plainly(error.value) for error in app.error)
    assert not [button for button in app.button if button.key == "cascade-start"]
    app.button(key="cascade-cancel").click().run()
    assert app.button(key="make-cascade")


def test_a_network_in_a_file_joins_one_run(app: AppTest, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: 0)
    asked(app, trained, "narrow")
    assert "Add a file with another network, or select more runs above." in texts(app)
    assert not [button for button in app.button if button.key == "cascade-start"]
    app.file_uploader(key="cascade-files").upload("no.onnx", b"\x08\x07", "application/octet-stream").run()
    (said,) = (plainly(error.value) for error in app.error)
    assert said.startswith("No.onnx: ONNX Runtime cannot run it")
    app.file_uploader(key="cascade-files").set_value(("from afar.onnx", onnx_file(10, channels=1), "application/octet-stream")).run()
    app.number_input(key="cascade-high").set_value(16.0).run()
    assert not app.exception
    assert not app.error
    members = next(frame.value for frame in app.dataframe if "Multiply-adds" in frame.value and "Test accuracy" in frame.value)
    assert sorted(members.iloc[:, 0]) == ["from afar.onnx", "narrow"]
    app.text_input(key="cascade-name").set_value("with a file")
    app.button(key="cascade-start").click().run()
    run = Store(trained).runs.get("with a file")
    found = {member["title"]: member["onnx"] and member["onnx"]["high"] for member in run.config["architecture"]["members"]}
    assert found == {"from afar": 16.0, "narrow": None}
    Store(trained).runs.purge(run.id)


def test_members_without_a_common_holdout_leave_validation_images(app: AppTest, trained: str) -> None:
    asked(app, trained, "narrow", "greedy")
    assert "The members share no holdout: half of the validation images teach the controllers" in texts(app)


def test_the_same_network_twice_is_refused_before_the_start(app: AppTest, trained: str, tmp_path: Path) -> None:
    store = Store(trained)
    export_run(store, store.runs.get("narrow").id, tmp_path / "narrow.safetensors")
    asked(app, trained, "narrow")
    app.file_uploader(key="cascade-files").upload("narrow.safetensors", (tmp_path / "narrow.safetensors").read_bytes()).run()
    assert any("are the same network: name it once" in plainly(error.value) for error in app.error)
    assert not [button for button in app.button if button.key == "cascade-start"]


def test_a_name_that_is_taken_is_refused_and_leaves_nothing(app: AppTest, trained: str) -> None:
    asked(app, trained, "broad", "narrow")
    app.text_input(key="cascade-name").set_value("gated")
    app.button(key="cascade-start").click().run()
    assert "is taken" in texts(app)
    assert "model_cascade" not in [run.architecture for run in Store(trained).runs.all() if not run.reference]


def test_images_that_are_not_on_the_machine_are_announced(app: AppTest, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    asked(app, trained, "reference/lc-cifar10-static", "reference/lc-wide-cifar10-static")
    assert not app.exception
    assert any("CIFAR-10 are not on this computer" in warning.value.replace("\\", "") for warning in app.warning)
    assert app.button(key="cascade-start")


def cascade_of(store: Store, *names: str) -> Run:
    """Add a cascade of runs, to be trained."""
    from core.training.cascade import compose, create_run
    from core.training.members import member_of_run

    runs = [store.runs.get(name) for name in names]
    dataset = run_config(**runs[0].config).dataset
    given = [member_of_run(store, run, dataset.outline()[1]) for run in runs]
    return create_run(store, compose(given, dataset, training={"epochs": 1}), "exported")


def test_controllers_that_few_images_teach_see_them_often_unless_told_how_often(trained: str) -> None:
    from core.training.cascade import LEAST_STEPS, compose
    from core.training.members import member_of_run

    store = Store(trained)
    runs = [store.runs.get(name) for name in ("narrow", "broad")]
    dataset = run_config(**runs[0].config).dataset
    given = [member_of_run(store, run, dataset.outline()[1]) for run in runs]
    composed = compose(given, dataset, training={"batch_size": 32})
    assert isinstance(composed.config.architecture, ModelCascade)
    images = round(composed.config.architecture.unseen_fraction * dataset.sizes()[0])
    epochs = composed.config.training.epochs
    assert LEAST_STEPS <= epochs * math.ceil(images / 32) < LEAST_STEPS + math.ceil(images / 32)
    assert f"the controllers see each of them {epochs} times" in composed.sentence
    assert compose(given, dataset, training={"epochs": 3}).config.training.epochs == 3


def test_an_exported_cascade_names_no_folder_and_says_where_its_members_come_from(trained: str, tmp_path: Path) -> None:
    store = Store(trained)
    run = cascade_of(store, "narrow", "broad")
    assert run.config["training"]["init_from"] == ""
    folder = store.weights.folder / str(run.id)
    assert len(list(folder.iterdir())) == 1  # the members' weights
    work(store, run.id)
    assert [file.name[:10] for file in folder.iterdir()] == ["epoch-0001"]  # the cascade's own weights hold them
    export_run(store, run.id, tmp_path / "out.safetensors")
    header = read_header(tmp_path / "out.safetensors")
    machine = store.runs.get("narrow").machine
    assert [member["origin"] for member in header.config["architecture"]["members"]] == [f"trained on {machine}"] * 2
    for text in (header.model_dump_json(), run_config(**header.config).command()):
        assert str(store.weights.folder) not in text
        assert str(tmp_path.parent) not in text
    store.runs.purge(run.id)
    assert not folder.exists()


def test_a_cascade_whose_members_weights_are_lost_is_not_trained(trained: str) -> None:
    store = Store(trained)
    run = cascade_of(store, "narrow", "broad")
    try:
        assert store.checkpoints.initial(run.id)
        assert store.checkpoints.latest(run.id) is None  # nothing to explore or to resume yet
        next((store.weights.folder / str(run.id)).iterdir()).write_bytes(save({}))
        with pytest.raises(ValueError, match="make the cascade again"):
            work(store, run.id)
        assert "make the cascade again" in str(store.runs.get(run.id).error)
    finally:
        store.runs.purge(run.id)
