"""The networks of a training: its own with the initial weights, and its teacher."""

from pathlib import Path

import torch

from core.config import RunConfig, run_config
from core.datasets import Data
from core.graph.checkpoint import CheckpointError, begin_with, unpack
from core.graph.graph import Graph
from core.methods import DistillingMethod
from core.methods.static import Static
from core.registry import ConfigError
from core.store import StoreError
from core.store.exchange import read_header


def assemble(config: RunConfig, image: tuple[int, int, int], classes: int) -> Graph:
    """The graph of a configuration with its seed's first weights. Raises ConfigError or GraphError where the choices do not fit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        graph = config.architecture.build(image, classes, every_lam=config.lam is None)
        return config.method.prepare(graph, config.lam)


def begin(config: RunConfig, graph: Graph) -> set[str]:
    """Puts the weights that `training.init_from` names into a graph and returns which nodes had theirs. Raises ConfigError."""
    file = config.training.initial_weights
    assert file is not None
    try:
        begun = begin_with(read_weights(file, "training.init_from"), graph, config.architecture.own_weights)
    except CheckpointError as error:
        raise ConfigError(f"training.init_from: {file}: {error}") from None
    if config.method.continues and (strange := [control.name for control in graph.controls if control.name not in begun]):
        raise ConfigError(f"training.init_from: {file} has no trained gates for {strange[0]}: name a network with the same gates")
    return begun


def check_beginning(config: RunConfig) -> None:
    """Raises ConfigError where `training.init_from` names weights that this network cannot begin with, without reading any image."""
    if config.training.initial_weights:
        image, classes = config.dataset.outline()
        begin(config, assemble(config, image, len(classes)))


def teacher_of(config: RunConfig, data: Data) -> Graph | None:
    """The network whose answers are learnt from, if any: that of an exported run, or the static one of the weights that it begins with.

    Raises ConfigError or CheckpointError where there is no such network, or it knows other images or classes.
    """
    method = config.method
    if not isinstance(method, DistillingMethod) or not method.distillation_weight:
        return None
    if method.teacher:
        file = config.training.file(method.teacher)
        try:
            told = read_header(file)
        except StoreError as error:
            raise ConfigError(f"method.teacher: {error}") from None
        if told.image != data.image or tuple(told.classes) != tuple(data.classes):
            raise ConfigError(f"method.teacher: {file} was trained on other images or classes than {config.dataset.name}'s")
        graph = assemble(run_config(**told.config), data.image, len(data.classes))
        unpack(read_weights(file, "method.teacher"), graph)
    else:
        graph = assemble(config.model_copy(update={"method": Static(), "lam": None}), data.image, len(data.classes))
        known = begin(config, graph)  # a configuration without either is refused
        if strange := [name for name, part in graph.parts.items() if name not in known and any(True for _ in part.parameters())]:
            raise ConfigError(
                f"method.distillation_weight: {config.training.initial_weights} has no weights for {len(strange)} nodes of the static "
                f"network, {strange[0]} for one, so that it cannot teach: name a trained run in method.teacher"
            )
    return graph.eval()


def read_weights(file: Path, option: str) -> bytes:
    """What is in the file that an option names. Raises ConfigError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option}: {file} cannot be read ({error.strerror})") from None
