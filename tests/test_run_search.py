"""Search, groups and the best networks of the Runs page, on runs in memory."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.runs.best import best_per_dataset
from app.runs.entries import Entries, Entry, differing_settings, known_settings
from app.runs.search import SearchError, number, read
from app.runs.table import DEFAULT_COLUMNS, METRIC, column_title, group_table, grouped_by, table
from core.config import run_config
from core.store import Run


def row(lam: float | None, accuracy: float, macs: float) -> dict[str, Any]:
    return {"lam": lam, "n": 100, "accuracy": accuracy, "f1": accuracy, "macs_mean": macs, "macs_static": 1000}


def run(number: int, name: str, rows: list[dict[str, Any]], **columns: Any) -> Run:
    choice = {"architecture": "cascade", "dataset": "digits", "method": "d2nn"} | columns.pop("choice", {})
    config = dict(run_config(**choice).record())
    status = "finished" if rows else "failed"
    figures = {"val": rows, "test": rows} if rows else {}
    created = datetime(2026, 5, number, tzinfo=UTC)
    known = {"id": number, "name": name, "status": status, "epoch": 3.0, "figures": figures, "created": created, "tags": [], "notes": ""}
    return Run(**config | known | {"seconds": 0.0, "deleted": None, "machine": None, "sweep": None, "variant": None} | columns)


@pytest.fixture
def entries() -> list[Entry]:
    several = {"choice": {"training": {"seed": 1, "learning_rate": 0.01}}, "sweep": "wide", "tags": ["paper"], "seconds": 90.0}
    return [
        Entry(run(1, "wide/every/0", [row(0.0, 0.7, 300), row(1.0, 0.9, 900)], tags=["starred", "paper"], sweep="wide", notes="too slow")),
        Entry(run(2, "wide/every/1", [row(0.0, 0.8, 500), row(1.0, 0.94, 1100)], **several)),
        Entry(run(3, "plain net", [row(None, 0.85, 2e6)], choice={"architecture": "plain", "dataset": "faces", "method": "static"})),
        Entry(run(4, "broken", [])),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [1, 2, 3, 4]),
        ("wide", [1, 2]),
        ("WIDE slow", [1]),
        ('"plain net"', [3]),
        ("cascade", [1, 2, 4]),
        ("cascade with early", [1, 2, 4]),
        ("state:failed", [4]),
        ("-state:failed", [1, 2, 3]),
        ("tag:paper", [1, 2]),
        ("starred:yes", [1]),
        ("-starred:yes wide", [2]),
        ("accuracy>90%", [2]),
        ("accuracy>=0.9", [1, 2]),
        ("macs<0.5M", [1, 2]),
        ("macs>1.5M", [3]),
        ("seed=1", [2]),
        ("seconds>1min", [2]),
        ("learning_rate=0.01", [2]),
        ("training.learning_rate<0.01", [1, 3, 4]),
        ("created>2026-05-02", [3, 4]),
        ("created=2026-05", [1, 2, 3, 4]),
        ("dataset:faces", [3]),
        ("lam=every", [1, 2, 4]),
        ("/wide.*[01]$/", [1, 2]),
        ("-/wide/ cascade", [4]),
        ("http://x", []),
    ],
)
def test_a_search_finds_runs(entries: list[Entry], text: str, found: list[int]) -> None:
    search = read(text, known_settings(entries))
    assert [entry.run.id for entry in search.found(entries, 1.0)] == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gone:1", "There is no field “gone”"),
        ("accuracy>high", "needs a number behind >"),
        ("/wide(/", "is not a regular expression"),
        (f"/{'a' * 101}/", "at most 100 characters"),
    ],
)
def test_a_search_that_cannot_be_understood_says_what_to_write(entries: list[Entry], text: str, told: str) -> None:
    with pytest.raises(SearchError, match=told):
        read(text, known_settings(entries))


def test_numbers_are_read_as_people_write_them() -> None:
    texts = ("20M", "1.5 k", "90%", "2h", "3min", ".5", "-1e-3")
    assert [number(text) for text in texts] == [20e6, 1500.0, pytest.approx(0.9), 7200.0, 180.0, 0.5, -1e-3]
    assert [number(text) for text in ("", "M", "20 parsecs", "1.2.3")] == [None] * 4


def test_a_table_has_the_chosen_columns(entries: list[Entry]) -> None:
    columns = ["starred", "name", "training.learning_rate", f"{METRIC}train loss"]
    rows = table(entries, columns, 1.0, {"train loss": {2: 0.25}})
    assert list(rows.columns) == columns
    assert list(rows["starred"]) == ["★", "", "", ""]
    assert list(rows["training.learning_rate"]) == [0.002, 0.01, 0.002, 0.002]
    assert rows[f"{METRIC}train loss"][1] == 0.25
    assert [column_title(name, Entries().settings(entries).labels) for name in columns] == [
        "★",
        "Name",
        "Training: learning rate",
        "Last train loss",
    ]
    assert list(table([], DEFAULT_COLUMNS, 0.5).columns) == list(DEFAULT_COLUMNS)
    assert differing_settings(entries[:2]) == ["training.learning_rate"], "the seed has a column of its own"


def test_runs_that_differ_in_the_seed_alone_are_a_group() -> None:
    runs = [
        Entry(run(1 + seed, f"s/{seed}", [row(0.5, 0.8 + 0.1 * seed, 500)], choice={"training": {"seed": seed}}, sweep="s"))
        for seed in (0, 1)
    ]
    other = Entry(run(3, "other", [], choice={"training": {"epochs": 3}}))
    groups = grouped_by([*runs, other], "seed")
    assert [(group.label, len(group.entries)) for group in groups] == [("s", 2), ("other", 1)]
    rows = group_table(groups, 0.5)
    assert rows["accuracy"][0] == pytest.approx(0.85)
    assert rows["accuracy ±"][0] == pytest.approx(0.1 / 2**0.5)
    assert rows["best"][0] == "s/1"
    assert rows["accuracy"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("digits-small-s0", "digits-small-s4"), "digits-small"),
        (("wide/every/1", "wide/every/12"), "wide/every"),
        (("net seed 1", "net seed 2"), "net"),
        (("only/3",), "only/3"),
        (("first", "second"), "2 runs of "),
    ],
)
def test_a_group_of_seeds_has_the_name_that_its_runs_share(names: tuple[str, ...], label: str) -> None:
    runs = [Entry(run(1 + seed, name, [], choice={"training": {"seed": seed}})) for seed, name in enumerate(names)]
    assert [
        group.label.removesuffix(", ".join(runs[0].titles[part] for part in ("architecture", "method", "dataset")))
        for group in grouped_by(runs, "seed")
    ] == [label]


def test_groups_of_seeds_with_the_same_beginning_have_different_names() -> None:
    runs = [Entry(run(1 + n, f"net-{n}", [], choice={"training": {"seed": n, "epochs": 1 + n // 2}})) for n in range(4)]
    assert [group.label for group in grouped_by(runs, "seed")] == ["net (net-0 …)", "net (net-2 …)"]


def test_a_run_with_several_tags_is_in_several_groups(entries: list[Entry]) -> None:
    groups = grouped_by(entries, "tags")
    assert {group.label: [entry.run.id for entry in group.entries] for group in groups} == {"starred": [1], "paper": [1, 2], "–": [3, 4]}


def test_the_best_network_keeps_to_the_cost_and_is_chosen_on_validation_images(entries: list[Entry]) -> None:
    best = {one.dataset: (one.entry.run.id, one.row["macs_mean"]) for one in best_per_dataset(entries, None)}
    assert best == {entries[0].titles["dataset"]: (2, 1100), entries[2].titles["dataset"]: (3, 2e6)}
    assert [(one.entry.run.id, one.row["macs_mean"]) for one in best_per_dataset(entries, 1000)] == [(1, 900)]
    assert best_per_dataset(entries, 100) == []
    tempting = run(5, "tempting", [row(0.5, 0.1, 100)])
    tempting.figures = tempting.figures | {"test": [row(0.5, 1.0, 100)]}
    assert best_per_dataset([entries[0], Entry(tempting)], None)[0].entry is entries[0], "test images choose nothing"


def test_an_entry_is_made_once_for_each_state_of_a_run() -> None:
    kept, one = Entries(), run(1, "one", [])
    first = kept.of([one])[0]
    assert kept.of([one])[0] is first
    assert kept.of([run(1, "renamed", [])])[0].run.name == "renamed"
