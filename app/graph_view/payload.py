"""The plain data that the browser is sent about one image: the drawing of the graph and what happens at every λ.

The modules in `app/components/graph` read exactly these names. Loads without torch and without streamlit.
"""

from typing import Literal, TypedDict

from app.graph_view.drawing import Drawing
from app.graph_view.facts import NodeFacts

ForcedState = Literal["on", "off", "some"]


class Interval(TypedDict):
    """What happens between two neighbouring changes along λ.

    `headline` has three parts, of which the middle one is stressed. `executed` names the nodes in the order in which they ran. `strips`
    has a digit for each cell of a node's strip: 0 closed, 1 to 9 by how far it is open. `chosen` are the options that each controller
    opened, `scales` the factors of the modules' own gates. `probabilities` are triples of class, share and percentage. `bar` is the length
    of the cost bar, from 0 to 1.
    """

    headline: tuple[str, str, str]
    executed: list[str]
    strips: dict[str, str]
    chosen: dict[str, list[str]]
    scales: dict[str, str]
    label: str
    probabilities: list[tuple[str, float, str]]
    macs: str
    bar: float
    cost_share: str
    time: str
    time_comparison: str


class StaticCost(TypedDict):
    """The static network's cost, the length of its bar from 0 to 1, and its time."""

    macs: str
    bar: float
    time: str


class ComparedInterval(TypedDict):
    """One interval of what a view is compared with; `executed` is none where the networks have different nodes."""

    executed: list[str] | None
    label: str
    cost_share: str


class Comparison(TypedDict):
    """What a view is compared with: the same image with nothing forced, or a pinned view."""

    title: str
    starts: list[int]
    intervals: list[ComparedInterval]


class View(TypedDict):
    """Everything that the component draws.

    live          whether a server answers: false in a pinned view and in a saved page
    pinned        whether this view stands still while another is explored
    side_by_side  whether a second view stands beside this one
    expanded      groups of repeated nodes that are expanded, each by its first member
    selected      the node whose details are open
    link          the query that reopens the view; none where the image is private
    start_lam     the λ at which the slider begins; none: where it stood
    last_step     the last position of the slider, which stands for λ = 1
    has_slider    whether the network serves every λ
    lam           the only λ of a network that has no slider
    gated         whether the network has gates
    forced        the nodes forced "on" or "off"; "some" for a folded node whose blocks differ
    starts        the step of the slider at which each of the `intervals` begins
    thresholds    the λ at which the image's route changes
    scores        each controller's scores at every step, none where it did not run
    """

    drawing: Drawing
    live: bool
    pinned: bool
    side_by_side: bool
    expanded: list[str]
    selected: str | None
    link: str | None
    start_lam: float | None
    last_step: int
    has_slider: bool
    lam: float | None
    gated: bool
    forced: dict[str, ForcedState]
    true_label: str | None
    starts: list[int]
    intervals: list[Interval]
    thresholds: list[float]
    scores: dict[str, list[list[float] | None]]
    facts: dict[str, NodeFacts]
    static: StaticCost
    timing_note: str
    comparison: Comparison | None
