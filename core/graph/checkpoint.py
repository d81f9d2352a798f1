"""Checkpoints: the weights, the optimiser's moments and the number of steps, as the bytes of one safetensors file.

Where the weights are averaged, the graph's are the average, and those that the optimiser trains stand beside them.

Nothing is pickled. A graph can be initialised from published weights in PyTorch's pickle format, of which no code is executed.
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

FORMER_NAMES = {  # patterns of tensor names in older files, and the current names
    r"exchange_rate": "tradeoff.exchange_rate",
    r"course": "tradeoff.curve",
    r"(parts\..+)\.known": r"\1.min_remaining_cost",
}
FORMERLY_IN_EVERY_GRAPH = ("tradeoff.exchange_rate", "tradeoff.curve")  # with any trade-off
ADDED = ("prices", "tradeoff.curve")  # tensors that the oldest files lack; they keep the values of a new graph
WRAPPERS = ("state_dict", "model", "model_state_dict")  # keys under which PyTorch checkpoints commonly hold the weights
OwnWeights = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class CheckpointError(UserError):
    """Raised when weights do not fit the network. The text is one line."""


@torch.no_grad()
def round_weights(graph: Graph) -> None:
    """Round the weights in place to half precision. Biases and norms are not rounded, since they are few."""
    for weights in _rounded(graph).values():
        weights.copy_(weights.half())


def _rounded(graph: Graph) -> dict[str, Parameter]:
    """Return the weights that `round_weights` rounds, by name."""
    return {name: parameter for name, parameter in graph.named_parameters() if parameter.dim() > 1}


def pack(
    graph: Graph, optimizer: Optimizer | None = None, step: int = 0, *, half: bool = False, trained: Mapping[str, Tensor] | None = None
) -> bytes:
    """Return a checkpoint: the weights of a graph and, for resuming, the state of the optimiser and the number of steps done.

    `half`: store the weights that `round_weights` rounded as float16. `trained`: the weights that the optimiser trains, by name, where the
    graph holds their average.
    """
    halved = _rounded(graph) if half else {}
    tensors: dict[str, Tensor] = {
        f"graph.{name}": tensor.half() if name in halved else tensor for name, tensor in graph.state_dict().items()
    }
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["step"] = torch.tensor(step)
        tensors |= {f"trained.{name}": tensor for name, tensor in (trained or {}).items()}
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def initialise_from(state: bytes, graph: Graph, own_weights: OwnWeights = dict) -> set[str]:
    """Initialise nodes from the weights of another network's nodes of the same name and shape.

    `state`: an exported run, or published weights as safetensors or in PyTorch's format, which `own_weights` renames to the names of the
    graph. Returns the names of the nodes all of whose parameters were initialised. Raises CheckpointError if most of the given nodes have
    no counterpart.
    """
    others = _weights_of(state, own_weights)
    own = {name: tensor for name, tensor in graph.state_dict().items() if name.startswith("parts.")}
    fitting = {name: others[name] for name in own if name in others and others[name].shape == own[name].shape}
    if not fitting:
        detail = f"they begin with {next(iter(others), 'nothing')}, this network's with {next(iter(own)).removeprefix('parts.')}"
        raise CheckpointError(f"these weights have no node of the same name and shape as this network's: {detail}")
    nodes = {name: name.split(".")[1] for name in others if name.startswith("parts.")}
    unused = sorted({node for name, node in nodes.items() if name not in fitting})
    if len(unused) > len(set(nodes.values())) / 2:
        detail = f"{len(unused)} of their {len(set(nodes.values()))} nodes, such as {unused[0]}, have no counterpart of the same shape"
        raise CheckpointError(f"these weights belong to another network: {detail}")
    graph.load_state_dict(fitting, strict=False)
    parameters = {f"parts.{node}.{name}": node for node, part in graph.parts.items() for name, _ in part.named_parameters()}
    return set(parameters.values()) - {node for name, node in parameters.items() if name not in fitting}


def read_tensors(state: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, or of weights that PyTorch saved, by name. Raises CheckpointError."""
    try:
        tensors = load(state)
    except SafetensorError:
        tensors = _saved_by_torch(state)
    return {name.removeprefix("module."): value for name, value in tensors.items()}  # added by torch.nn.DataParallel


def _weights_of(state: bytes, own_weights: OwnWeights) -> dict[str, Tensor]:
    """Return the weights in a file under the names of the graph."""
    tensors = read_tensors(state)
    if any(name.startswith("graph.") for name in tensors):
        return {_current(name.removeprefix("graph.")): value for name, value in tensors.items()}
    return own_weights(tensors)


def _current(name: str) -> str:
    """Return the current name of a tensor, given its name in a file of any age."""
    return next((re.sub(former, current, name) for former, current in FORMER_NAMES.items() if re.fullmatch(former, name)), name)


def _weights(tensors: Mapping[str, Tensor], graph: Graph) -> dict[str, Tensor]:
    """Return the weights of a graph in a checkpoint of any age, under the current names."""
    stored = {name.removeprefix("graph."): tensor for name, tensor in tensors.items() if name.startswith("graph.")}
    weights = {_current(name): tensor for name, tensor in stored.items()}
    own = graph.state_dict()
    for name in FORMERLY_IN_EVERY_GRAPH:
        if name not in own and name not in stored:
            weights.pop(name, None)
    return {name: own[name] for name in ADDED if name in own} | weights


def _saved_by_torch(state: bytes) -> dict[str, Tensor]:
    """Read the weights in a file that PyTorch saved, without executing any code in it. Raises CheckpointError."""
    try:
        loaded = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        detail = " ".join(str(error).split(". ")[0].split())
        raise CheckpointError(f"this is neither a safetensors file nor weights that PyTorch can read safely: {detail}") from error
    if not isinstance(loaded, dict):
        raise CheckpointError("this PyTorch file holds no state_dict: save one with torch.save(model.state_dict(), file)")
    loaded = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), dict)), loaded)
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}


def _read(state: bytes) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file. Raises CheckpointError."""
    try:
        return load(state)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:  # the others: types that torch does not have
        raise CheckpointError(f"this is not a safetensors file of weights: {error}") from error


def unpack(state: bytes, graph: Graph, optimizer: Optimizer | None = None) -> int:
    """Load a checkpoint into a graph and its optimiser. Return the number of steps done.

    Raises CheckpointError if it does not fit, or, for a trained network, if one of its weights is not a finite number.
    """
    tensors = _read(state)
    weights = _weights(tensors, graph)
    if optimizer is None:
        check_numbers(weights, graph.state_dict())
    try:
        graph.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the network: {' '.join(str(error).split())[:200]}") from error
    if optimizer is None:
        return 0
    if "step" not in tensors:
        raise CheckpointError("these weights come without the state of an optimiser, so the training cannot be resumed from them")
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".", 2)
            moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(tensors["step"])


def check_numbers(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError for weights that are no finite numbers, or whole numbers in place of fractions or the other way round."""
    for name, tensor in weights.items():
        if name in own and tensor.is_floating_point() != own[name].is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise CheckpointError(f"the weights do not fit the network: {name} holds numbers of the type {kind}")
        if tensor.is_complex() or (tensor.is_floating_point() and not bool(tensor.to(torch.float32).isfinite().all())):
            raise CheckpointError(f"the weights are not all finite numbers: {name} holds NaN, infinity or complex numbers")


def trained_weights(state: bytes) -> dict[str, Tensor]:
    """Return the weights in a checkpoint that the optimiser trains, by name, where the graph holds their average; otherwise none."""
    return {name.removeprefix("trained."): tensor for name, tensor in _read(state).items() if name.startswith("trained.")}
