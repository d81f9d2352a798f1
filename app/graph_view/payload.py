"""The plain data that the browser is sent about one image: the drawing of the graph and what happens at every λ.

The modules in `app/components/graph` read exactly these names. Loads without torch and without streamlit.
"""

from typing import Literal, TypedDict

from app.graph_view.drawing import Drawing
from app.graph_view.facts import NodeFacts

ForcedState = Literal["on", "off", "some"]


class Interval(TypedDict):
    """What happens between two neighbouring changes along λ.

    `claim` says what the network answered, `correct` whether that is right, none where it is not known, and `doubt` why the answer is
    unsure, empty where it is not. `headline` has three parts, of which the middle one is stressed. `executed` names the nodes in the
    order in which they ran. `strips` has a digit for each cell of a node's strip: 0 closed, 1 to 9 by how far it is open. `chosen` are
    the options that each controller opened, `scales` the factors of the modules' own gates. `probabilities` are triples of class, share
    and percentage. `cost` is the share of the static network's computation, `cost_share` the same in words. `time_range` gives the bounds
    of the middle half of the measured times. Times are empty until they have been measured.
    """

    claim: str
    correct: bool | None
    doubt: str
    headline: tuple[str, str, str]
    executed: list[str]
    strips: dict[str, str]
    chosen: dict[str, list[str]]
    scales: dict[str, str]
    label: str
    probabilities: list[tuple[str, float, str]]
    macs: str
    cost: float
    cost_share: str
    time: str
    time_range: str
    time_comparison: str


class StaticCost(TypedDict):
    """The static network's cost and time."""

    macs: str
    time: str


class ComparedInterval(TypedDict):
    """One interval of the image with nothing forced."""

    executed: list[str]
    label: str
    cost_share: str


class Comparison(TypedDict):
    """What a view with forced modules is compared with: the same image with nothing forced."""

    title: str
    starts: list[int]
    intervals: list[ComparedInterval]


class PossibleRoute(TypedDict):
    """A route of the image that can be forced: the λ from which the image takes it, and its cost."""

    lam: str
    cost_share: str


class Forcing(TypedDict):
    """What a person can force, and has.

    `note` names the forced modules, empty if there are none; `problem` says why some were set back. `nodes` are the modules that can be
    forced, `options` the controllers whose choice can be forced, with the option that is. `routes_note` says what forcing a route does, or
    why there is none to force.
    """

    note: str
    problem: str
    nodes: list[str]
    options: dict[str, str | None]
    routes: list[PossibleRoute]
    routes_note: str


class Picture(TypedDict):
    """A picture as a data URL, and what it shows."""

    url: str
    caption: str


class Attribution(TypedDict):
    """The pixels in favour of an option of a controller, by one of the `methods`, which are pairs of name and title.

    `limit` is the value at either end of the scale of colours, in the `unit`; `meaning` says what the values mean.
    """

    picture: Picture
    limit: str
    unit: str
    meaning: list[str]
    option: str
    method: str
    methods: list[tuple[str, str]]


class LayerRow(TypedDict):
    """One layer of a module, in words: its name, what it is, the shape of its output and its number of parameters."""

    layer: str
    what: str
    output: str
    parameters: str


class ModuleBlock(TypedDict):
    """Layers that belong together, with the figures of their block; `name` is empty where a module is its only block."""

    name: str
    summary: str
    cost_share: float
    layers: list[LayerRow]


class WeightHistogram(TypedDict):
    """How many weights lie in each interval of equal width between −limit and limit, and a sentence on them."""

    limit: str
    counts: list[int]
    caption: str


class InsideModule(TypedDict):
    """What is inside a module: its blocks, and the histogram of its weights, none where it has no weights."""

    title: str
    blocks: list[ModuleBlock]
    weights: WeightHistogram | None


class NodeGates(TypedDict):
    """Where a node's own gate and the gates of its channels stand among its controller's scores; no `block` where it has no gate.

    `grouped`: whether each of the latter gates a group of channels.
    """

    control: str
    block: int | None
    first: int
    channels: int
    grouped: bool


class Inspection(TypedDict):
    """What the server computed of a node at a λ: a picture of its output or its values by name, pixels in favour, or why there is none.

    `inside` is what the node's module holds, none for the input.
    """

    node: str
    lam: str
    note: str
    output: Picture | None
    values: list[tuple[str, float]]
    attribution: Attribution | None
    inside: InsideModule | None


class Seen(TypedDict):
    """One image in one network: what its graph shows at every λ.

    name, description   the run, and what the image shows
    picture             the image as the network sees it, as a data URL
    held                the step of the slider at which this network is held; none where it follows the slider
    last_step           the last position of the slider, which stands for λ = 1
    has_slider          whether the network serves every λ
    lam                 the only λ of a network that has no slider
    forced              the nodes forced "on" or "off"; "some" for a folded node whose blocks differ
    starts              the step of the slider at which each of the `intervals` begins
    scored              the step of the slider at which each row of `scores` begins
    scores              each controller's scores, row by row, none where it did not run
    """

    name: str
    description: str
    picture: str
    held: int | None
    drawing: Drawing
    last_step: int
    has_slider: bool
    lam: float | None
    forced: dict[str, ForcedState]
    starts: list[int]
    intervals: list[Interval]
    scored: list[int]
    scores: dict[str, list[list[float] | None]]


class ComparedView(Seen):
    """A network beside the one that is explored."""

    id: int


class View(Seen):
    """Everything that the component draws.

    compared      the networks beside this one
    live          whether a server answers: false in a saved page
    expanded      groups of repeated nodes that are expanded, each by its first member
    selected      the node whose details are open
    link          the query that reopens the view; none where the image is private
    start_lam     the λ at which the slider begins; none: where it stood
    visit         how often an address was arrived at: `start_lam` and `selected` hold once for each
    gated         whether the network has gates
    along         what changes along λ, in words, or how many values of λ are known so far
    computed      the steps that are known so far; none once all are
    pending       what the browser sends back to have the next values of λ or the times computed; none once all is known
    thresholds    the λ at which the image's route changes
    static        the static network's figures; none for a network without gates, which is its own static network
    inspection    what the server computed of the selected node; none until it has
    gates         where the gates of each node are, for gates that open independently
    terms         the explanations of terms by name
    """

    compared: list[ComparedView]
    live: bool
    expanded: list[str]
    selected: str | None
    link: str | None
    start_lam: float | None
    visit: int
    gated: bool
    along: str
    computed: list[int] | None
    pending: str | None
    thresholds: list[float]
    gates: dict[str, NodeGates]
    facts: dict[str, NodeFacts]
    static: StaticCost | None
    timing_note: str
    forcing: Forcing
    inspection: Inspection | None
    comparison: Comparison | None
    terms: dict[str, str]
