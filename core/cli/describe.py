"""`describe`: the graph of a network."""

from typing import Annotated, Any

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, RunOrArchitecture, Settings, network_of_run
from core.cli.output import counted, print_json, print_table, say
from core.cli.settings import refuse_unused, untrained
from core.graph.notation import dot_source
from core.registry import names


def describe(
    what: RunOrArchitecture,
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="Dataset that gives an architecture its image size and its classes.")
    ] = "digits",
    sets: Settings = None,
    dot: Annotated[bool, typer.Option("--dot", help="Print Graphviz source instead.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show the graph of a network: its nodes, edges and costs."""
    from core.graph.description import describe as description

    if what in names("architectures"):
        graph = untrained(what, dataset, sets)
    else:
        refuse_unused(what, sets)
        graph = network_of_run(db, what).graph
    if dot:
        say(dot_source(graph.nodes))
        return
    described = description(graph)
    if as_json:
        print_json(described)
        return
    table = Table("node", "kind", "inputs", "opened by", "output shape", "parameters", "multiply-adds")
    for node in described["nodes"]:
        inputs = ", ".join(
            edge["source"] + (f" (default {edge['default']:g})" if edge["default"] is not None else "")
            for edge in _into(described, node, "data")
        )
        opened_by = ", ".join(f"{edge['source']}: {edge['option']}" for edge in _into(described, node, "control"))
        shape = "×".join(map(str, node["shape"]))
        table.add_row(node["name"], node["kind"], inputs, opened_by, shape, f"{node['parameters']:,}", f"{node['macs']:,}")
    print_table(table)
    total, static = counted([described["macs_full"], described["macs_static"]])
    print(f"All nodes: {total} multiply-adds. Static network: {static}.")
    print(f"Controllers: {described['controllers_share']:.2%} of the static network's multiply-adds.")
    if described["tradeoff"]:
        say(f"{described['tradeoff']}.")
    print(f"Not counted: {', '.join(described['not_counted'])}.")


def _into(described: dict[str, Any], node: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the edges of a kind that end at a node."""
    return [edge for edge in described["edges"] if edge["target"] == node["name"] and edge["kind"] == kind]
