"""The page that computes of a network in Explore: its program, and what the program's outputs mean."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.graph_view.computing_page import MAX_PAGE_BYTES, TOO_LARGE, PageTooLargeError, computing_page, recipe
from app.graph_view.facts import facts
from app.graph_view.payload import View
from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.model import Model
    from core.explain.predict import LamSweep
    from core.program.precision import WeightsForm
    from core.store import Run

ROOM = 6_700_000  # bytes of a page without its network's weights
BYTES_PER_WEIGHT: "dict[WeightsForm, float]" = {"float32": 5.0, "float16": 2.47}  # of a page, compressed and in base 64


def weights_form(model: "Model") -> "WeightsForm | None":
    """Return the precision of the weights with which a page holds a network: the best that fits, None if none does."""
    count = sum(one.numel() for one in model.graph.parameters())
    return next((form for form, size in BYTES_PER_WEIGHT.items() if ROOM + size * count <= MAX_PAGE_BYTES), None)


def offline_page(
    run: "Run",
    model: "Model",
    view: View,
    shown: Sequence[Node],
    sweep: "LamSweep",
    parameters: dict[str, int],
    description: str,
    image_url: str,
) -> str:
    """Return the page of a view that answers other pictures too. Raises UserError where the network cannot be written as a program."""
    from core.program.file import program

    graph, form = model.graph, weights_form(model)
    if form is None:
        raise PageTooLargeError(TOO_LARGE)
    names: Collection[str] = {node.name for node in shown}
    unknown = replace(sweep, computed=())  # the page says itself what holds for a picture
    known = facts(graph.nodes, names, graph.shapes, parameters, graph.macs, run.figures.get("val", []), unknown, {}, unknown)
    meaning = recipe(graph.nodes, shown, model.classes, model.image, sweep.reference, known, every_lam=graph.tradeoff.every_lam)
    return computing_page(run.name, description, view, image_url, meaning, program(model, form).SerializeToString())
