"""A training's state as the bytes of one safetensors file: weights, the optimiser's moments, and how far it got.

Nothing is pickled. Weights of others that are can be begun from, but nothing in them is run.
"""

import io
import pickle
import re
from collections.abc import Callable, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from core.errors import UserError
from core.graph.graph import Graph

FORMER_NAMES = {  # patterns of tensors' names in older files, and today's names
    r"exchange_rate": "tradeoff.exchange_rate",
    r"course": "tradeoff.curve",
    r"(parts\..+)\.known": r"\1.min_remaining_cost",
}
FORMERLY_IN_EVERY_GRAPH = ("tradeoff.exchange_rate", "tradeoff.curve")  # whatever its trade-off
ADDED = ("prices", "tradeoff.curve")  # tensors that the oldest files lack: a fresh graph's are taken
WRAPPERS = ("state_dict", "model", "model_state_dict")  # names under which trainings save the weights beside other things
OwnWeights = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class CheckpointError(UserError):
    """Weights that do not belong to the network; the text is one line."""


@torch.no_grad()
def round_weights(graph: Graph) -> None:
    """Rounds the weights in place to numbers that half precision has. Biases and norms stay: they are few."""
    for weights in _rounded(graph).values():
        weights.copy_(weights.half())


def _rounded(graph: Graph) -> dict[str, Parameter]:
    """The weights that are rounded where half the space is asked for, by name."""
    return {name: parameter for name, parameter in graph.named_parameters() if parameter.dim() > 1}


def pack(graph: Graph, optimizer: Optimizer | None = None, step: int = 0, *, half: bool = False) -> bytes:
    """The weights of a graph and, to go on training later, the optimiser's state and the number of steps done.

    `half` keeps weights that were rounded in half the space.
    """
    halved = _rounded(graph) if half else {}
    tensors: dict[str, Tensor] = {
        f"graph.{name}": tensor.half() if name in halved else tensor for name, tensor in graph.state_dict().items()
    }
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["step"] = torch.tensor(step)
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def begin_with(state: bytes, graph: Graph, own_weights: OwnWeights = dict) -> set[str]:
    """Puts the weights of another network into nodes of the same name and shape. Raises CheckpointError if most of them have none.

    Returns the names of the nodes all of whose parameters it found. `state`: an exported run, or weights under published names as
    safetensors or as PyTorch saves them; `own_weights` makes of these what the graph has.
    """
    given = _given(state, own_weights)
    own = {name: tensor for name, tensor in graph.state_dict().items() if name.startswith("parts.")}
    fitting = {name: given[name] for name in own if name in given and given[name].shape == own[name].shape}
    if not fitting:
        told = f"they begin with {next(iter(given), 'nothing')}, this network's with {next(iter(own)).removeprefix('parts.')}"
        raise CheckpointError(f"these weights have no node of the same name and shape as this network's: {told}")
    nodes = {name: name.split(".")[1] for name in given if name.startswith("parts.")}
    unused = sorted({node for name, node in nodes.items() if name not in fitting})
    if len(unused) > len(set(nodes.values())) / 2:
        told = f"{len(unused)} of their {len(set(nodes.values()))} nodes, {unused[0]} for one, have no counterpart of the same shape"
        raise CheckpointError(f"these weights belong to another network: {told}")
    graph.load_state_dict(fitting, strict=False)
    parameters = {f"parts.{node}.{name}": node for node, part in graph.parts.items() for name, _ in part.named_parameters()}
    return set(parameters.values()) - {node for name, node in parameters.items() if name not in fitting}


def read_tensors(state: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of weights that PyTorch saved, by name. Raises CheckpointError."""
    try:
        tensors = load(state)
    except SafetensorError:
        tensors = _saved_by_torch(state)
    return {name.removeprefix("module."): value for name, value in tensors.items()}  # of a training on several GPUs


def _given(state: bytes, own_weights: OwnWeights) -> dict[str, Tensor]:
    """Weights by their names here."""
    tensors = read_tensors(state)
    if any(name.startswith("graph.") for name in tensors):
        return {_current(name.removeprefix("graph.")): value for name, value in tensors.items()}
    return own_weights(tensors)


def _current(name: str) -> str:
    """Return today's name of a tensor from the name under which an older file holds it."""
    return next((re.sub(former, today, name) for former, today in FORMER_NAMES.items() if re.fullmatch(former, name)), name)


def _weights(tensors: Mapping[str, Tensor], graph: Graph) -> dict[str, Tensor]:
    """Return the weights in a file of any age under the names that they have in a graph."""
    stored = {name.removeprefix("graph."): tensor for name, tensor in tensors.items() if name.startswith("graph.")}
    weights = {_current(name): tensor for name, tensor in stored.items()}
    own = graph.state_dict()
    for name in FORMERLY_IN_EVERY_GRAPH:
        if name not in own and name not in stored:
            weights.pop(name, None)
    return {name: own[name] for name in ADDED if name in own} | weights


def _saved_by_torch(state: bytes) -> dict[str, Tensor]:
    """The tensors of a file that PyTorch saved, alone or with more, read without running what it may say."""
    try:
        loaded = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        told = " ".join(str(error).split(". ")[0].split())
        raise CheckpointError(f"this is neither a safetensors file nor weights that PyTorch can read safely: {told}") from error
    if not isinstance(loaded, dict):
        raise CheckpointError("this file of PyTorch's holds no weights by their names: save a model's state_dict()")
    loaded = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), dict)), loaded)
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}


def _read(state: bytes) -> dict[str, Tensor]:
    try:
        return load(state)
    except SafetensorError as error:
        raise CheckpointError(f"this is no safetensors file: {error}") from error


def unpack(state: bytes, graph: Graph, optimizer: Optimizer | None = None) -> int:
    """Puts a state into a graph and its optimiser and returns the number of steps done. Raises CheckpointError where they do not fit."""
    tensors = _read(state)
    try:
        graph.load_state_dict(_weights(tensors, graph))
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the network: {' '.join(str(error).split())[:200]}") from error
    if optimizer is None:
        return 0
    if "step" not in tensors:
        raise CheckpointError("these weights hold no optimiser: training cannot go on from them")
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".", 2)
            moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(tensors["step"])
