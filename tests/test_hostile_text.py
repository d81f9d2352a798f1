"""Texts from outside on every page: names, errors, classes, files and addresses are shown as text, whatever they hold."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from markdown_it import MarkdownIt
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.charts.curves import compared_curves_chart
from app.charts.modules import execution_rates_chart, routes_chart
from app.charts.tradeoff import BASELINES, compared_chart, front_chart, series_of
from app.wording import WORD_JOINER, in_chart, plain
from core.store import Run, Store
from core.store.exchange import import_run
from core.store.references import load_references

ROOT = Path(__file__).parents[1]
PATIENCE = 90  # seconds; the first run of a page imports torch
HOSTILE = "![x](http://h.test/i) [l](javascript:alert(1)) :material/home: $latex$ <img src=//h.test> <a href='//h.test'>a</a> `c` -> *b*"
LIVE = ("![x]", "[l](", ":material/home", "$latex$", "<img", "<a href", "`c`", "http://h", "->", "*b*")  # what none of it may hold
ESCAPED = re.compile(r"\\.")
SHOWN_AS_TEXT = {  # fields that Streamlit shows without reading Markdown
    *("Selectbox.options", "Selectbox.raw_value", "MultiSelect.options", "MultiSelect.default", "MultiSelect.raw_values", "Text.body"),
    *("PageLink.query_string", "TextInput.value", "TextInput.default", "TextArea.value", "TextArea.default", "FileUploader.type"),
    *("BidiComponent.json", "BidiComponent.mixed", "PlotlyChart.spec", "PlotlyChart.config", "Html.body"),
}


def texts(message: Message) -> Iterator[tuple[str, str]]:
    """Every text in a message that Streamlit reads as Markdown, with its message's and its field's name."""
    for field, value in message.ListFields():
        name = f"{message.DESCRIPTOR.name}.{field.name}"
        if name in SHOWN_AS_TEXT or field.name in ("id", "key", "form_id", "url", "element_id"):
            continue
        values = value if field.is_repeated else [value]
        for one in values:
            if isinstance(one, Message):
                yield from texts(one)
            elif isinstance(one, str):
                yield name, one


def drawn(app: AppTest) -> Iterator[Message]:
    """The message of each element and block of a page."""
    waiting: list[Any] = [app._tree]
    while waiting:
        node = waiting.pop()
        waiting.extend(getattr(node, "children", {}).values())
        if isinstance(proto := getattr(node, "proto", None), Message):
            yield proto


def check(app: AppTest) -> str:
    """Assert that nothing of the hostile text is live; return all texts of the page."""
    assert not app.exception
    found = []
    for message in drawn(app):
        for field, text in texts(message):
            if field == "GraphVizChart.spec":  # Graphviz source, whose arrows are edges
                text = text.replace(" -> ", " ")
            bare = ESCAPED.sub("", text)
            assert not [part for part in LIVE if part in bare], (field, text)
            found.append(text)
    for html in (str(element.proto.body) for element in app.get("html")):
        assert "<img src=//" not in html
        assert "<a href" not in html
    return "\n".join(found)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a trained run whose name, notes, tags and classes are hostile, one that failed with an error, and a deleted one."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'runs.db'}")
    load_references(store)
    trained = import_run(store, ROOT / "assets/reference/cascade-digits.safetensors", "trained")
    store.runs.annotate(trained.id, notes=HOSTILE, tags=[HOSTILE])
    failed, deleted = store.runs.create(_record(trained), sweep=HOSTILE, variant=HOSTILE), store.runs.create(_record(trained))
    store.lifecycle.fail(failed.id, HOSTILE)
    store.runs.delete(deleted.id)
    with store.database.write() as session:  # no command makes such names, a foreign database may have them
        session.get(Run, trained.id).classes = [f"{HOSTILE} {number}" for number in range(10)]
        for run, name in ((trained, HOSTILE), (failed, f"failed {HOSTILE}"), (deleted, f"deleted {HOSTILE}")):
            session.get(Run, run.id).name = name
    return store


@pytest.fixture
def store(filled: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """That store, as the one that the pages open."""
    monkeypatch.setenv("GATESCOPE_DB", filled.url)
    return filled


def _record(run: Run) -> Any:
    from core.config import run_config

    return run_config(**run.config).record()


def opened(**parameters: Any) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=PATIENCE)
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


def test_explore_shows_what_an_address_says_as_text(store: Store) -> None:
    app = opened(run=f"gone {HOSTILE}", node=HOSTILE, lam=HOSTILE, force=f"{HOSTILE}:on", sample=HOSTILE, noise=HOSTILE)
    assert "javascript" in check(app), "the page says which run is not there"


def test_explore_shows_a_runs_name_its_classes_and_a_files_name_as_text(store: Store) -> None:
    app = opened(run=HOSTILE)
    assert "There are no samples" in check(app), "the samples are of other classes"
    app.file_uploader(key="upload").upload(f"{HOSTILE.replace('/', '_')}.png", b"no picture", "image/png").run()
    assert "not an image" in check(app).replace("\\", "")
    file = io.BytesIO()
    Image.new("L", (9, 9)).save(file, "PNG")
    app.file_uploader(key="upload").upload(f"{HOSTILE.replace('/', '_')}.png", file.getvalue(), "image/png").run()
    check(app)


@pytest.mark.parametrize("page", ["train", "sweep", "runs", "glossary"])
def test_the_other_pages_show_names_errors_and_addresses_as_text(store: Store, page: str) -> None:
    failed, trained = store.runs.get(f"failed {HOSTILE}"), store.runs.get(HOSTILE)
    app = opened()
    app.session_state["watched"] = failed.id
    app.switch_page(f"screens/{page}.py").run()
    app.query_params["show"] = HOSTILE
    app.query_params["runs"] = str(failed.id)
    found = check(app.run())
    assert page == "glossary" or "javascript" in found, "the error is shown"
    if page == "runs":
        app.query_params["runs"] = f"{failed.id},{trained.id}"
        check(app.run())
        app.query_params["runs"] = str(trained.id)
        check(app.run())
        app.button(key=f"delete-{trained.id}").click().run()
        check(app)
        store.runs.restore(trained.id)


def test_the_form_shows_what_a_person_writes_as_text(store: Store) -> None:
    app = opened().switch_page("screens/train.py").run()
    app.text_input(key="form-architectures-cascade-trunk").set_value(HOSTILE).run()
    assert "whole number" in check(app)
    app.text_input(key="form-architectures-cascade-trunk").set_value("8, 16").run()
    app.selectbox(key="form-datasets").select("folder").run()
    app.text_input(key="form-datasets-folder-path").set_value(f"/{HOSTILE}").run()
    check(app)


@pytest.mark.parametrize("text", [*HOSTILE.split(), HOSTILE, "www.h.test a@h.test a -- b", "# a\n\n- b\n1. c", "&lt;b&gt; &#58;", "a: NaN"])
def test_escaped_text_reads_as_itself(text: str) -> None:
    """Compared with a reader of Markdown of its own; icons, links and arrows, which Streamlit makes afterwards, are parted."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(plain(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {token.type for token in tokens[1].children} <= {"text", "text_special"}
    read = "".join(token.content for token in tokens[1].children)
    assert read.replace(WORD_JOINER, "") == " ".join(text.split())
    assert not re.search(r":(material/|//|streamlit:)|www\.|\w@|->|--", read)


