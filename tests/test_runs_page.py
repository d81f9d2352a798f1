"""The Runs page, driven without a browser: select, annotate, export, import, delete, restore, purge and compare."""

import io
import time
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from test_app import MAIN, PATIENCE, page, texts

from app.runs.listed import table_key
from app.runs.transfer import FAILED, file_name, packed_run, packed_runs, received
from core.config import run_config
from core.store import Store
from core.store.exchange import HEADER
from core.training.worker import work
from tests.records import measured, record


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one trained network, small enough to be made in a second, and one that waits."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('runs') / 'runs.db'}")
    config = run_config(architecture={"name": "plain", "widths": [4]}, dataset="digits", method="static", training={"epochs": 1, "seed": 3})
    work(store, store.runs.create(config.record(), name="small/net").id)
    store.runs.create(config.record(), name="waiting")
    return store


@pytest.fixture
def app(store: Store, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("GATESCOPE_DB", store.url)
    return AppTest.from_file(str(MAIN), default_timeout=PATIENCE)


def selected(app: AppTest, *ids: int) -> AppTest:
    """Open the Runs page with these runs in the address."""
    page(app, "runs")
    app.query_params["runs"] = ",".join(map(str, ids))
    return app.run()


def trained(store: Store, name: str) -> int:
    """Add a run with figures and without weights; return its id."""
    run = store.runs.create(record(), name=name)
    store.lifecycle.claim(run.id)
    store.lifecycle.finish(run.id, measured())
    return run.id


def listed(app: AppTest) -> list[str]:
    return list(next(frame.value for frame in app.dataframe if "name" in frame.value)["name"])


def test_the_list_is_searched_and_says_what_it_does_not_understand(app: AppTest) -> None:
    page(app, "runs")
    assert {"small/net", "waiting"} <= set(listed(app))
    app.text_input(key="runs-search").set_value("state:queued").run()
    assert listed(app) == ["waiting"]
    app.text_input(key="runs-search").set_value("gone:1").run()
    assert "There is no field" in texts(app)
    assert not app.exception


def test_a_search_without_a_run_says_so(app: AppTest) -> None:
    page(app, "runs")
    app.text_input(key="runs-search").set_value("nowhere").run()
    assert "The search matches no run." in texts(app)
    assert "keeps to this limit" not in texts(app)


@pytest.mark.parametrize("by", ["", "seed"])
def test_selected_runs_without_a_tick_are_counted_and_can_be_left_out(app: AppTest, store: Store, by: str) -> None:
    small, waiting = store.runs.get("small/net").id, store.runs.get("waiting").id
    selected(app, small, waiting)
    app.selectbox(key="runs-group").set_value(by).run()
    assert "leave-out" not in [button.key for button in app.button]
    app.text_input(key="runs-search").set_value("state:queued").run()
    assert "1 of 2 selected runs is not in the table." in texts(app)
    app.button(key="leave-out").click().run()
    assert not app.exception
    assert app.query_params["runs"] == str(waiting)
    assert "leave-out" not in [button.key for button in app.button]


def test_a_new_tag_is_added_to_the_selected_runs_and_taken_away(app: AppTest, store: Store) -> None:
    ids = [store.runs.get(name).id for name in ("small/net", "waiting")]
    selected(app, *ids)
    before = [store.runs.get(number).tags for number in ids]
    app.text_input(key="bulk-new-tag").set_value(" fresh ")
    app.button(key="bulk-tag").click().run()
    assert not app.exception
    assert [store.runs.get(number).tags for number in ids] == [[*tags, "fresh"] for tags in before]
    assert [toast.value for toast in app.toast] == ["Tagged 2 runs: fresh"]
    app.button_group(key="bulk-tags").set_value(["fresh"])
    app.text_input(key="bulk-new-tag").set_value("")
    app.button(key="bulk-untag").click().run()
    assert [store.runs.get(number).tags for number in ids] == before


def test_an_export_says_which_runs_have_no_weights(app: AppTest, store: Store) -> None:
    bare = [store.runs.create(record(), name=f"bare {number}").id for number in range(2)]
    for number in bare:
        store.lifecycle.claim(number)
        store.lifecycle.finish(number, measured())
    selected(app, store.runs.get("small/net").id, store.runs.get("waiting").id, bare[0])
    assert "The zip leaves out **bare 0** (no stored weights); **waiting** (not finished)." in texts(app)
    selected(app, *bare)
    export = next(button for button in app.get("download_button") if button.proto.label == "Export as zip")
    assert export.proto.disabled
    assert "none of the selected runs" in export.proto.help
    for number in bare:
        store.runs.delete(number)
        store.runs.purge(number)


def test_runs_are_grouped(app: AppTest, store: Store) -> None:
    page(app, "runs")
    app.selectbox(key="runs-group").set_value("dataset").run()
    assert not app.exception
    groups = next(frame.value for frame in app.dataframe if "group" in frame.value)
    assert groups["runs"].sum() == len(store.runs.all())


def test_the_address_ticks_the_rows(app: AppTest, store: Store) -> None:
    small, waiting = store.runs.get("small/net").id, store.runs.get("waiting").id
    selected(app, small)
    ids = [run.id for run in store.runs.all()]
    key = table_key("table", [[number] for number in ids])
    assert app.session_state[key]["selection"]["rows"] == [ids.index(small)]
    app.query_params["runs"] = f"{small},{waiting},x,999999"
    app.run()
    assert app.session_state[key]["selection"]["rows"] == sorted(map(ids.index, (small, waiting)))
    app.button(key="bulk-clear").click().run()
    assert app.session_state[key]["selection"]["rows"] == []
    assert "runs" not in app.query_params


def test_a_runs_page_has_its_facts_and_its_command(app: AppTest, store: Store) -> None:
    run = store.runs.get("small/net")
    selected(app, run.id)
    assert not app.exception
    facts = " ".join(html.proto.body for html in app.get("html"))
    assert "<dd>3</dd>" in facts, "the seed"
    assert "Parameters" in facts
    app.segmented_control(key="run-part").set_value("Settings").run()
    assert "python -m core train plain" in app.code[0].value
    settings = next(frame.value for frame in app.dataframe if "Default" in frame.value)
    assert dict(zip(settings["Setting"], settings[""], strict=True))["Training: training seed"] == "●"
    app.segmented_control(key="run-part").set_value("Model card").run()
    assert not app.exception
    assert "small/net" in texts(app)


def test_a_run_is_starred_tagged_annotated_and_renamed(app: AppTest, store: Store) -> None:
    run = store.runs.get("waiting")
    selected(app, run.id)
    app.button(key=f"star-{run.id}").click().run()
    app.text_area(key=f"notes-{run.id}").set_value("*why*").run()
    app.multiselect(key=f"tags-{run.id}").set_value(["new"]).run()
    app.text_input(key=f"rename-{run.id}-waiting").set_value("waits").run()
    app.button(key=f"rename-button-{run.id}").click().run()
    assert not app.exception
    now = store.runs.get(run.id)
    assert (now.name, now.notes, now.tags) == ("waits", "*why*", ["starred", "new"])
    app.button(key=f"star-{run.id}").click().run()
    assert store.runs.get(run.id).tags == ["new"]
    store.runs.rename(run.id, "waiting")


def test_several_runs_are_deleted_undone_restored_and_purged(app: AppTest, store: Store) -> None:
    made = [store.runs.create(record(), name=f"spare {number}").id for number in range(2)]
    selected(app, *made)
    app.button(key="bulk-star").click().run()
    assert all(store.runs.get(number).tags == ["starred"] for number in made)
    app.button(key="delete-bulk").click().run()
    assert not app.exception
    assert "spare 0" not in listed(app)
    app.button(key="undo").click().run()
    assert {"spare 0", "spare 1"} <= set(listed(app))
    assert [header.value for header in app.subheader] == ["2 runs compared"], "they are selected again"
    app.button(key="delete-bulk").click().run()
    app.multiselect(key="deleted-chosen").set_value([made[0]]).run()
    app.button(key="restore").click().run()
    assert "spare 0" in listed(app)
    app.button(key="purge").click().run()
    assert not app.exception
    assert {run.id for run in store.runs.all(deleted=True)}.isdisjoint(made)
    store.runs.purge(made[0])


def test_edit_and_start_again_opens_the_form_with_the_settings(app: AppTest, store: Store) -> None:
    run = store.runs.get("small/net")
    selected(app, run.id)
    app.button(key=f"again-{run.id}").click().run()
    assert not app.exception
    assert "Opening the next page…" in texts(app)  # tests/browser/test_departure.py sees it open
    page(app, "train")
    assert app.selectbox(key="form-architectures").value == "plain"
    assert app.text_input(key="form-architectures-plain-widths").value == "4"
    assert app.number_input(key="form-training-seed").value == 3
    assert not app.error


def test_two_runs_are_compared_and_see_the_same_pictures(app: AppTest, store: Store) -> None:
    selected(app, store.runs.get("small/net").id, store.runs.get("waiting").id)
    assert "2 runs compared" in [header.value for header in app.subheader]
    app.button(key="send-pictures").click().run()
    assert not app.exception
    table = next(html.proto.body for html in app.get("html") if "run-pictures" in html.proto.body)
    assert table.count("<td") == 8
    assert "left out" in texts(app), "the run without weights"


def test_confusion_matrices_stand_side_by_side(app: AppTest, store: Store) -> None:
    selected(app, store.runs.get("small/net").id, store.runs.get("waiting").id)
    app.button(key="show-confusion").click().run()
    assert not app.exception
    deadline = time.monotonic() + PATIENCE
    while " of 359 test images" in texts(app) or "0 test images" in texts(app):
        assert time.monotonic() < deadline, texts(app)
        app.run()
    assert "359 test images, " in texts(app)
    assert any(chart.proto.id.endswith(f"confusion-{store.runs.get('small/net').id}") for chart in app.get("plotly_chart"))


def test_runs_travel_as_files_and_as_a_zip(store: Store, tmp_path: Path) -> None:
    run, other = store.runs.get("small/net"), Store(f"sqlite:///{tmp_path / 'other.db'}")
    one, several = packed_run(store, run), packed_runs(store, [run, store.runs.get("waiting")])
    assert file_name(run) == "small_net"
    with zipfile.ZipFile(io.BytesIO(several)) as archive:
        assert archive.namelist() == ["small_net.safetensors", FAILED]
        assert b"waiting" in archive.read(FAILED)
    assert [added.name for added in received(other, [("a.safetensors", one)], None)[0]] == ["small/net"]
    assert [added.name for added in received(other, [("a.safetensors", one)], "again")[0]] == ["again"]
    other.runs.rename(1, "first")
    runs, errors = received(other, [("all.zip", several)], None)
    assert ([added.name for added in runs], errors) == (["small/net"], [])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.safetensors", b"text", "notes.safetensors: is not an exported run"),
        ("x.zip", b"text", "x.zip: cannot be read as a zip"),
        ("../up.safetensors", HEADER.encode(), "up.safetensors: is not an exported run"),
    ],
)
def test_a_file_that_is_no_run_is_refused_in_one_line(store: Store, name: str, content: bytes, told: str) -> None:
    runs, errors = received(store, [(name, content)], None)
    assert runs == []
    assert len(errors) == 1
    assert errors[0].startswith(told)
    assert "\n" not in errors[0]


