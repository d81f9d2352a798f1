"""What a configuration would train, told before it starts: its graph, its size, and the time that it will take, from a measured step."""

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import torch

from core.config import RunConfig
from core.datasets import Data, Split
from core.evaluation.baselines import passes
from core.evaluation.evaluate import POLICIES_PER_PASS, evaluations
from core.graph.graph import Graph
from core.graph.node import Node
from core.graph.policy import Greedy
from core.graph.static import initialise_controllers, static_macs
from core.registry import ConfigError
from core.scale import SLIDER_STEPS
from core.training.assembly import assemble, check_initial_weights, load_teacher
from core.training.batches import Batches
from core.training.figures import EpochFigures
from core.training.optimizer import optimizer_of, set_rates
from core.training.step import take_step
from core.training.train import FINAL_GRID, GRID

BATCHES = 4  # of the images that a step is measured on
MEASURED_STEPS = 2  # after one that warms up
MIDDLE = 0.5  # point of the training at which steps are measured
STEP_IMAGES = 64  # on which the evaluation is measured
HOLDOUT = 0.1  # share of the training images that the final evaluation sees too, about


@dataclass(frozen=True)
class Outline:
    """The network of a configuration.

    macs        multiply-adds of each node
    static      multiply-adds of the static network
    parameters  of the whole network
    """

    nodes: tuple[Node, ...]
    macs: Mapping[str, int]
    static: int
    parameters: int
    image: tuple[int, int, int]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Pace:
    """How fast a network trains on this machine, with the threads of the process that measured it.

    step      seconds of one step
    image     seconds to evaluate one image at one λ
    passes    how many times the baselines evaluate each image
    """

    step: float
    image: float
    passes: int

    def seconds(self, config: RunConfig, sizes: tuple[int, int, int]) -> float:
        """Return about how many seconds a training takes on these numbers of training, validation and test images."""
        train, val, test = sizes
        steps = max(round(train / config.training.batch_size), 1)
        lams, final = (len(GRID), len(FINAL_GRID)) if config.lam is None and config.gated else (1, 1)
        evaluated: float = val * lams * config.training.epochs + (val + test) * (final + self.passes)
        if final > 1 and config.method.decides == "one":  # a pass serves many steps of the slider, at about the price of one over GRID
            evaluated += (val + HOLDOUT * train) * len(GRID) * math.ceil(SLIDER_STEPS / POLICIES_PER_PASS)
        return self.step * steps * config.training.epochs + self.image * evaluated


def outline(config: RunConfig) -> Outline:
    """Return the network of a configuration. Raises DataError, ConfigError or GraphError if there can be none."""
    image, classes = config.dataset.outline()
    graph = assemble(config, image, len(classes))
    parameters = sum(values.numel() for values in graph.parameters())
    return Outline(graph.nodes, graph.macs, static_macs(graph), parameters, image, classes)


def check_weights(config: RunConfig) -> None:
    """Raise ConfigError, in the words of the form, if the network cannot begin with the weights that its options name."""
    try:
        check_initial_weights(config)
    except ConfigError as error:
        raise ConfigError(str(error).replace("training.init_from: ", "“Initialise from (file)”: ", 1)) from None


def measure(config: RunConfig) -> Generator[None, None, Pace]:
    """Measure some steps and an evaluation on random images, step by step. Raises UserError where no step can be taken."""
    image, classes = config.dataset.outline()
    data = _noise(image, classes, max(BATCHES * config.training.batch_size, STEP_IMAGES))
    graph = assemble(config, image, len(classes))
    batches = Batches(config, data, graph.device)
    config.method.setup(graph.eval(), config.training.batch_size, batches.setup_images()[0])
    initialise_controllers(graph)
    teacher, optimizer = load_teacher(config, data), optimizer_of(graph, config.training)
    yield
    seconds, generator = [], torch.Generator().manual_seed(0)
    figures = EpochFigures(batches.count, graph.device)
    for batch in batches.epoch(generator, teacher, 0):
        began = time.perf_counter()
        set_rates(optimizer, config.training, MIDDLE)
        graph.train()
        take_step(config, graph, optimizer, batch, MIDDLE, generator, figures)
        seconds.append(time.perf_counter() - began)
        yield
        if len(seconds) > MEASURED_STEPS:
            break
    image_seconds = _evaluation(config, graph, data)
    yield
    return Pace(min(seconds[1:] or seconds), image_seconds, passes(graph) if graph.controls else 0)


def _evaluation(config: RunConfig, graph: Graph, data: Data) -> float:
    """Return the seconds that it takes to evaluate one image at one λ."""
    lams = GRID if graph.tradeoff.every_lam else (config.lam,)
    rows = slice(0, STEP_IMAGES)
    split = Split(data.train.images[rows], data.train.labels[rows])
    began = time.perf_counter()
    evaluations(graph, split, [(lam, Greedy()) for lam in lams])
    return (time.perf_counter() - began) / len(split) / len(lams)


def _noise(image: tuple[int, int, int], classes: tuple[str, ...], count: int) -> Data:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *image), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % len(classes)
    split = Split(images, labels)
    return Data(split, split, split, classes)
