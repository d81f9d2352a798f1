"""A trained network as one ONNX file for one image, which says in its metadata what it takes and returns.

image   uint8, (1, C, H, W): the pixels as they are; they are scaled inside
lam     float, one number from 0 to 1: only a network that serves every λ takes it
logits  float, (1, classes)
macs    double, (1,): the multiply-adds spent, as core/graph/cost.py counts them
ran     bool, (1, nodes): which nodes ran
gates   float, (1, gates): the gates of all control nodes side by side
"""

import json
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from core.explain.model import Model
from core.graph.graph import Graph
from core.graph.static import static_macs
from core.program.account import Account
from core.program.decisions import LAM_INPUT
from core.program.network import Network
from core.program.operators import Operators
from core.program.precision import WeightsForm, in_precision
from core.store.database import StoreError
from core.store.exchange import reason
from core.store.folder import write_all

IMAGE, LOGITS, MACS, RAN, GATES = "image", "logits", "macs", "ran", "gates"
COLOURS = {1: "grey", 3: "RGB"}  # by channels


def program(model: Model, weights: WeightsForm = "float32") -> ModelProto:
    """Return a network as an ONNX program, its weights in one of three forms. Raises NotWrittenError."""
    graph = model.graph
    made = in_precision(written(graph), weights, {control.name for control in graph.controls})
    helper.set_model_props(made, metadata(model) | {"weights": weights})
    made.doc_string = f"{model.run}: {graph.tradeoff.description}" if graph.tradeoff.description else model.run
    return made


def written(graph: Graph, *, pixels: bool = True) -> ModelProto:
    """Return a graph as a program. `pixels`: it takes images as uint8, otherwise as the graph does. Raises NotWrittenError."""
    to, shape = Operators(), (1, *graph.shapes[graph.input.name])
    to.module = graph.input.name
    image = to.given(IMAGE, shape, TensorProto.UINT8 if pixels else TensorProto.FLOAT)
    if pixels:
        scaled = to.add("Div", to.add("Cast", image, to=TensorProto.FLOAT), to.number(127.5))
        image = to.add("Sub", scaled, to.number(1))  # in [−1, 1]
    to.module = ""
    network = Network(graph)
    answer, gates = network.write(to, image)
    account = Account(graph, to, network.needed, gates)
    outputs = {
        LOGITS: (answer, TensorProto.FLOAT, (1, *graph.shapes[graph.outputs[0].name])),
        MACS: (account.macs, TensorProto.DOUBLE, (1,)),
        RAN: (account.ran, TensorProto.BOOL, (1, len(graph.nodes))),
        GATES: (account.gates, TensorProto.FLOAT, (1, account.total)),
    }
    return to.model(outputs)


def metadata(model: Model) -> dict[str, str]:
    """Return what a file says of its network. Lists and mappings are JSON."""
    graph, (channels, height, width) = model.graph, model.image
    colours = COLOURS.get(channels, f"{channels} channels")
    gates = [f"{control.name}: {option}" for control in graph.controls for option in control.options]
    if graph.tradeoff.every_lam:
        lam = f"Input {LAM_INPUT}: one float from 0 (cheap) to 1 (accurate). {graph.tradeoff.description}".strip()
    else:
        lam = "There is no λ to choose" + ("" if model.lam is None else f": the network was trained for λ = {model.lam:g}")
    found = {
        "run": model.run,
        "classes": list(model.classes),
        "image": list(model.image),
        "colours": colours,
        "input": f"One image: {colours}, uint8 from 0 to 255, (1, {channels}, {height}, {width}). It is scaled inside.",
        "batch": "1",
        "lam": lam,
        "every_lam": graph.tradeoff.every_lam,
        "nodes": [node.name for node in graph.nodes],
        "gates": gates,
        "macs": graph.macs,
        "macs_static": static_macs(graph),
    }
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in found.items()}


def save(made: ModelProto, file: Path, *, force: bool = False) -> None:
    """Write a program to a file, whole or not at all. `force`: overwrite an existing file. Raises StoreError."""
    if not file.absolute().parent.is_dir():
        raise StoreError(f"{file} cannot be written: there is no folder {file.parent}. Make it first, or choose another")
    if file.exists() and not force:
        raise StoreError(f"{file} exists already: choose another name, or overwrite it with --force")
    try:
        write_all({file: made.SerializeToString()})
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {reason(error)}") from error
