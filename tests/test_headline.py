"""Sentences about what happened to an image: right or wrong first, then what decided it, and what changes along λ."""

from dataclasses import dataclass, field, replace

import pytest

from app.headline import Circumstances, along_lam, claim, correct, doubt, headline
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
    probabilities: dict[str, float] = field(default_factory=lambda: {"face": 0.8, "cat": 0.2})

    @property
    def cost_share(self) -> float:
        return self.macs / self.macs_static


FULL = Trace("face", ["x", "stem", "Q", "more", "y"], {"Q": Decision("go on")}, 1010)


def parts(nodes: tuple[Node, ...], trace: Trace, reference: Trace, **seen: object) -> tuple[str, str, str]:
    return headline(nodes, trace, reference, Circumstances(**seen))


@pytest.mark.parametrize(("true_label", "words", "right"), [(None, "The answer is “face”.", None), ("face", "Right: “face”.", True)])
def test_right_or_wrong_comes_first(true_label: str | None, words: str, right: bool | None) -> None:
    assert (claim(FULL, true_label), correct(FULL, true_label)) == (words, right)
    assert (claim(FULL, "cat"), correct(FULL, "cat")) == ("Wrong: “face” instead of “cat”.", False)
    broken = replace(FULL, probabilities={"face": float("nan")})
    assert claim(broken, "face").startswith("No answer")
    assert correct(broken, "face") is False


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ((0.6, 0.3, 0.1), ""),
        ((0.5, 0.25, 0.25), ""),
        ((0.49, 0.1, 0.1), "below 50%"),
        ((0.55, 0.45, 0.0), "less than 2 times the next class"),
        ((1.0,), ""),
        ((float("nan"), 0.5), ""),
    ],
)
def test_an_answer_is_unsure_below_half_or_close_to_the_next(shares: tuple[float, ...], why: str) -> None:
    assert doubt(replace(FULL, probabilities=dict(zip(("face", "cat", "dog"), shares, strict=False)))) == why


def test_an_unsure_answer_is_called_unsure_and_a_picture_of_no_class_is_called_that() -> None:
    unsure = replace(FULL, probabilities={"face": 0.4, "cat": 0.3, "dog": 0.3})
    assert claim(unsure, None) == "Unsure: perhaps “face”."
    assert claim(unsure, "face") == "Right, but unsure: “face”."
    assert claim(unsure, "cat") == "Wrong, and unsure: “face” instead of “cat”."
    for trace in (FULL, unsure):
        assert claim(trace, None, "a cup of coffee") == "A cup of coffee is none of its classes: “face” cannot be right."


EARLY = Trace("face", ["x", "stem", "Q", "y"], {"Q": Decision("stop")}, 120)


@pytest.mark.parametrize(
    ("full", "true_label", "tail"),
    [
        ("face", None, ", and the full network gives the same answer."),
        ("face", "face", ", and the full network gives the same answer."),
        ("face", "cat", "; the full network gives the same wrong answer."),
        ("cat", None, "; the full network answers “cat”."),
        ("cat", "cat", "; the full network answers “cat”, which is right."),
        ("cat", "face", "; the full network answers “cat”, which is wrong."),
        ("cat", "dog", "; the full network answers “cat”, which is wrong too."),
    ],
)
def test_the_answer_is_compared_with_the_full_network_s(full: str, true_label: str | None, tail: str) -> None:
    words = "".join(parts(NODES, EARLY, replace(FULL, label=full), true_label=true_label))
    assert words == f"Q stopped here: 1 of 2 modules ran, with 12% of the static network’s computation{tail}"


def test_the_headline_of_the_full_network_and_of_a_network_without_gates() -> None:
    assert "".join(parts(NODES, FULL, FULL)) == (
        "All modules ran. With its controllers, the network used 101% of the static network’s computation."
    )
    plain = Trace("face", ["x", "stem", "y"], {}, 1000)
    assert (
        "".join(parts((NODES[0], NODES[1], NODES[4]), plain, plain))
        == "This network has no gates: its one module ran, with 100% of the static network’s computation, as for every image."
    )


