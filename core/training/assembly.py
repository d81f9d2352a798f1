"""The networks of a training: the one that is trained, with its initial weights, and its teacher."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.config import RunConfig, run_config
from core.datasets import Data
from core.files import read_regular, weights_file
from core.graph.checkpoint import unpack
from core.graph.graph import Graph
from core.graph.initialisation import Initialisation, initialise_from
from core.graph.static import static_network
from core.graph.weight_file import CheckpointError
from core.registry import ConfigError
from core.store import StoreError
from core.store.exchange import header_in, verify


def assemble(config: RunConfig, image: tuple[int, int, int], classes: int) -> Graph:
    """Return the graph of a configuration with random weights from its seed. Raises ConfigError or GraphError if the options do not fit."""
    with _seeded(config.training.seed):
        graph = config.architecture.build(image, classes, every_lam=config.lam is None)
        return config.method.prepare(graph, config.lam)


def initialise(config: RunConfig, graph: Graph) -> Initialisation:
    """Initialise a graph from `training.init_from` and return what became of the file's weights. Raises ConfigError."""
    file = config.training.initial_weights
    assert file is not None
    try:
        content = read_weights(file, "training.init_from")
        initialised = initialise_from(content, graph, config.architecture.own_weights, partial=config.training.init_partial)
    except CheckpointError as error:
        raise ConfigError(f"training.init_from: {file}: {error}") from None
    if config.method.continues and (missing := [control.name for control in graph.controls if control.name not in initialised.nodes]):
        raise ConfigError(f"training.init_from: {file} has no trained gates for {missing[0]}: name a network with the same gates")
    return initialised


def initialise_nodes(config: RunConfig, graph: Graph, trained: Collection[str] = ()) -> list[str]:
    """Initialise the networks inside single nodes from `training.init_nodes`, and return what became of each file's weights.

    `trained`: nodes that have weights already. Raises ConfigError, also if a network that is not trained along has none.
    """
    expected, told = config.architecture.pretrained, []
    for node, file in config.training.node_weights.items():
        if node not in expected:
            known = f"such nodes are {', '.join(expected)}" if expected else "this architecture has no such node"
            raise ConfigError(f"training.init_nodes: {node!r} is not a node with a network of its own; {known}")
        network = graph.parts[node].network
        assert isinstance(network, Graph)
        try:
            initialised = initialise_from(read_weights(file, "training.init_nodes"), network, expected[node].own_weights)
        except CheckpointError as error:
            raise ConfigError(f"training.init_nodes: {file}: {error}") from None
        if initialised.new:
            raise ConfigError(f"training.init_nodes: {file} has no weights for {initialised.new[0]} of {node}: name a network of its kind")
        told.append(f"Weights of {node} from {file}: {initialised.sentence}.")
    for node in expected:
        if node not in config.training.node_weights and node not in trained:
            raise ConfigError(
                f"the network {node} is not trained along, so it needs weights: name them as {node}=FILE in “Weights of single nodes” "
                "(training.init_nodes)"
            )
    return told


def check_initial_weights(config: RunConfig) -> None:
    """Raise ConfigError if this network cannot be initialised from `training.init_from` and `training.init_nodes`. Reads no image."""
    if config.training.initial_weights or config.architecture.pretrained or config.training.init_nodes:
        image, classes = config.dataset.outline()
        graph = assemble(config, image, len(classes))
        initialise_nodes(config, graph, initialise(config, graph).nodes if config.training.initial_weights else ())


def load_teacher(config: RunConfig, data: Data) -> Graph | None:
    """Return the teacher: the network of an exported run, or the static network in `training.init_from`. None without distillation.

    Raises ConfigError or CheckpointError if the teacher cannot be loaded, or was trained on other images or classes.
    """
    teacher = config.method.learns_from
    if teacher is None:
        return None
    if teacher.file:
        file = config.training.file(teacher.file)
        content = read_weights(file, teacher.option)
        try:
            header = header_in(content, file)
        except StoreError as error:
            raise ConfigError(f"{teacher.option}: {error}") from None
        if header.image != data.image or tuple(header.classes) != tuple(data.classes):
            raise ConfigError(f"{teacher.option}: {file} was trained on other images or classes than {config.dataset.name}'s")
        graph = assemble(run_config(**header.config), data.image, len(data.classes))
        unpack(content, graph)
    else:
        with _seeded(config.training.seed):
            graph = static_network(config.architecture.build(data.image, len(data.classes)))
        initialised = initialise(config, graph).nodes  # a configuration with neither is refused
        if missing := [name for name, part in graph.parts.items() if name not in initialised and any(True for _ in part.parameters())]:
            raise ConfigError(
                f"training.init_from: {config.training.initial_weights} has no weights for {len(missing)} nodes of the static network, "
                f"such as {missing[0]}, so it cannot be the teacher: name a trained run in {teacher.option}"
            )
    return graph.eval()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside, and leave torch's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def read_weights(file: Path, option: str) -> bytes:
    """Return the contents of the file that an option names. Raises ConfigError."""
    try:
        content = read_regular(weights_file(file))
        verify(content, file)
    except StoreError as error:
        raise ConfigError(f"{option}: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{option}: {file} cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return content
