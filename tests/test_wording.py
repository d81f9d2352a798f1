"""Words and figures about what happened to an image."""

from dataclasses import dataclass, field, replace

import pytest

from app.wording import clock, counted, headline, percent, scaled, time_comparison, timing_note
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

    @property
    def cost_share(self) -> float:
        return self.macs / self.macs_static


FULL = Trace("face", ["x", "stem", "Q", "more", "y"], {"Q": Decision("go on")}, 1010)


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
    assert "".join(headline(NODES, early, FULL)) == (
        "Q stopped here: 1 of 2 modules ran, with 12% of the static network’s computation, and gave the same answer as the full network."
    )
    other = Trace("cat", ["x", "stem", "Q", "y"], {"Q": Decision("stop")}, 120)
    assert headline(NODES, other, FULL)[2] == "; the full network answers “face”."


def test_the_headline_of_the_full_network_and_of_a_network_without_gates() -> None:
    assert "".join(headline(NODES, FULL, FULL)) == (
        "All modules ran. With its controllers, the network used 101% of the static network’s computation."
    )
    plain = Trace("face", ["x", "stem", "y"], {}, 1000)
    assert (
        "".join(headline((NODES[0], NODES[1], NODES[4]), plain, plain))
        == "This network has no gates: its one module ran, with 100% of the static network’s computation, as for every image."
    )


def test_the_headline_of_a_network_with_channels_says_how_many_opened() -> None:
    control = Node("C", "control", (Edge("stem"),), options=("1", "2", "3", "4"), decides="each")
    block = Node("block", "regular", (Edge("stem"),), channels=ChannelGate("C", 0, 4))
    nodes, ran = (*NODES[:2], control, block, NODES[4]), ["x", "stem", "C", "block", "y"]
    full = Trace("face", ran, {"C": Decision(["1", "2", "3", "4"])}, 1000, gates={"block": [1.0, 0.5, 1.2, 0.1]})
    some = Trace("face", ran, {"C": Decision(["1", "3"])}, 600, gates={"block": [1.0, 0.0, 1.2, 0.0]})
    assert headline(nodes, full, full)[0] == "All modules ran. "
    words = "2 of 4 channels opened: 2 of 2 modules ran, with 60% of the static network’s computation"
    assert "".join(headline(nodes, some, full)) == f"{words}."  # it serves one λ: nothing to compare with
    assert "".join(headline(nodes, some, full, most_accurate=some)) == f"{words}."
    assert "".join(headline(nodes, some, full, most_accurate=replace(some, macs=700))) == f"{words}, and gave the same answer as at λ = 1."
    assert "".join(headline(nodes, some, full, most_accurate=replace(some, label="cat"))) == f"{words}; at λ = 1 the answer is “cat”."


def test_the_headline_where_an_option_or_several_were_opened() -> None:
    control = Node("G", "control", (Edge("stem"),), options=("a", "b", "c"), decides="each")
    several = Trace("face", ["x", "stem", "G", "y"], {"G": Decision(["a", "c"])}, 700)
    assert headline((*NODES[:2], control, NODES[4]), several, FULL)[0] == "G opened 2 of 3: "
    low = (
        *NODES[:2],
        Node("Q", "control", (Edge("stem"),), options=("low", "high")),
        Node("l", "regular", (Edge("stem"),), (Gate("Q", 0),)),
    )
    assert headline(low, Trace("face", ["stem", "Q", "l"], {"Q": Decision("low")}, 500), FULL)[0] == "Q chose “low”: "


def test_the_headline_names_the_controller_that_chose_otherwise_than_at_smaller_lam_and_what_is_forced() -> None:
    first, second = (Node(name, "control", (Edge("stem"),), options=("low", "high")) for name in ("P", "Q"))
    modules = [
        Node(f"{way} {name}", "regular", (Edge("stem"),), (Gate(name, column),))
        for name in ("P", "Q")
        for column, way in enumerate(("low", "high"))
    ]
    nodes = (*NODES[:2], first, second, *modules)

    def took(p: str, q: str) -> Trace:
        return Trace("face", ["stem", "P", f"{p} P", "Q", f"{q} Q"], {"P": Decision(p), "Q": Decision(q)}, 500)

    assert headline(nodes, took("low", "low"), FULL)[0] == "P and Q chose “low”: "
    assert headline(nodes, took("high", "low"), FULL)[0] == "Q chose “low”: "
    assert headline(nodes, took("high", "low"), FULL, previous=took("low", "low"))[0] == "P now chooses “high”: "
    assert headline(nodes, took("high", "low"), FULL, forced={"low P": "off"})[0] == "With low P forced off: "
    assert headline(nodes, took("high", "low"), FULL, forced={"low P": "off", "high P": "on"})[0] == "With 2 modules forced: "


def test_the_headline_of_the_full_network_with_a_module_forced_names_it() -> None:
    assert "".join(headline(NODES, FULL, FULL, forced={"more": "on"})) == (
        "With more forced on: 2 of 2 modules ran, with 101% of the static network’s computation."
    )


def test_times_are_compared_with_the_static_network() -> None:
    assert [clock(seconds) for seconds in (0.00048, 0.00101, 0.0123, 1.24)] == ["0.48 ms", "1.0 ms", "12 ms", "1.2 s"]
    assert time_comparison(0.6, 1.0) == "40% less time than the static network"
    assert time_comparison(1.3, 1.0) == "30% more time than the static network: the gates cost more than they save"
    assert time_comparison(1.01, 1.0) == "the same time as the static network"
    assert timing_note([0.2]) == timing_note([0.1, 0.2]) == ""
    assert timing_note([0.1, 0.1, 0.2, 0.2]) == "Measured at 2 values of λ; in between, the time at the nearest of them is shown."


@pytest.mark.parametrize(("scale", "text"), [(0.829, "×0.83"), (1, "×1.00"), (12.3, "×12.30"), (0.005, "×0.01"), (0.004, "under ×0.01")])
def test_scales(scale: float, text: str) -> None:
    assert scaled(scale) == text