def test_a_name_that_is_taken_and_a_damaged_file_are_refused(store: Store) -> None:
    content = packed_run(store, store.runs.get("small/net"))
    assert "taken" in received(store, [("a.safetensors", content)], None)[1][0]
    damaged = content[:-4] + bytes(4) if content[-4:] != bytes(4) else content[:-4] + b"\1\1\1\1"
    error = received(store, [("a.safetensors", damaged)], "b")[1][0]
    assert error.startswith("a.safetensors is damaged")
    assert "tmp" not in error


def test_the_listing_reads_only_what_changed(store: Store, tmp_path: Path) -> None:
    own = Store(f"sqlite:///{tmp_path / 'own.db'}")
    one, two = (own.runs.create(record(), name=name).id for name in ("one", "two"))
    before = {run.id: run for run in own.listing.all()}
    own.runs.annotate(one, tags=["paper"])
    after = {run.id: run for run in own.listing.all()}
    assert list(after) == [two, one]
    assert after[two] is before[two]
    assert (before[one].tags, after[one].tags) == ([], ["paper"])
    own.lifecycle.claim(two)
    own.lifecycle.finish(two, measured())
    assert own.listing.all()[0].figures["test"][0]["accuracy"] == 0.9
    own.runs.delete(one)
    assert [run.id for run in own.listing.all()] == [two]
    assert [run.id for run in own.listing.all(deleted=True)] == [one]
    own.runs.purge(one)
    assert own.listing.all(deleted=True) == []


