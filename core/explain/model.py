"""A trained network with everything needed to run it on an image."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.config import RunConfig, run_config
from core.files import weights_file
from core.graph.allocation import no_larger_than
from core.graph.checkpoint import unpack
from core.graph.graph import Graph
from core.store import Store
from core.store.database import exists
from core.store.exchange import read_exported
from core.store.references import SHIPPED
from core.store.runs import REFERENCE, MissingRunError, no_weights

DEFAULT_LAM = 0.5  # of a network that serves every λ

ImageTensor = Tensor  # pixels (C, H, W) of an image, or (N, C, H, W) of several, uint8


@dataclass(frozen=True)
class Model:
    """The network of a run, in evaluation mode. `image` is the input shape (C, H, W)."""

    run: str
    config: RunConfig
    graph: Graph
    image: tuple[int, int, int]
    classes: tuple[str, ...]

    @property
    def lam(self) -> float | None:
        """The λ that the network was trained for, or None if it serves every λ or has no gates."""
        return self.config.lam

    @property
    def default_lam(self) -> float | None:
        """The λ to use where none is given: the one it was trained for, or the middle of the slider."""
        return DEFAULT_LAM if self.graph.tradeoff.every_lam else self.lam


def use_one_thread() -> None:
    """Limit this process to one torch thread. On a machine that is busy with training, more threads wait for each other."""
    torch.set_num_threads(1)


def load(run_or_file: str | int | Path) -> Model:
    """Return a trained network by the name or id of its run, or from an exported file, `.safetensors`, or folder.

    Names of the networks that ship with the project begin with reference/. A text names a run before it
    names a folder. Raises UserError.
    """
    file = Path(str(run_or_file))
    there = os.path.isfile(weights_file(file))  # unlike Path's own, this takes any name
    chosen = isinstance(run_or_file, Path) and os.path.isdir(file)
    if file.suffix == ".safetensors" or chosen or (there and not exists(None)):
        return load_file(file)
    shipped = SHIPPED / f"{file.name}.safetensors"
    if str(run_or_file) == f"{REFERENCE}{file.name}" and shipped.is_file():  # needs no database
        return load_file(shipped, str(run_or_file))
    try:
        return load_model(Store(), run_or_file if isinstance(run_or_file, int) else str(run_or_file))
    except MissingRunError:
        if not there:
            raise
        return load_file(file)


def load_file(file: Path, name: str | None = None) -> Model:
    """Return the network of an exported file or folder, under its run's name or another. Raises UserError."""
    header, weights = read_exported(file)
    return model_of(name or header.name, run_config(**header.config), header.image, header.classes, weights)


def load_model(store: Store, id_or_name: int | str) -> Model:
    """Load the network of a run with its latest weights. Raises UserError."""
    run = store.runs.get(id_or_name)
    latest = store.checkpoints.read(run.id)
    if latest is None or run.image is None or run.classes is None:
        raise no_weights(run)
    channels, height, width = run.image
    return model_of(run.name, run_config(**run.config), (channels, height, width), run.classes, latest[1])


def model_of(name: str, config: RunConfig, image: tuple[int, int, int], classes: Sequence[str], weights: bytes) -> Model:
    """Return the network of a configuration with its weights. Raises UserError where they do not fit."""
    with no_larger_than(weights):
        graph = config.method.prepare(config.architecture.build(image, len(classes), every_lam=config.lam is None), config.lam)
    unpack(weights, graph)
    return Model(name, config, graph.eval().requires_grad_(False), image, tuple(classes))
