"""A trained network with everything needed to run it on an image."""

from dataclasses import dataclass
from functools import cached_property

import torch

from core.config import RunConfig, run_config
from core.fast.engine import Engine
from core.graph.checkpoint import unpack
from core.graph.graph import Graph
from core.graph.static import static_network
from core.store import Store, StoreError


@dataclass(frozen=True)
class Model:
    """The network of a run, in evaluation mode. `image` is the input shape (C, H, W)."""

    run: str
    config: RunConfig
    graph: Graph
    image: tuple[int, int, int]
    classes: tuple[str, ...]

    @cached_property
    def engine(self) -> Engine:
        """The network, compiled to its fastest equivalent."""
        return Engine(self.graph)

    @cached_property
    def static_engine(self) -> Engine:
        """The static network, compiled to its fastest equivalent."""
        return Engine(static_network(self.graph))

    @property
    def lam(self) -> float | None:
        """The λ that the network was trained for, or None if it serves every λ or has no gates."""
        return self.config.lam


def use_one_thread() -> None:
    """Limit this process to one torch thread. On a machine that is busy with training, more threads wait for each other."""
    torch.set_num_threads(1)


def load_model(store: Store, id_or_name: int | str) -> Model:
    """Load the network of a run with its latest weights. Raises StoreError, ConfigError or CheckpointError, each with one line."""
    run = store.runs.get(id_or_name)
    latest = store.checkpoints.read(run.id)
    if latest is None or run.image is None or run.classes is None:
        raise StoreError(f"Run {run.name} has no weights yet. Wait until its first epoch is complete.")
    config = run_config(**run.config)
    channels, height, width = run.image
    graph = config.method.prepare(config.architecture.build((channels, height, width), len(run.classes), every_lam=config.lam is None))
    unpack(latest[1], graph)
    return Model(run.name, config, graph.eval().requires_grad_(False), (channels, height, width), tuple(run.classes))