def test_the_last_values_of_a_metric_are_read_for_all_runs(tmp_path: Path) -> None:
    own = Store(f"sqlite:///{tmp_path / 'own.db'}")
    one, two, three = (own.runs.create(record(), name=name).id for name in ("one", "two", "three"))
    for epoch, value in ((1, 0.5), (2, 0.25), (10, 0.125)):
        own.metrics.log(one, epoch, {"loss": value})
    own.metrics.log(two, 1, {"loss": float("nan"), "accuracy": 1.0})
    assert own.metrics.latest("loss") == {one: 0.125}
    assert own.metrics.names([one, two, three]) == ["accuracy", "loss"]
    assert own.metrics.names([three]) == []


def test_a_gated_run_shows_how_open_its_gates_were_after_each_epoch(app: AppTest, store: Store) -> None:
    run = trained(store, "gated")
    store.metrics.log(run, 1.0, {"val accuracy": 0.8, "val rate of block": 0.4, "val channels of block": 0.25})
    selected(app, run)
    assert not app.exception
    assert "The darker a cell, the more modules are in its range." in texts(app)
    store.runs.delete(run)
    selected(app, store.runs.get("small/net").id)
    assert "The darker a cell" not in texts(app)


def test_runs_without_curves_say_so_in_place_of_an_empty_chart(app: AppTest, store: Store) -> None:
    bare, other = trained(store, "no points"), trained(store, "no points either")
    selected(app, bare)
    assert "This run has no curves: it was stored with its results alone." in texts(app)
    selected(app, store.runs.get("waiting").id, bare, other)
    assert not app.exception
    said = "None of these runs has curves: 1 has not finished its first epoch, 2 were stored with their results alone."
    assert said in texts(app)
    assert "compared-metric" not in [one.key for one in app.selectbox]
    store.metrics.log(bare, 1.0, {"train loss": 1.0})
    app.run()
    assert "None of these runs has points of this curve: choose another one above." in texts(app)
    app.selectbox(key="compared-metric").set_value("train loss").run()
    assert "None of these runs has" not in texts(app)
    for number in (bare, other):
        store.runs.delete(number)