def _charts(runs: Mapping[str, Run]) -> Iterator[Any]:
    rows = list(runs.values())
    figures = rows[0].figures["test"]
    yield front_chart(series_of(rows), rows, list(BASELINES))
    yield compared_chart(rows)
    yield compared_curves_chart({name: {"val accuracy": [(1, 0.5)]} for name in runs})
    yield routes_chart(figures)
    yield execution_rates_chart(figures)


def test_charts_show_names_of_runs_and_nodes_as_text(store: Store) -> None:
    run = store.runs.get(HOSTILE)
    for row in run.figures["test"]:
        row["execution_rates"] = {f"{HOSTILE} {node}": rate for node, rate in row["execution_rates"].items()}
        for route in row["routes"]:
            route["nodes"] = [f"{HOSTILE} {node}" for node in route["nodes"]]
    for chart in _charts({HOSTILE: run}):
        for trace in chart.data:
            shown = [trace.name, *_listed(trace.text), *_listed(trace.y), *_listed(trace.x)]
            assert not [text for text in shown if isinstance(text, str) and re.search("<(?!br>)", text)], trace
        assert any("&lt;img" in str(shown) for trace in chart.data for shown in (trace.name, *_listed(trace.y))), "a name is shown"


def _listed(values: Any) -> list[Any]:
    return [] if values is None or isinstance(values, str) else list(values)


def test_what_a_chart_reads_as_markup_is_escaped() -> None:
    assert in_chart("<a href='x'>&amp;</a>") == "&lt;a href='x'&gt;&amp;amp;&lt;/a&gt;"
