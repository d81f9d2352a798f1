"""Charts, and what is said in words and figures beside them."""

from dataclasses import dataclass, field, replace

import pytest

from app.charts.theme import curve_chart, grouped, trade_off_chart
from app.wording import clock, counted, headline, measured, percent, scaled, sooner
from core.graph.node import ChannelGate, Edge, Gate, Node

NODES = (
    Node("x", "input"),
    Node("stem", "regular", (Edge("x"),)),
    Node("Q", "control", (Edge("stem"),), options=("stop", "go on")),
    Node("more", "regular", (Edge("stem"),), (Gate("Q", 1),)),
    Node("y", "output", (Edge("stem"),)),
)


@dataclass
class Decision:
    chosen: str | list[str] | None


@dataclass
class Trace:
    label: str
    executed: list[str]
    controls: dict[str, Decision]
    macs: int
    macs_static: int = 1000
    gates: dict[str, float | list[float]] = field(default_factory=dict)


FULL = Trace("face", ["x", "stem", "Q", "more", "y"], {"Q": Decision("go on")}, 1010)


def test_a_curve_is_split_by_what_it_measures() -> None:
    curve = {
        "train task loss": [(1, 2.0)],
        "train epsilon": [(1, 0.5)],
        "val accuracy at λ=0.5": [(1, 0.9)],
        "val cost share at λ=0.5": [(1, 0.4)],
    }
    groups = grouped(curve)
    assert [list(lines) for lines in groups.values()] == [["λ=0.5"], ["λ=0.5"], ["task"]]
    assert grouped({}) == {}


def test_the_lines_of_a_chart_hold_the_points() -> None:
    figure = curve_chart("Accuracy", {"a": [(1, 0.5), (2, 0.75)], "b": [(1, 0.25)]}, 5, shares=True)
    assert list(figure.data[0].x) == [1, 2]
    assert list(figure.data[0].y) == [0.5, 0.75]
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert tuple(figure.layout.xaxis.range) == (0, 5)


def test_the_trade_off_shows_work_as_a_share() -> None:
    rows = [{"lam": lam, "accuracy": 0.9, "macs_mean": 500.0 * lam, "macs_static": 1000} for lam in (0.0, 0.5, 1.0)]
    accuracy, work = trade_off_chart(rows).data
    assert list(work.y) == [0.0, 0.25, 0.5]
    assert list(accuracy.x) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("macs", "text"),
    [
        (0, "0"),
        (940, "940"),
        (999.6, "1.00 k"),
        (12_168, "12.2 k"),
        (99_960, "100 k"),
        (999_600, "1.00 M"),
        (21_500_000, "21.5 M"),
        (1.24e9, "1.24 G"),
    ],
)
def test_multiply_adds_have_three_figures(macs: float, text: str) -> None:
    assert counted(macs) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.0001, "under 0.1%"), (0.07, "7.0%"), (0.0997, "10%"), (1.017, "102%")])
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_headline_says_who_stopped_and_what_it_saved() -> None:
    early = Trace("face", ["x", "stem", "Q", "y"], {"Q": Decision("stop")}, 120)
    assert "".join(headline(NODES, early, FULL)) == "Q stopped here: 1 of 2 modules ran, 12% of the work, same answer as the full network."
    other = Trace("cat", ["x", "stem", "Q", "y"], {"Q": Decision("stop")}, 120)
    assert headline(NODES, other, FULL)[2] == ", but the full network answers “face”."


def test_the_headline_of_the_full_way_and_of_a_network_without_gates() -> None:
    assert headline(NODES, FULL, FULL)[0] == "Nothing was skipped: "
    plain = Trace("face", ["x", "stem", "y"], {}, 1000)
    assert (
        "".join(headline((NODES[0], NODES[1], NODES[4]), plain, plain))
        == "No gates here: its one module ran, 100% of the work, as for every image."
    )


