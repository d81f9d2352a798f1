"""Checkpoints: the weights, the optimiser's moments and the number of steps, as the bytes of one safetensors file.

A tensor that several modules share is stored once. Where the weights are averaged, the graph's are the average, and those that the
optimiser trains stand beside them.

Nothing is pickled. `initialisation.py` reads the weights of other networks.
"""

import re
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from core.graph.graph import Graph
from core.graph.weight_file import CheckpointError

FORMER_NAMES = {  # patterns of tensor names in older files, and the current names
    r"exchange_rate": "tradeoff.exchange_rate",
    r"course": "tradeoff.curve",
    r"(parts\..+)\.known": r"\1.min_remaining_cost",
}
FORMERLY_IN_EVERY_GRAPH = ("tradeoff.exchange_rate", "tradeoff.curve")  # with any trade-off
ADDED = ("prices", "tradeoff.curve")  # tensors that the oldest files lack; they keep the values of a new graph


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
    halved, first = _rounded(graph) if half else {}, first_names(graph)
    tensors: dict[str, Tensor] = {
        f"graph.{name}": tensor.half() if name in halved else tensor for name, tensor in graph.state_dict().items() if first[name] == name
    }
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["step"] = torch.tensor(step)
        tensors |= {f"trained.{name}": tensor for name, tensor in (trained or {}).items()}
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def first_names(graph: Graph) -> dict[str, str]:
    """Return the name under which each tensor of a graph is stored, by its names: the first one where modules share it."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in graph.state_dict(keep_vars=True).items()}


def current_name(name: str) -> str:
    """Return the current name of a tensor, given its name in a file of any age."""
    return next((re.sub(former, current, name) for former, current in FORMER_NAMES.items() if re.fullmatch(former, name)), name)


def _weights(tensors: Mapping[str, Tensor], graph: Graph) -> dict[str, Tensor]:
    """Return the weights of a graph in a checkpoint of any age, under the current names."""
    stored = {name.removeprefix("graph."): tensor for name, tensor in tensors.items() if name.startswith("graph.")}
    weights = {current_name(name): tensor for name, tensor in stored.items()}
    own = graph.state_dict()
    for name in FORMERLY_IN_EVERY_GRAPH:
        if name not in own and name not in stored:
            weights.pop(name, None)
    shared = {name: weights[first] for name, first in first_names(graph).items() if first in weights}
    return {name: own[name] for name in ADDED if name in own} | shared | weights


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
