"""Training as a generator: it yields how far it is and what can be kept; who listens stores it, draws it or stops.

All that is random in an epoch depends on the seed and the number of the epoch alone. So a training that is resumed after any epoch ends in
the same weights as one that was never interrupted.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from core.config import RunConfig
from core.datasets import Data, ProgressCallback, Split, no_progress
from core.errors import UserError
from core.evaluation.baselines import baselines, passes
from core.evaluation.collapse import collapsed
from core.evaluation.evaluate import evaluations, normalised
from core.graph.checkpoint import pack, round_weights, unpack
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.methods import Batch
from core.methods.refit import fit_controllers
from core.registry import ConfigError
from core.training.assembly import assemble, begin, teacher_of
from core.training.optimizer import optimizer_of, set_rates

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)  # λ at which a network for every λ is watched while it trains
FINAL_GRID = tuple(step / 10 for step in range(11))
LARGEST_GRADIENT = 5.0
ADJUSTED_ON = 256  # training images
FITTED_ON = 256  # images that are kept back, at least, for controllers to be fitted once more


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
    options = config.training
    graph = _placed(assemble(config, data.image, len(data.classes)), device)
    optimizer = optimizer_of(graph, options)
    batches = max(round(len(data.train) / options.batch_size), 1)
    steps = batches * options.epochs
    kept_back = _kept_back(len(data.train), batches, config)  # (N,)
    if not resume:
        if options.initial_weights:
            begin(config, graph)
        config.method.begin(graph.eval(), options.batch_size, normalised(_adjusted_on(data, kept_back).images).to(device))
    done = unpack(resume, graph, optimizer) if resume else 0
    teacher = teacher_of(config, data)
    teacher = None if teacher is None else _placed(teacher, device)
    for epoch in range(done // batches, options.epochs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        torch.manual_seed(options.seed * 1_000_003 + epoch)
        figures: dict[str, float] = {}
        if epoch:
            _adjust(config, graph, _adjusted_on(data, kept_back), final=False)
        for batch, apart in _batches(kept_back, batches, config.method.group, generator):
            set_rates(optimizer, options, done / steps)
            _learning(graph, settled=done / steps >= 1 - options.freeze_bn)
            drawn = _drawn(config, data, teacher, batch, apart, generator, device)
            measured = _step(config, graph, optimizer, drawn, done / steps, generator)
            done += 1
            figures |= {name: figures.get(name, 0.0) + value / batches for name, value in measured.items()}
            yield Progress(done / batches)
        if config.method.bn_recalibration_batches and done / steps <= 1 - options.freeze_bn:
            _refresh(config, graph, data, teacher, kept_back, batches, epoch + 1)
        figures |= _watch(config, graph, data)
        if epoch + 1 == options.epochs:
            if config.method.refits and graph.every_lam and int(kept_back.sum()) >= FITTED_ON:
                fit_controllers(graph, Split(data.train.images[kept_back], data.train.labels[kept_back]), data.val, generator)
            if options.weights_dtype == "float16":
                round_weights(graph)
            _adjust(config, graph, data.val, final=True)
        yield Progress(epoch + 1, figures, pack(graph, optimizer, done))
    yield Progress(options.epochs, {}, pack(graph, half=options.weights_dtype == "float16"), final_figures(graph, config, data, report))


def final_figures(graph: Graph, config: RunConfig, data: Data, report: ProgressCallback = no_progress) -> dict[str, Any]:
    """The trained network on validation and test images, at its λ, or at several of them where it serves every λ.

    {"val": [an object per λ], "test": [...]} and, where there are control nodes, {"baselines": {"val": {name: [points]}, "test": ...},
    "collapsed": [control nodes that do not decide]}.
    """
    lams: tuple[float | None, ...] = FINAL_GRID if graph.every_lam else (config.lam,)
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


def _kept_back(count: int, batches: int, config: RunConfig) -> Tensor:
    """Which training images only the controllers learn from, (count,) bool. Raises ConfigError where too few are left for the batches."""
    method = config.method
    kept = max(round(method.kept_back * count), method.group) if method.kept_back else 0
    if count - kept < batches:
        lower = "method.bag_size" if kept == method.group else "method.controller_holdout"
        raise ConfigError(
            f"{count} training images are too few to keep {kept} back and have one left for each of {batches} batches: "
            f"lower {lower}, or raise training.batch_size"
        )
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=Generator().manual_seed(config.training.seed))[:kept]] = True
    return chosen


def _batches(kept_back: Tensor, batches: int, group: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """All training images in random order: for each batch their numbers (B,), those kept back last, and which are (B,) bool."""
    order = torch.randperm(len(kept_back), generator=generator)
    learnt = torch.tensor_split(order[~kept_back[order]], batches)
    groups = torch.split(order[kept_back[order]], group)
    for number, rows in enumerate(learnt):
        batch = torch.cat([rows, *groups[len(groups) * number // batches : len(groups) * (number + 1) // batches]])
        yield batch, kept_back[batch]


def _adjusted_on(data: Data, kept_back: Tensor) -> Split:
    """Some training images, those that the modules do not know if there are any."""
    among = kept_back.nonzero()[:, 0] if bool(kept_back.any()) else torch.arange(len(kept_back))
    return Split(data.train.images[among[:ADJUSTED_ON]], data.train.labels[among[:ADJUSTED_ON]])


def _adjust(config: RunConfig, graph: Graph, split: Split, *, final: bool) -> None:
    device = graph.prices.device
    config.method.adjust(graph.eval(), normalised(split.images).to(device), split.labels.to(device), final=final)


def _drawn(
    config: RunConfig, data: Data, teacher: Graph | None, batch: Tensor, apart: Tensor, generator: Generator, device: torch.device
) -> Batch:
    """A batch of training images by their numbers (B,), changed at random where the dataset profits from it; `apart` are kept back."""
    images = normalised(config.dataset.augment(data.train.images[batch], generator))
    images = images.contiguous(memory_format=torch.channels_last)  # a step then takes 0.7 to 0.8 of the time
    images = images.to(device)
    taught = None
    if teacher is not None:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=config.training.precision == "bfloat16"):
            taught = execute(teacher, images, Greedy(), lam=1.0).output
    return Batch(images, data.train.labels[batch].to(device), apart.to(device), taught)


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


def _learning(graph: Graph, *, settled: bool) -> None:
    """Training mode. Once `settled`, batch norm keeps its figures: those of a batch are of images, routes and λ in a mixture that no
    evaluation sees, and what follows learns to rely on them.
    """
    graph.train()
    for module in graph.modules() if settled else ():
        if isinstance(module, _BatchNorm):
            module.eval()


@torch.no_grad()
def _refresh(config: RunConfig, graph: Graph, data: Data, teacher: Graph | None, kept_back: Tensor, batches: int, epoch: int) -> None:
    """Takes batch norm's figures anew, with the weights as they are after an epoch: those that ran along are of weights since changed."""
    norms = {module: module.momentum for module in graph.modules() if isinstance(module, _BatchNorm)}
    before = {name: figures.clone() for name, figures in graph.state_dict().items() if "running_" in name}
    generator = torch.Generator().manual_seed(config.training.seed * 1_000_003 + epoch)
    _learning(graph, settled=False)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    for batch, apart in islice(_batches(kept_back, batches, config.method.group, generator), config.method.bn_recalibration_batches):
        drawn = _drawn(config, data, teacher, batch, apart, generator, graph.prices.device)
        config.method.step(graph, drawn, config.lam, epoch / config.training.epochs, generator)
    for norm, momentum in norms.items():
        norm.momentum = momentum
    unseen = {name for name, module in graph.named_modules() if module in norms and not module.num_batches_tracked}  # no image came by
    graph.load_state_dict({name: figures for name, figures in before.items() if name.rpartition(".")[0] in unseen}, strict=False)


def _watch(config: RunConfig, graph: Graph, data: Data) -> dict[str, float]:
    """The validation points of the curve after an epoch."""
    figures: dict[str, float] = {}
    rows = evaluations(graph, data.val, [(lam, Greedy()) for lam in (GRID if graph.every_lam else (config.lam,))])
    for seen in rows:
        at = f" at λ={seen.lam:g}" if graph.every_lam else ""
        figures |= {f"val accuracy{at}": seen.accuracy, f"val cost share{at}": seen.cost_share}
    return figures | ({"val collapsed control nodes": float(len(collapsed(graph, rows)))} if graph.controls else {})
