"""Commands that only look: at the list of runs, and at a network's graph."""

from typing import Annotated, Any

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Settings, console, millions, opened, print_json, refuse_unused, settings
from core.graph.notation import dot_source
from core.registry import names


def runs(db: Database = None, as_json: AsJson = False) -> None:
    """List the runs, newest first."""
    found = opened(db).runs.all()
    if as_json:
        keys = ("id", "name", "architecture", "dataset", "method", "lam", "seed", "epoch", "epochs", "error", "tags", "notes", "figures")
        print_json([{key: getattr(run, key) for key in keys} | {"state": run.state, "created": run.created.isoformat()} for run in found])
        return
    table = Table("id", "name", "state", "architecture", "dataset", "method", "λ", "epoch", "test accuracy", "at the λ best on val")
    if any(run.figures.get("collapsed") for run in found):
        table.add_column("same for all images")
    for run in found:
        lam = "–" if not run.gated else "every" if run.lam is None else f"{run.lam:g}"
        best = _best_by_validation(run.figures)
        shown = ("–", "–") if best is None else (f"{best['accuracy']:.4f}", "–" if best["lam"] is None else f"{best['lam']:g}")
        epoch = f"{run.epoch:g}/{run.epochs}"
        idle = ", ".join(control["control"] for control in run.figures.get("collapsed", []))
        table.add_row(str(run.id), run.name, run.state, run.architecture, run.dataset, run.method, lam, epoch, *shown, idle)
    if found:
        console().print(table)
    else:
        print("no runs yet: `python -m core train cascade --dataset digits` makes one")


def _best_by_validation(figures: dict[str, Any]) -> dict[str, Any] | None:
    """The test figures at the λ of the best validation accuracy: the test part chooses nothing."""
    if not figures.get("val") or not figures.get("test"):
        return None
    chosen = max(range(len(figures["val"])), key=lambda row: figures["val"][row]["accuracy"])
    best: dict[str, Any] = figures["test"][chosen]
    return best


def describe(
    what: Annotated[str, typer.Argument(metavar="RUN|ARCHITECTURE", help="A run, or an architecture to be built for a dataset.")],
    dataset: Annotated[str, typer.Option(help="For an architecture: whose images.")] = "digits",
    sets: Settings = None,
    dot: Annotated[bool, typer.Option("--dot", help="Print Graphviz source instead.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """The graph: its nodes, edges and costs."""
    from core.explain.model import load_model
    from core.graph.description import describe as tell
    from core.registry import choose

    if what in names("architectures"):
        parts = settings(sets, architecture=what, dataset=dataset)
        refuse_unused(what, parts["method"] | parts["training"])
        architecture: Any = choose("architectures", parts["architecture"])
        source: Any = choose("datasets", parts["dataset"])
        image, classes = source.outline()
        graph = architecture.build(image, len(classes), every_lam=True)
    else:
        refuse_unused(what, sets)
        graph = load_model(opened(db), what).graph
    if dot:
        print(dot_source(graph.nodes))
        return
    told = tell(graph)
    if as_json:
        print_json(told)
        return
    table = Table("node", "kind", "reads", "opened by", "shape", "parameters", "multiply-adds")
    for node in told["nodes"]:
        reads = [e["source"] + (f" (default {e['default']:g})" if e["default"] is not None else "") for e in _into(told, node, "data")]
        opened_by = [f"{edge['source']}: {edge['option']}" for edge in _into(told, node, "control")]
        shape = "×".join(map(str, node["shape"]))
        table.add_row(
            node["name"], node["kind"], ", ".join(reads), ", ".join(opened_by), shape, f"{node['parameters']:,}", f"{node['macs']:,}"
        )
    console().print(table)
    total, static = millions(told["macs_full"]), millions(told["macs_static"])
    print(f"all nodes {total}, static network {static} multiply-adds; controllers {told['controllers_share']:.2%} of the static network")
    if told["every_lam"] and any(control.decides == "one" for control in graph.controls):
        print(f"exchange rate κ {told['exchange_rate']:.3g}: the static network's whole cost is worth so much accuracy")
    print(f"not counted: {', '.join(told['not_counted'])}")


def _into(told: dict[str, Any], node: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [edge for edge in told["edges"] if edge["target"] == node["name"] and edge["kind"] == kind]
