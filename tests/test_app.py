"""The pages, driven without a browser: what they show with runs and without, and what a mistake is answered with."""

import io
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import fields, form_state, forms
from app.graph_view import view
from app.wording import WORD_JOINER
from core.config import RunConfig, Training, run_config
from core.recipes import RECIPES, recipe
from core.registry import COMPONENT_KINDS, component, names
from core.store import Run, Store
from core.training.cluster import Cluster
from core.training.worker import enqueue, work

MAIN = Path(__file__).parents[1] / "app" / "main.py"
PATIENCE = 90  # seconds; the first run of a page imports torch


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with one network for every λ, one for one λ and one without gates."""
    url = f"sqlite:///{tmp_path_factory.mktemp('app') / 'runs.db'}"
    store = Store(url)
    choices = {
        "every": {"architecture": "cascade", "method": "d2nn"},
        "one": {"architecture": "high_low", "method": "d2nn", "lam": 0.6},
        "plain": {"architecture": "plain", "method": "static"},
    }
    for name, choice in choices.items():
        config = run_config(dataset="digits", training={"epochs": 2}, **choice)
        work(store, store.runs.create(config.record(), name=name).id)
    return url


@pytest.fixture
def app(trained: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("GATESCOPE_DB", trained)
    return AppTest.from_file(str(MAIN), default_timeout=PATIENCE)


def texts(app: AppTest) -> str:
    return plainly(
        " ".join(str(element.value) for kind in ("caption", "markdown", "info", "error", "title", "header") for element in app.get(kind))
    )


def plainly(text: object) -> str:
    """A text without the escapes of Markdown."""
    return str(text).replace("\\", "").replace(WORD_JOINER, "")


def test_explore_shows_the_run_that_the_address_names(app: AppTest) -> None:
    app.query_params["run"] = "every"
    app.run()
    assert not app.exception
    assert app.selectbox(key="run").value == "every"
    assert "What the network sees: 8×8 pixels, grey" in texts(app)


@pytest.mark.parametrize("name", ["one", "plain"])
def test_explore_shows_networks_without_a_slider(app: AppTest, name: str) -> None:
    app.query_params["run"] = name
    app.run()
    assert not app.exception
    assert not app.error


def test_modules_in_an_address_that_cannot_run_together_are_set_back(app: AppTest) -> None:
    app.query_params["run"] = "one"
    app.query_params["force"] = "low:on,high:on"
    app.run()
    assert not app.exception
    assert app.query_params["force"] in ("low:on", "high:on")
    app.run()
    assert not app.exception


def test_photographs_stand_for_images_that_are_not_there(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    app.query_params["run"] = "reference/resnet38-cascade-cifar10"
    app.run()
    assert not app.exception
    assert "The images of CIFAR-10 are not on this computer" in texts(app)


@pytest.mark.parametrize(
    ("sample", "caption", "label"),
    [("3", "Photograph of a cat", "cat"), ("10", "Photograph of a rocket, which is of none of the classes", None)],
)
def test_a_picture_that_stands_in_is_judged_by_its_class(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, sample: str, caption: str, label: str | None
) -> None:
    monkeypatch.delenv("GATESCOPE_DATA", raising=False)
    captions: list[str] = []
    labels: list[str | None] = []
    monkeypatch.setattr("app.picture.show", lambda image, caption: captions.append(caption))
    monkeypatch.setattr(view, "view_of", lambda *given, known=view.view_of: labels.append(given[-2].true_label) or known(*given))
    app.query_params["run"] = "reference/model-cascade-cifar10"
    app.query_params["sample"] = sample
    app.run()
    assert not app.exception
    assert captions == [caption]
    assert labels == [label]


def test_explore_says_where_a_run_is_not_there(app: AppTest) -> None:
    app.query_params["run"] = "gone"
    app.run()
    assert "gone" in app.warning[0].value
    assert not app.exception


def test_without_runs_explore_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.references.load_references", lambda store: [])
    monkeypatch.setattr("app.state.load_references", lambda store: [])
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    assert not app.exception
    assert "There is no network to explore yet" in texts(app)


def test_a_database_that_cannot_be_opened_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 50)
    monkeypatch.setenv("GATESCOPE_DB", f"sqlite:///{tmp_path / 'text.db'}")
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    assert not app.exception
    assert "not a database" in app.error[0].value


def test_a_file_that_is_no_picture_is_reported_in_one_line(app: AppTest) -> None:
    app.query_params["run"] = "every"
    app.run()
    app.file_uploader(key="upload").upload("notes.png", b"not a picture", "image/png").run()
    assert not app.exception
    assert [plainly(error.value) for error in app.error] == ["notes.png: not an image in a supported format, such as PNG or JPEG"]


def test_a_picture_of_the_users_is_shown(app: AppTest) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(file, "PNG")
    app.query_params["run"] = "every"
    app.run()
    app.file_uploader(key="upload").upload("white.png", file.getvalue(), "image/png").run()
    assert not app.exception
    assert not app.error
    assert "Move the frame" in texts(app), "the picture stands beside what the network sees of it"


@pytest.mark.parametrize(("ground", "ink"), [(255, 0), (0, 255)])
def test_a_dark_digit_on_light_paper_can_be_inverted(app: AppTest, ground: int, ink: int) -> None:
    picture = Image.new("L", (40, 40), ground)
    picture.paste(ink, (18, 6, 22, 34))
    file = io.BytesIO()
    picture.save(file, "PNG")
    app.query_params["run"] = "every"
    app.run()
    app.file_uploader(key="upload").upload("one.png", file.getvalue(), "image/png").run()
    assert not app.exception
    assert ("Your picture is dark on light. The network learned from images that are light on dark" in texts(app)) == (ground == 255)
    assert [one.label for one in app.toggle] == ["Invert light and dark"] * (ground == 255)
    if ground == 255:
        app.toggle(key="invert").set_value(True).run()
        assert not app.exception
        assert "dark on light" not in texts(app)


def test_explore_opens_with_the_model_cascade(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert app.selectbox(key="run").value == "reference/model-cascade-cifar10"


def test_explore_warns_beside_the_name_of_a_run_whose_gates_gain_nothing(app: AppTest) -> None:
    app.query_params["run"] = "reference/cascade-faces"
    app.run()
    assert not app.exception
    assert app.selectbox(key="run").value == "reference/cascade-faces", texts(app)
    short = "No gain over fixed routes; no gain over random gates; 2 of 3 controllers never decide"
    assert short in [one.label for one in app.expander]
    assert "Q2 always opens N5, whatever the image." in texts(app)


def warned(app: AppTest) -> str:
    """Return the warnings of the form, once there are any: what is to be trained is looked at in the background."""
    deadline = time.monotonic() + PATIENCE
    while not app.warning and time.monotonic() < deadline:
        app.run()
    return " ".join(plainly(one.value) for one in app.warning)


def page(app: AppTest, name: str) -> AppTest:
    app.run()
    return app.switch_page(f"screens/{name}.py").run()


def test_the_form_starts_a_run(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    started: list[int] = []
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: started.append(run_id) or 0)
    page(app, "train")
    assert not app.exception
    app.number_input(key="form-training-epochs").set_value(3)
    app.text_input(key="form-name").set_value("from the form")
    app.button(key="start").click().run()
    assert not app.exception
    run = Store(trained).runs.get("from the form")
    assert started == [run.id]
    assert (run.epochs, run.architecture, run.dataset, run.lam) == (3, "cascade", "digits", None)
    Store(trained).runs.purge(run.id)


def test_the_form_sends_runs_to_a_cluster(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    sent: list[tuple[list[str], Cluster]] = []
    monkeypatch.setattr("app.run_on.has_ray", lambda: False)
    page(app, "train")
    assert not [one for one in app.segmented_control if one.label == "Run on"]
    monkeypatch.setattr("app.run_on.has_ray", lambda: True)
    monkeypatch.setattr("core.training.cluster.has_ray", lambda: True)
    monkeypatch.setattr(
        "core.training.cluster.start_on_cluster", lambda store, runs, cluster: sent.append(([run.name for run in runs], cluster))
    )
    app.run()
    app.segmented_control(key="form-run-on").set_value("A Ray cluster").run()
    app.text_input(key="form-ray").set_value("head:6379")
    app.text_input(key="form-name").set_value("far away")
    app.button(key="start").click().run()
    assert "copy-store" in texts(app)
    assert not [run for run in Store(trained).runs.all() if run.name == "far away"]
    app.text_input(key="form-ray").set_value("local")
    app.number_input(key="form-ray-gpus").set_value(0.5)
    app.button(key="start").click().run()
    assert not app.exception
    assert sent == [(["far away"], Cluster("local", 1.0, 0.5))]
    run = Store(trained).runs.get("far away")
    assert not run.waiting, "the queue of this computer leaves it alone"
    Store(trained).runs.purge(run.id)


def test_a_recipe_fills_in_the_options_of_the_form(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: 0)
    page(app, "train")
    assert app.selectbox(key="form-recipe").options == ["None", *(one.title for one in RECIPES)]
    app.selectbox(key="form-recipe").select("strong").run()
    assert "On the command line: `--recipe strong`." in texts(app)
    assert app.number_input(key="form-training-learning_rate").value == 0.4
    assert "cutout size (training.cutout) must be at most 8" in warned(app)
    monkeypatch.setattr("app.preview.preview", lambda wanted: "")  # what is found out in the background is not what is tested from here on
    app.number_input(key="form-training-cutout").set_value(4).run()
    app.text_input(key="form-name").set_value("by recipe")
    app.button(key="start").click().run()
    assert not app.exception
    run = Store(trained).runs.get("by recipe")
    expected = recipe("strong").part("training") | {"cutout": 4}
    assert {name: run.config["training"][name] for name in expected} == expected
    Store(trained).runs.purge(run.id)
    app.segmented_control(key="train-view").set_value("new").run()
    app.selectbox(key="form-recipe").select("distilled").run()
    assert app.number_input(key="form-methods-d2nn-distillation_weight").value == 0.9
    assert "There is nothing to distil" in texts(app)
    assert app.button(key="start").disabled
    app.selectbox(key="form-recipe").select("").run()
    assert app.number_input(key="form-training-learning_rate").value == 0.002
    assert app.number_input(key="form-methods-d2nn-distillation_weight").value == 0
    assert not app.button(key="start").disabled


def test_the_form_keeps_what_was_set_while_another_page_is_visited(app: AppTest) -> None:
    page(app, "train")
    app.number_input(key="form-training-epochs").set_value(7)
    app.selectbox(key="form-architectures").select("high_low").run()
    app.text_input(key="form-architectures-high_low-low").set_value("8, 12").run()
    app.switch_page("screens/glossary.py").run()
    app.switch_page("screens/train.py").run()
    assert app.number_input(key="form-training-epochs").value == 7
    assert app.selectbox(key="form-architectures").value == "high_low"
    assert app.text_input(key="form-architectures-high_low-low").value == "8, 12"


def test_the_form_is_filled_with_the_configuration_of_a_run(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: 0)
    shape = {"name": "hierarchy", "root": [4, 8], "tree": [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]}
    method = {"name": "d2nn", "metric": "f1", "bag_size": 16, "exchange_rate": 1.0}
    config = run_config(
        architecture=shape,
        dataset={"name": "digits", "seed": 3},
        method=method,
        lam=0.35,
        training={"epochs": 4, "batch_size": 32, "precision": "bfloat16"},
    ).model_dump(mode="json")
    app.run()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("streamlit.session_state", app.session_state)
        form_state.prefill(config)
    page(app, "train")
    assert not app.exception
    assert not app.error
    app.text_input(key="form-name").set_value("again")
    app.button(key="start").click().run()
    run = Store(trained).runs.get("again")
    assert run.config == config
    Store(trained).runs.purge(run.id)


def test_only_methods_that_can_train_an_architecture_are_offered(app: AppTest) -> None:
    page(app, "train")
    exits = ["Exit policies (Bolukbasi et al.)", "Entropy exits (BranchyNet)", "Margin exits (decision gates)", "Weighted exits (L2W-DEN)"]
    anywhere = {"Q-learning (D2NN)", "Policy gradient (Composer)", "Static network"}
    assert set(app.selectbox(key="form-methods").options) == {*anywhere, *exits}
    app.selectbox(key="form-architectures").select("chain").run()
    assert set(app.selectbox(key="form-methods").options) == anywhere
    app.selectbox(key="form-architectures").select("lc_resnet").run()
    assert app.selectbox(key="form-methods").value == "lcnet"
    app.toggle(key="form-architectures-lc_resnet-layers").set_value(False)
    app.toggle(key="form-architectures-lc_resnet-channels").set_value(False).run()
    assert app.selectbox(key="form-methods").options == ["Static network"]
    assert app.segmented_control(key="form-lam-choice").options == ["One network", "One for each of several seeds"]
    app.selectbox(key="form-architectures").select("plain").run()
    assert app.selectbox(key="form-methods").value == "static"
    assert not app.error
    assert not app.exception


def test_options_that_are_not_shown_keep_their_values(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: 0)
    page(app, "train")
    app.number_input(key="form-methods-d2nn-exchange_rate").set_value(0.5)
    app.text_input(key="form-search").set_value("mixup α").run()
    assert "form-methods-d2nn-exchange_rate" not in [one.key for one in app.number_input]
    app.number_input(key="form-training-mixup").set_value(0.3)
    app.text_input(key="form-name").set_value("sought")
    app.button(key="start").click().run()
    run = Store(trained).runs.get("sought")
    assert (run.config["method"]["exchange_rate"], run.config["training"]["mixup"]) == (0.5, 0.3)
    Store(trained).runs.purge(run.id)


def test_a_preset_fills_the_form(app: AppTest) -> None:
    page(app, "train")
    app.button(key="preset-chain").click().run()
    assert app.selectbox(key="form-architectures").value == "chain"
    assert app.number_input(key="form-training-epochs").value == 24
    assert not app.error
    app.button(key="preset-own").click().run()
    assert app.selectbox(key="form-datasets").value == "folder"
    assert "Set the data folder" in warned(app)
    assert app.button(key="start").disabled
    assert not app.exception


def test_a_zip_of_pictures_becomes_the_dataset(app: AppTest) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"):
            picture = io.BytesIO()
            Image.new("RGB", (9, 9), "white").save(picture, "PNG")
            archive.writestr(name, picture.getvalue())
    page(app, "train")
    app.button(key="preset-own").click().run()
    app.file_uploader(key="own-zip").upload("own.zip", b"no zip", "application/zip").run()
    assert "The zip cannot be read" in " ".join(plainly(one.value) for one in app.warning)
    app.file_uploader(key="own-zip").upload("own.zip", file.getvalue(), "application/zip").run()
    assert not app.warning
    assert not app.exception
    assert not app.button(key="start").disabled


def test_a_failed_run_is_edited_and_started_again(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: 0)
    store = Store(trained)
    config = run_config(architecture="chain", dataset="digits", method="d2nn", training={"learning_rate": 9.0})
    failed = store.runs.create(config.record(), name="diverged")
    store.lifecycle.fail(failed.id, "the loss is nan")
    try:
        app.session_state["watched"] = failed.id
        page(app, "train")
        app.button(key=f"edit-{failed.id}").click().run()
        assert app.number_input(key="form-training-learning_rate").value == 9.0
        app.number_input(key="form-training-learning_rate").set_value(0.002)
        app.text_input(key="form-name").set_value("mended")
        app.button(key="start").click().run()
        mended = store.runs.get("mended")
        assert mended.config == config.model_copy(update={"training": Training(learning_rate=0.002)}).model_dump(mode="json")
        store.runs.purge(mended.id)
    finally:
        store.runs.purge(failed.id)


def test_a_run_is_stopped_and_resumed(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    started: list[int] = []
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: started.append(run_id))
    store = Store(trained)
    run = store.runs.create(run_config(architecture="cascade", dataset="digits", method="d2nn").record(), name="to stop")
    try:
        page(app, "train")
        app.button(key=f"stop-{run.id}").click().run()
        assert store.runs.get(run.id).stop_requested
        assert app.button(key=f"stop-{run.id}").disabled
        store.lifecycle.fail(run.id, "the loss is nan")
        app.run()
        assert [plainly(error.value) for error in app.error] == ["the loss is nan"]
        app.button(key=f"resume-{run.id}").click().run()
        assert started == [run.id]
        assert not app.exception
    finally:
        store.runs.purge(run.id)


def test_a_run_that_waits_for_its_turn_can_be_cancelled(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: None)
    monkeypatch.setenv("GATESCOPE_TRAININGS", "1")
    store = Store(trained)
    config = run_config(architecture="cascade", dataset="digits", method="d2nn").record()
    runs = [store.runs.create(config) for _ in range(3)]
    try:
        enqueue(store, [run.id for run in runs])
        app.session_state["watched"] = runs[2].id
        page(app, "train")
        assert "waiting for its turn, with 1 other before it in the queue" in plainly(app.get("progress")[0].proto.text)
        app.button(key=f"stop-{runs[2].id}").click().run()
        assert [store.runs.get(run.id).state for run in runs] == ["queued", "queued", "stopped"]
        assert app.button(key=f"resume-{runs[2].id}").label == "Resume"
    finally:
        for run in runs:
            store.runs.purge(run.id)


def test_an_unexpected_error_shows_no_traceback_to_visitors(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.runs.listed.table", lambda runs, lam: [][1])
    page(app, "runs")
    (shown,) = app.exception
    assert "Reload the page to try again" in shown.message
    assert not shown.stack_trace
    assert "IndexError" not in str(shown.proto)


def test_the_form_starts_a_sweep(app: AppTest, monkeypatch: pytest.MonkeyPatch, trained: str) -> None:
    started: list[int] = []
    monkeypatch.setattr("core.training.worker.start", lambda run_id, url: started.append(run_id))
    monkeypatch.setenv("GATESCOPE_TRAININGS", "1")
    page(app, "train")
    app.segmented_control(key="form-lam-choice").set_value(forms.SEVERAL).run()
    app.text_input(key="form-lams").set_value("every, 0.4")
    app.text_input(key="form-seeds").set_value("0, 1")
    app.text_input(key="form-name").set_value("several")
    app.button(key="start").click().run()
    assert not app.exception
    store = Store(trained)

    def runs_of(sweep: str) -> list[Run]:
        return sorted((run for run in store.runs.all() if run.sweep == sweep), key=lambda run: run.id)

    runs = runs_of("several")
    try:
        assert started == [min(run.id for run in runs)], "the others wait"
        assert sorted(run.name for run in runs) == ["several/0.4/0", "several/0.4/1", "several/every/0", "several/every/1"]
        page(app, "sweep")
        app.button(key="stop-sweep-several").click().run()
        assert [run.stop_requested for run in runs_of("several")] == [True, False, False, False], "the first has a process"
        assert [run.state for run in runs_of("several")] == ["queued", "stopped", "stopped", "stopped"]
        store.lifecycle.stop(started[0])
        app.run()
        app.button(key="resume-sweep-several").click().run()
        assert not app.exception
        assert started == [started[0]] * 2
    finally:
        for run in runs:
            store.runs.purge(run.id)


@pytest.mark.parametrize(
    ("field", "text", "told"), [("lams", "0.2, many", "not '0.2, many'"), ("seeds", "0.5", "'0.5'"), ("lams", "2", "λ must be at most 1")]
)
def test_a_sweep_that_cannot_be_is_reported_at_the_form(app: AppTest, field: str, text: str, told: str) -> None:
    page(app, "train")
    app.segmented_control(key="form-lam-choice").set_value(forms.SEVERAL).run()
    app.text_input(key=f"form-{field}").set_value(text).run()
    app.button(key="start").click().run() if not app.button(key="start").disabled else None
    assert told in texts(app)
    assert not app.exception


def test_the_sweep_page_shows_the_networks_that_the_address_names(app: AppTest) -> None:
    app.query_params["show"] = ["every", "one"]
    app.run()
    app.switch_page("screens/sweep.py").run()
    assert not app.exception
    assert app.multiselect(key="shown").value
    assert "The line is the Pareto front" in texts(app)


def test_choices_that_do_not_fit_are_reported_at_the_form(app: AppTest) -> None:
    page(app, "train")
    app.text_input(key="form-architectures-cascade-trunk").set_value("8, eight").run()
    assert "'eight' is not a whole number" in texts(app)
    assert app.button(key="start").disabled
    app.text_input(key="form-architectures-cascade-trunk").set_value("8, 16").run()
    assert "give both the same number" in texts(app)
    assert not app.exception


def test_a_number_out_of_bounds_is_refused_in_the_words_of_the_form(app: AppTest) -> None:
    page(app, "train")
    app.number_input(key="form-training-epochs").set_value(0).run()
    assert [plainly(error.value) for error in app.error] == ["Epochs must be at least 1."]
    app.number_input(key="form-training-epochs").set_value(1)
    app.number_input(key="form-methods-d2nn-bag_size").set_value(0).run()
    assert [plainly(error.value) for error in app.error] == ["Mini-bag size must be at least 1."]
    app.number_input(key="form-methods-d2nn-bag_size").set_value(1)
    app.text_input(key="form-architectures-cascade-head").set_value("8, 16, 0, 64").run()
    assert [plainly(error.value) for error in app.error] == ["Filters of each head, item 3, must be at least 1."]
    assert app.button(key="start").disabled


def test_the_form_shows_titles_and_labels_and_keeps_the_technical_names(app: AppTest) -> None:
    page(app, "train")
    kinds = {kind: app.selectbox(key=f"form-{kind}") for kind in COMPONENT_KINDS}
    assert "Cascade with early exits" in kinds["architectures"].options
    assert "Q-learning (D2NN)" in kinds["methods"].options
    assert kinds["architectures"].value == "cascade"
    assert "Multiply-adds" in app.selectbox(key="form-methods-d2nn-efficiency").options
    assert app.selectbox(key="form-methods-d2nn-efficiency").value == "macs"
    assert "`cascade`" in texts(app)


def test_a_name_that_is_taken_is_reported(app: AppTest) -> None:
    page(app, "train")
    app.text_input(key="form-name").set_value("every")
    app.button(key="start").click().run()
    assert "is taken" in texts(app)


def test_runs_lists_deletes_and_restores(app: AppTest, trained: str) -> None:
    page(app, "runs")
    assert not app.exception
    assert {"every", "one", "plain"} <= set(app.dataframe[0].value["name"])
    run = Store(trained).runs.get("plain")
    Store(trained).runs.delete(run.id)
    app.run()
    assert "plain" not in set(app.dataframe[0].value["name"])
    app.multiselect(key="deleted-chosen").set_value([run.id]).run()
    app.button(key="restore").click().run()
    assert "plain" in set(app.dataframe[0].value["name"])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in COMPONENT_KINDS for name in names(kind)])
def test_every_option_of_every_choice_has_a_field(kind: str, name: str) -> None:
    model = component(kind, name)
    known = fields.fields(model)
    assert {field.name for field in known} == set(model.model_fields) - {"name"}
    for field in known:
        assert field.help
        if field.kind == "choice":
            assert field.default in field.choices
            assert field.labels.keys() == {str(choice) for choice in field.choices}, "every choice has a label"


def test_groups_are_written_as_they_are_shown() -> None:
    known = {field.name: field for field in fields.fields(component("architectures", "hierarchy"))}
    tree = replace(known["tree"], default=((2, 3, 4), (0, 1, 5)))
    assert known["tree"].default == ()
    assert fields.written(known["tree"], ()) == ""
    assert fields.parsed(tree, "") == []
    assert fields.written(tree, tree.default) == "2 3 4; 0 1 5"
    for text in ("2 3 4; 0 1 5", "2, 3, 4;0,1,5", " 2 3 4 ; 0 1 5 ;"):
        assert fields.parsed(tree, text) == [[2, 3, 4], [0, 1, 5]]
    config = run_config(architecture={"name": "hierarchy", "tree": fields.parsed(tree, "2 3 4; 0 1 5")}, dataset="digits", method="d2nn")
    assert config.architecture.tree == tree.default
    assert fields.parsed(known["root"], fields.written(known["root"], known["root"].default)) == list(known["root"].default)


def test_the_form_takes_groups_and_names_what_is_not_an_integer_in_them(app: AppTest) -> None:
    page(app, "train")
    app.selectbox(key="form-architectures").select("hierarchy").run()
    field = app.text_input(key="form-architectures-hierarchy-tree")
    field.set_value("0 1 2 3 4; 5 6 seven 8 9").run()
    assert "'seven' is not a whole number" in texts(app)
    assert app.button(key="start").disabled
    field.set_value("0 1 2 3 4; 5 6 7 8 9").run()
    assert not app.error
    assert not app.exception
    assert not app.button(key="start").disabled


@pytest.mark.parametrize("default", [1e-4, 2e-3, 0.05, 0.6, 1.0, 0.0, 10.0])
def test_a_step_is_no_larger_than_the_value_it_changes(default: float) -> None:
    assert 0 < forms.step(fields.Field("f", "F", "number", default, "")) <= (default or 1.0)


def test_the_form_and_the_configuration_agree() -> None:
    assert forms.FIRST.keys() == set(COMPONENT_KINDS)
    assert isinstance(run_config(architecture="cascade", dataset="digits", method="d2nn"), RunConfig)


def test_runs_that_the_address_names_are_compared(app: AppTest, trained: str) -> None:
    runs = {run.name: run.id for run in Store(trained).runs.all()}
    page(app, "runs")
    assert "Tick runs to see them below" in texts(app)
    app.query_params["runs"] = f"{runs['every']},{runs['plain']},999999,x"
    app.run()
    assert not app.exception
    assert app.subheader[0].value == "2 runs compared"
    values = next(frame.value for frame in app.dataframe if frame.value.index.name == "setting")
    assert values.loc["Method", "every"] == "Q-learning (D2NN)"
    assert values.loc["Method", "plain"] == "Static network"
    assert "Training: epochs" not in values.index
    app.query_params["runs"] = str(runs["one"])
    app.run()
    assert [header.value for header in app.subheader] == ["one"]
