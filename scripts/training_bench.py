"""Measure what a training step costs against a plain PyTorch loop of the same backbone: `python -m scripts.training_bench`.

The backbone is the static network of each architecture. The plain loop draws as many images, augments them in the same way and takes a
step of the same optimiser on the cross-entropy. All loops take turns in one process, and the medians of their steps are compared.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Generator
from torch.optim import AdamW

from core.config import RunConfig, run_config
from core.datasets import Data, Split, normalised
from core.graph.graph import Graph
from core.graph.static import initialise_controllers, static_network
from core.training.assembly import assemble
from core.training.batch_norm import BatchNorm
from core.training.batches import Batches
from core.training.figures import EpochFigures
from core.training.optimizer import optimizer_of, set_rates
from core.training.step import take_step

CLASSES = 10
POINTS = (0.05, 0.5, 0.95)  # points of the training from which steps are measured: gates and routes change along it
CASES = {
    "static": {"architecture": {"name": "lc_resnet", "depth": 20}, "method": "static"},
    "d2nn, cascade": {"architecture": {"name": "resnet_cascade", "n": 3}, "method": "d2nn"},
    "d2nn, hierarchy": {"architecture": "hierarchy", "method": "d2nn"},
    "lcnet": {"architecture": {"name": "lc_resnet", "depth": 20}, "method": "lcnet"},
    "lcnet, blocks": {"architecture": {"name": "lc_resnet", "depth": 20, "channels": False}, "method": "lcnet"},
}
Step = Callable[[], None]


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128, help="images of a step")
    parser.add_argument("--steps", type=int, default=15, help="timed steps of each loop, at each of three points of the training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{'case':18} {'plain, ms':>10} {'training, ms':>13} {'ratio':>6}   at {', '.join(map(str, POINTS))} of the training")
    for name in given.case or CASES:
        config = run_config(**CASES[name], dataset="cifar10", training={"batch_size": given.batch, "precision": given.precision})
        data = _data(given.batch)
        loops = [_plain(config, data, device)] + [_trained(config, data, device, point) for point in POINTS]
        plain, *trained = _medians(loops, given.steps, device)
        mean = statistics.mean(trained)
        each = ", ".join(f"{time / plain:.2f}" for time in trained)
        print(f"{name:18} {1e3 * plain:10.1f} {1e3 * mean:13.1f} {mean / plain:6.2f}   {each}", flush=True)


def _data(batch: int) -> Data:
    """Return random images of CIFAR-10's size, ten batches of them."""
    generator = Generator().manual_seed(0)
    images = torch.randint(256, (10 * batch, 3, 32, 32), dtype=torch.uint8, generator=generator)
    split = Split(images, torch.randint(CLASSES, (10 * batch,), generator=generator))
    return Data(split, split, split, tuple(map(str, range(CLASSES))))


def _plain(config: RunConfig, data: Data, device: torch.device) -> Step:
    """Return one step of a plain loop over the static network."""
    torch.manual_seed(0)
    graph = static_network(config.architecture.build(data.image, CLASSES))
    network = _on_device(graph, device).train()
    optimizer = AdamW(network.parameters(), lr=config.training.learning_rate)
    generator = Generator().manual_seed(0)
    images, labels = data.train.images.to(device), data.train.labels.to(device)

    def step() -> None:
        rows = torch.randperm(len(labels), generator=generator)[: config.training.batch_size].to(device)
        batch = normalised(config.dataset.augment(images[rows], generator)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.training.precision == "bfloat16"):
            (answer,) = network(batch).values()
        loss = F.cross_entropy(answer.float(), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _trained(config: RunConfig, data: Data, device: torch.device, point: float) -> Step:
    """Return one step of the training loop, at a point of the training from 0 to 1."""
    graph = _on_device(assemble(config, data.image, CLASSES), device)
    optimizer, batches, batch_norm = optimizer_of(graph, config.training), Batches(config, data, device), BatchNorm(config)
    config.method.setup(graph.eval(), config.training.batch_size, batches.setup_images()[0])
    initialise_controllers(graph)
    generator = Generator().manual_seed(0)
    figures = EpochFigures(batches.count, device)
    endless = _endless(batches, generator)

    def step() -> None:
        batch = next(endless)
        set_rates(optimizer, config.training, point)
        batch_norm.training_mode(graph, point)
        take_step(config, graph, optimizer, batch, point, generator, figures)

    return step


def _endless(batches: Batches, generator: Generator) -> Iterator[object]:
    while True:
        yield from batches.epoch(generator, None, 0)


def _medians(loops: list[Step], steps: int, device: torch.device) -> list[float]:
    """Return the median seconds of a step of each loop, taken in turns, after three steps of each that are not timed."""
    times: list[list[float]] = [[] for _ in loops]
    for number in range(steps + 3):
        for loop, seconds in zip(loops, times, strict=True):
            if device.type == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            loop()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds += [time.perf_counter() - start] * (number >= 3)
    return [statistics.median(seconds) for seconds in times]


def _on_device(graph: Graph, device: torch.device) -> Graph:
    return graph.to(device).to(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