def test_the_headline_of_a_network_with_channels_says_how_many_opened() -> None:
    control = Node("C", "control", (Edge("stem"),), options=("1", "2", "3", "4"), decides="each")
    block = Node("block", "regular", (Edge("stem"),), channels=ChannelGate("C", 0, 4))
    nodes, ran = (*NODES[:2], control, block, NODES[4]), ["x", "stem", "C", "block", "y"]
    full = Trace("face", ran, {"C": Decision(["1", "2", "3", "4"])}, 1000, gates={"block": [1.0, 0.5, 1.2, 0.1]})
    some = Trace("face", ran, {"C": Decision(["1", "3"])}, 600, gates={"block": [1.0, 0.0, 1.2, 0.0]})
    assert headline(nodes, full, full)[0] == "Nothing was skipped: "
    told = "2 of 4 channels opened: 2 of 2 modules ran, 60% of the work"
    assert "".join(headline(nodes, some, full)) == f"{told}."  # it serves one λ: nothing to compare with
    assert "".join(headline(nodes, some, full, most=some)) == f"{told}."
    assert "".join(headline(nodes, some, full, most=replace(some, macs=700))) == f"{told}, same answer as at λ = 1."
    assert "".join(headline(nodes, some, full, most=replace(some, label="cat"))) == f"{told}, but at λ = 1 it answers “cat”."


def test_the_headline_where_an_option_or_several_were_opened() -> None:
    control = Node("G", "control", (Edge("stem"),), options=("a", "b", "c"), decides="each")
    several = Trace("face", ["x", "stem", "G", "y"], {"G": Decision(["a", "c"])}, 700)
    assert headline((*NODES[:2], control, NODES[4]), several, FULL)[0] == "G opened 2 of 3: "
    low = (
        *NODES[:2],
        Node("Q", "control", (Edge("stem"),), options=("low", "high")),
        Node("l", "regular", (Edge("stem"),), (Gate("Q", 0),)),
    )
    assert headline(low, Trace("face", ["stem", "Q", "l"], {"Q": Decision("low")}, 500), FULL)[0] == "Q took “low”: "


def test_the_headline_names_who_decided_otherwise_than_at_smaller_lam_and_what_is_held() -> None:
    first, second = (Node(name, "control", (Edge("stem"),), options=("low", "high")) for name in ("P", "Q"))
    modules = [
        Node(f"{way} {name}", "regular", (Edge("stem"),), (Gate(name, column),))
        for name in ("P", "Q")
        for column, way in enumerate(("low", "high"))
    ]
    nodes = (*NODES[:2], first, second, *modules)

    def took(p: str, q: str) -> Trace:
        return Trace("face", ["stem", "P", f"{p} P", "Q", f"{q} Q"], {"P": Decision(p), "Q": Decision(q)}, 500)

    assert headline(nodes, took("low", "low"), FULL)[0] == "P and Q took “low”: "
    assert headline(nodes, took("high", "low"), FULL)[0] == "Q took “low”: "
    assert headline(nodes, took("high", "low"), FULL, before=took("low", "low"))[0] == "P now takes “high”: "
    assert headline(nodes, took("high", "low"), FULL, held={"low P": "off"})[0] == "With low P held off: "
    assert headline(nodes, took("high", "low"), FULL, held={"low P": "off", "high P": "on"})[0] == "With 2 nodes held: "


def test_times_are_told_for_better_or_worse() -> None:
    assert [clock(seconds) for seconds in (0.00048, 0.00101, 0.0123, 1.24)] == ["0.48 ms", "1.0 ms", "12 ms", "1.2 s"]
    assert sooner(0.6, 1.0) == "40% less time than the static network"
    assert sooner(1.3, 1.0) == "30% more time: gates cost more than they save"
    assert sooner(1.01, 1.0) == "as long as the static network"
    assert measured([0.2]) == measured([0.1, 0.2]) == ""
    assert measured([0.1, 0.1, 0.2, 0.2]) == "Measured at 2 values of λ; elsewhere the nearest one’s time."


@pytest.mark.parametrize(("scale", "text"), [(0.829, "×0.83"), (1, "×1.00"), (12.3, "×12.30"), (0.005, "×0.01"), (0.004, "under ×0.01")])
def test_scales(scale: float, text: str) -> None:
    assert scaled(scale) == text