def test_the_headline_of_a_network_with_channels_says_how_many_opened() -> None:
    control = Node("C", "control", (Edge("stem"),), options=("1", "2", "3", "4"), decides="each")
    block = Node("block", "regular", (Edge("stem"),), channels=ChannelGate("C", 0, 4))
    nodes, ran = (*NODES[:2], control, block, NODES[4]), ["x", "stem", "C", "block", "y"]
    full = Trace("face", ran, {"C": Decision(["1", "2", "3", "4"])}, 1000, gates={"block": [1.0, 0.5, 1.2, 0.1]})
    some = Trace("face", ran, {"C": Decision(["1", "3"])}, 600, gates={"block": [1.0, 0.0, 1.2, 0.0]})
    assert parts(nodes, full, full)[0] == "All modules ran. "
    words = "2 of 4 channels opened: 2 of 2 modules ran, with 60% of the static network’s computation"
    assert "".join(parts(nodes, some, full)) == f"{words}."  # it serves one λ: nothing to compare with
    assert "".join(parts(nodes, some, full, most_accurate=some)) == f"{words}."
    assert "".join(parts(nodes, some, full, most_accurate=replace(some, macs=700))) == f"{words}, and at λ = 1 it gives the same answer."
    assert "".join(parts(nodes, some, full, most_accurate=replace(some, label="cat"))) == f"{words}; at λ = 1 it answers “cat”."


def test_the_headline_where_an_option_or_several_were_opened() -> None:
    control = Node("G", "control", (Edge("stem"),), options=("a", "b", "c"), decides="each")
    blocks = tuple(Node(name, "regular", (Edge("stem"),), (Gate("G", column),)) for column, name in enumerate("abc"))
    nodes = (*NODES[:2], control, *blocks, NODES[4])
    full = Trace("face", ["x", "stem", "G", "a", "b", "c", "y"], {"G": Decision(["a", "b", "c"])}, 1000)
    for opened, words in (("ac", "Without b: "), ("a", "Without b and c: "), ("", "3 of 3 gated modules were skipped: ")):
        some = Trace("face", ["x", "stem", "G", *opened, "y"], {"G": Decision(list(opened))}, 700)
        assert parts(nodes, some, full)[0] == words
    low = (
        *NODES[:2],
        Node("Q", "control", (Edge("stem"),), options=("low", "high")),
        Node("l", "regular", (Edge("stem"),), (Gate("Q", 0),)),
    )
    assert parts(low, Trace("face", ["stem", "Q", "l"], {"Q": Decision("low")}, 500), FULL)[0] == "Q chose “low”: "


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

    assert parts(nodes, took("low", "low"), FULL)[0] == "P and Q chose “low”: "
    assert parts(nodes, took("high", "low"), FULL)[0] == "Q chose “low”: "
    assert parts(nodes, took("high", "low"), FULL, previous=took("low", "low"))[0] == "P now chooses “high”: "
    assert parts(nodes, took("high", "low"), FULL, forced={"low P": "off"})[0] == "With low P forced off: "
    assert parts(nodes, took("high", "low"), FULL, forced={"low P": "off", "high P": "on"})[0] == "With 2 modules forced: "


def test_the_headline_of_the_full_network_with_a_module_forced_names_it() -> None:
    assert "".join(parts(NODES, FULL, FULL, forced={"more": "on"})) == (
        "With more forced on: 2 of 2 modules ran, with 101% of the static network’s computation."
    )


@dataclass
class Sweep:
    traces: list[Trace]
    starts: list[int]
    thresholds: list[float] = field(default_factory=list)


def test_what_changes_along_lam_is_said_where_the_route_does_not() -> None:
    control = Node("C", "control", (Edge("stem"),), options=("1", "2"), decides="each")
    gated = (*NODES[:2], control, Node("block", "regular", (Edge("stem"),), channels=ChannelGate("C", 0, 2)), NODES[4])
    cheap, dear = replace(FULL, macs=270), replace(FULL, macs=980, label="cat")
    assert along_lam(gated, Sweep([cheap, dear], [0, 43]), False) == (
        "The same modules run at every λ. The channels change, and with them the cost, from 27% to 98%; "
        "the answer changes from “face” to “cat” at λ = 0.43"
    )
    assert along_lam(gated, Sweep([cheap, dear, cheap], [0, 43, 60]), False).endswith("; the answer changes 2 times")
    assert along_lam(gated, Sweep([cheap, replace(cheap, macs=300)], [0, 43]), False).endswith("; the answer stays the same")
    assert along_lam(NODES, Sweep([FULL], [0]), False) == "This image takes the same route at every λ"
    assert along_lam(NODES, Sweep([FULL], [0]), True).startswith("With the modules you forced")
    assert along_lam(NODES, Sweep([EARLY, FULL], [0, 43], [0.43]), False).startswith("Orange marks")
