"""Training as a generator: it yields its progress and checkpoints; the caller stores them, shows them or stops.

All that is random in an epoch depends on the seed and the number of the epoch alone. So a training that is resumed after any epoch ends in
the same weights as one that was never interrupted.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Generator
from torch.optim import Optimizer

from core.config import RunConfig
from core.datasets import Data, ProgressCallback, no_progress
from core.errors import UserError
from core.evaluation.baselines import baselines, passes
from core.evaluation.collapse import collapsed
from core.evaluation.evaluate import evaluations
from core.graph.calibration import calibrate
from core.graph.checkpoint import pack, round_weights, unpack
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.methods import Batch
from core.training.assembly import assemble, begin, teacher_of
from core.training.batch_norm import BatchNorm
from core.training.batches import Batches
from core.training.optimizer import optimizer_of, set_rates
from core.training.tabulation import tabulate_data, tabulate_graph, unseen

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)  # λ at which a network for every λ is watched while it trains
FINAL_GRID = tuple(step / 10 for step in range(11))
LARGEST_GRADIENT = 5.0


class TrainingError(UserError):
    """A training that cannot go on with its options."""


@dataclass(frozen=True)
class Progress:
    """How far a training is: `epoch` counts epochs and their parts; `figures` are points of the curve; `state` comes after each epoch.

    The last one has `final`, the figures of the trained network, and the weights alone.
    """

    epoch: float
    figures: dict[str, float] = field(default_factory=dict)
    state: bytes | None = None
    final: dict[str, Any] | None = None


def train(config: RunConfig, data: Data, *, resume: bytes | None = None, report: ProgressCallback = no_progress) -> Iterator[Progress]:
    """Train from the start, or from a state that an earlier training yielded. Uses a CUDA GPU where there is one.

    `report` is told how far the evaluation of the trained network is.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, options = config.method, config.training
    whole = graph = _placed(assemble(config, data.image, len(data.classes)), device)
    optimizer = optimizer_of(graph, options)
    data = unseen(config, data)
    batches, batch_norm = Batches(config, data, device), BatchNorm(config)
    if not resume:
        if options.initial_weights:
            begin(config, graph)
        images, _ = batches.few()
        method.setup(graph.eval(), options.batch_size, images)
    done = unpack(resume, graph, optimizer) if resume else 0
    if frozen := config.architecture.frozen:
        data = tabulate_data(graph.eval(), frozen, data, report)
        graph, batches = tabulate_graph(graph, frozen), Batches(config, data, device)
        if not resume:
            config.architecture.fit(graph, *batches.tensors(batches.reserved()))
    steps = batches.count * options.epochs
    teacher = teacher_of(config, data)
    teacher = None if teacher is None else _placed(teacher, device)
    for epoch in range(done // batches.count, options.epochs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        torch.manual_seed(options.seed * 1_000_003 + epoch)
        figures: dict[str, float] = {}
        for batch in batches.epoch(generator, teacher):
            set_rates(optimizer, options, done / steps)
            batch_norm.training_mode(graph, done / steps)
            measured = _step(config, graph, optimizer, batch, done / steps, generator)
            done += 1
            figures |= {name: figures.get(name, 0.0) + value / batches.count for name, value in measured.items()}
            yield Progress(done / batches.count)
        batch_norm.after_epoch(graph, batches, teacher, epoch + 1)
        figures |= _watch(config, graph, data)
        method.after_epoch(graph, *batches.few())
        if epoch + 1 == options.epochs:
            method.finish(graph, batches.reserved(), data.val, generator)
            if options.weights_dtype == "float16":
                round_weights(whole)
            if graph.tradeoff.adjustable:
                calibrate(graph.eval(), *batches.tensors(data.val))
        yield Progress(epoch + 1, figures, pack(whole, optimizer, done))
    yield Progress(options.epochs, {}, pack(whole, half=options.weights_dtype == "float16"), final_figures(graph, config, data, report))


def final_figures(graph: Graph, config: RunConfig, data: Data, report: ProgressCallback = no_progress) -> dict[str, Any]:
    """The trained network on validation and test images, at its λ, or at several of them where it serves every λ.

    {"val": [an object per λ], "test": [...]} and, where there are control nodes, {"baselines": {"val": {name: [points]}, "test": ...},
    "collapsed": [control nodes that do not decide]}.
    """
    lams: tuple[float | None, ...] = FINAL_GRID if graph.tradeoff.every_lam else (config.lam,)
    parts = {"val": data.val, "test": data.test}
    images = (len(lams) + (passes(graph) if graph.controls else 0)) * (len(data.val) + len(data.test))
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        report("evaluating", done / images)

    seen = {part: evaluations(graph, split, [(lam, Greedy()) for lam in lams], told) for part, split in parts.items()}
    figures: dict[str, Any] = {part: [one.to_json() for one in rows] for part, rows in seen.items()}
    if graph.controls:
        fronts = {part: baselines(graph, split, told) for part, split in parts.items()}
        figures["baselines"] = {part: {name: [asdict(point) for point in front] for name, front in fronts[part].items()} for part in parts}
        figures["collapsed"] = [asdict(control) for control in collapsed(graph, seen["val"])]
    return figures


def _placed(graph: Graph, device: torch.device) -> Graph:
    """A graph on its device, channels last in memory."""
    return graph.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's hints leave it out


def _step(config: RunConfig, graph: Graph, optimizer: Optimizer, batch: Batch, progress: float, generator: Generator) -> dict[str, float]:
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=config.training.precision == "bfloat16"):
        step = config.method.step(graph, batch, config.lam, progress, generator)
    loss = torch.stack(list(step.losses.values())).sum()
    if not bool(loss.isfinite()):
        raise TrainingError(f"the loss is {loss.item()}: lower training.learning_rate")
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(graph.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    return {f"train {name} loss": float(value.detach()) for name, value in step.losses.items()} | {
        f"train {k}": v for k, v in step.figures.items()
    }


def _watch(config: RunConfig, graph: Graph, data: Data) -> dict[str, float]:
    """The validation points of the curve after an epoch."""
    figures: dict[str, float] = {}
    rows = evaluations(graph, data.val, [(lam, Greedy()) for lam in (GRID if graph.tradeoff.every_lam else (config.lam,))])
    for seen in rows:
        at = f" at λ={seen.lam:g}" if graph.tradeoff.every_lam else ""
        figures |= {f"val accuracy{at}": seen.accuracy, f"val cost share{at}": seen.cost_share}
    return figures | ({"val collapsed control nodes": float(len(collapsed(graph, rows)))} if graph.controls else {})
