"""A training's state as the bytes of one safetensors file: weights, the optimiser's moments, and how far it got. Never pickle."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.optim import Optimizer

from core.errors import UserError
from core.network.graph import Graph


class CheckpointError(UserError):
    """Weights that do not belong to the network; the text is one line."""


def pack(graph: Graph, optimizer: Optimizer | None = None, step: int = 0) -> bytes:
    """The weights of a graph and, to go on training later, the optimiser's state and the number of steps done."""
    tensors: dict[str, Tensor] = {f"graph.{name}": tensor for name, tensor in graph.state_dict().items()}
    if optimizer is not None:
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["step"] = torch.tensor(step)
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def begin_with(state: bytes, graph: Graph) -> int:
    """Puts the weights of another network into nodes of the same name and shape; returns how many. Raises CheckpointError if none."""
    given = _read(state)
    own = graph.state_dict()
    fitting = {name: given[f"graph.{name}"] for name in own if f"graph.{name}" in given and given[f"graph.{name}"].shape == own[name].shape}
    nodes = {name.split(".")[1] for name in fitting if name.startswith("parts.")}
    if not nodes:
        raise CheckpointError("these weights have no node of the same name and shape as this network's")
    graph.load_state_dict({name: tensor for name, tensor in fitting.items() if name.startswith("parts.")}, strict=False)
    return len(nodes)


def _read(state: bytes) -> dict[str, Tensor]:
    try:
        return load(state)
    except SafetensorError as error:
        raise CheckpointError(f"this is no safetensors file: {error}") from error


def unpack(state: bytes, graph: Graph, optimizer: Optimizer | None = None) -> int:
    """Puts a state into a graph and its optimiser and returns the number of steps done. Raises CheckpointError where they do not fit."""
    tensors = _read(state)
    weights = {name.removeprefix("graph."): tensor for name, tensor in tensors.items() if name.startswith("graph.")}
    try:
        graph.load_state_dict(weights)
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
