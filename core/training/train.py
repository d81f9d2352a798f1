"""Training as a generator that yields its progress and checkpoints. The caller stores them, displays them, or stops.

All randomness of an epoch depends on the seed and the number of the epoch alone. A training that is resumed after any epoch therefore ends
with the same weights as an uninterrupted one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from core.config import RunConfig
from core.datasets import Data, ProgressCallback, Split, no_progress
from core.evaluation.baselines import baselines, passes
from core.evaluation.collapse import collapsed
from core.evaluation.evaluate import evaluations
from core.evaluation.spending import spending
from core.graph.calibration import calibrate
from core.graph.checkpoint import pack, round_weights, trained_weights, unpack
from core.graph.graph import Graph
from core.graph.initialisation import initialise_from
from core.graph.policy import Greedy
from core.graph.static import initialise_controllers
from core.scale import SLIDER_STEPS, TENTHS
from core.training.assembly import assemble, initialise, initialise_nodes, load_teacher
from core.training.batch_norm import BatchNorm
from core.training.batches import Batches
from core.training.figures import EpochFigures, check_finite
from core.training.optimizer import optimizer_of, set_rates
from core.training.step import take_step
from core.training.tabulation import tabulate_data, tabulate_graph, unseen
from core.training.weight_average import WeightAverage

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)  # λ at which a network for every λ is validated after each epoch
FINAL_GRID = TENTHS  # λ at which the trained network is evaluated
# Metric: share of the validation images for which a gated node ran, at the network's λ, or else at the middle of GRID.
RATE_PREFIX = "val rate of "
CHANNEL_PREFIX = "val channels of "  # metric: share of the gated channels of a node that are open, over the same images at the same λ
MAX_NAME = 100  # letters of a metric's name
FROZEN_SECONDS = 10.0  # between checkpoints of a network with frozen nodes: an epoch takes less time than packing their weights


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    epoch    epochs done, including the fraction of the current one
    figures  metrics by name, after each epoch
    state    the checkpoint, after each epoch, or every few epochs where nodes are frozen; in the last item, the weights alone
    final    the figures of the trained network, in the last item
    """

    epoch: float
    figures: dict[str, float] = field(default_factory=dict)
    state: bytes | None = None
    final: dict[str, Any] | None = None


def train(
    config: RunConfig,
    data: Data,
    *,
    resume: bytes | None = None,
    initial: bytes | None = None,
    report: ProgressCallback = no_progress,
    tell: Callable[[str], None] = no_progress,
) -> Iterator[Progress]:
    """Train a network from its initial weights, or from the checkpoint `resume`. Uses a CUDA GPU if there is one.

    `initial`: weights to begin with, in place of the file that `training.init_from` names. `report` receives the progress of the final
    evaluation, `tell` a sentence on what became of initial weights.
    Raises TrainingError if the loss is not finite, and ConfigError, GraphError or CheckpointError if the options do not fit.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, options = config.method, config.training
    whole = graph = _on_device(assemble(config, data.image, len(data.classes)), device)
    optimizer = optimizer_of(graph, options)
    data = unseen(config, data)
    batches, batch_norm = Batches(config, data, device), BatchNorm(config)
    if not resume:
        if initial is not None:
            initialise_from(initial, graph, config.architecture.own_weights)
        else:
            taken = initialise(config, graph) if options.initial_weights else None
            if taken is not None:
                tell(f"Initial weights from {options.initial_weights}: {taken.sentence}.")
            for sentence in initialise_nodes(config, graph, taken.nodes if taken else ()):
                tell(sentence)
        images, _ = batches.setup_images()
        method.setup(graph.eval(), options.batch_size, images)
        initialise_controllers(graph)  # again: the method may have set other prices, and initial weights may be of another network
    done = unpack(resume, graph, optimizer) if resume else 0  # steps
    if frozen := config.architecture.frozen:
        data = tabulate_data(graph.eval(), frozen, data, report)
        graph, batches = tabulate_graph(graph, frozen), Batches(config, data, device)
        if not resume:
            config.architecture.fit(graph, *batches.tensors(batches.holdout_split()))
    steps = batches.count * options.epochs
    teacher = load_teacher(config, data)
    teacher = None if teacher is None else _on_device(teacher, device)
    average = WeightAverage(graph, options.ema_decay)
    if resume and options.ema_decay:
        average.load(trained_weights(resume))
    if device.type == "cuda" and not graph.controls:
        graph.compile(dynamic=False)  # an epoch has batches of two sizes at most
    packed = time.monotonic()
    for epoch in range(done // batches.count, options.epochs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        torch.manual_seed(options.seed * 1_000_003 + epoch)
        epoch_figures = EpochFigures(batches.count, device)
        average.swap()
        for batch in batches.epoch(generator, teacher, epoch):
            set_rates(optimizer, options, done / steps)
            batch_norm.training_mode(graph, done / steps)
            take_step(config, graph, optimizer, batch, done / steps, generator, epoch_figures)
            done += 1
            average.update(done)
            yield Progress(done / batches.count)
        average.swap()
        figures = epoch_figures.means()
        batch_norm.after_epoch(graph, batches, teacher, epoch + 1)
        figures |= _validation_figures(config, graph, data)
        method.after_epoch(graph, *batches.setup_images())
        if epoch + 1 == options.epochs:
            method.finish(graph, batches.holdout_split(), data.val, generator)
            if options.weights_dtype == "float16":
                round_weights(whole)
            if graph.tradeoff.adjustable:
                calibrate(graph.eval(), *batches.tensors(data.val))
        state = None
        check_finite(graph)
        if not frozen or epoch + 1 == options.epochs or time.monotonic() - packed > FROZEN_SECONDS:
            state, packed = pack(whole, optimizer, done, trained=average.other), time.monotonic()
        yield Progress(epoch + 1, figures, state)
    figures = final_figures(graph, config, data, batches.holdout_split(), report)
    yield Progress(options.epochs, {}, pack(whole, half=options.weights_dtype == "float16"), figures)


def final_figures(
    graph: Graph, config: RunConfig, data: Data, holdout: Split | None = None, report: ProgressCallback = no_progress
) -> dict[str, Any]:
    """Evaluate a trained network on validation and test images, at its λ, or at each of FINAL_GRID if it serves every λ.

    Returns {"val": [an object per λ], "test": [...]} and, for a network with control nodes, {"baselines": {"val": {name: [points]},
    "test": ...}, "collapsed": [the control nodes whose gates do not depend on the image]}. A network for every λ whose control nodes
    pick one option also has {"budget": [its mean cost at each step of the slider]}, measured on the validation images and the `holdout`
    together: more images, and more λ, tell a budget's λ more exactly.
    """
    lams: tuple[float | None, ...] = FINAL_GRID if graph.tradeoff.every_lam else (config.lam,)
    parts = {"val": data.val, "test": data.test}
    spends = graph.tradeoff.every_lam and not any(control.decides == "each" for control in graph.controls)
    unseen_images = _joined(data.val, holdout) if spends and holdout is not None else data.val
    images = len(lams) * sum(map(len, parts.values())) + (passes(graph) if graph.controls else 0) * (len(data.val) + len(data.test))
    images += SLIDER_STEPS * len(unseen_images) if spends else 0
    done = 0

    def count(executed: int) -> None:
        nonlocal done
        done += executed
        report("evaluating", done / images)

    evaluated = {part: evaluations(graph, split, [(lam, Greedy()) for lam in lams], count) for part, split in parts.items()}
    figures: dict[str, Any] = {part: [row.to_json() for row in rows] for part, rows in evaluated.items()}
    if spends:
        figures["budget"] = spending(graph, unseen_images, count)
    if graph.controls:
        fronts = {part: baselines(graph, parts[part], count) for part in ("val", "test")}
        figures["baselines"] = {
            part: {name: [asdict(point) for point in front] for name, front in found.items()} for part, found in fronts.items()
        }
        figures["collapsed"] = [asdict(control) for control in collapsed(graph, evaluated["val"])]
    return figures


def _joined(one: Split, other: Split) -> Split:
    return Split(torch.cat([one.images, other.images]), torch.cat([one.labels, other.labels]))


def _on_device(graph: Graph, device: torch.device) -> Graph:
    """Move a graph to a device, with its weights channels-last in memory."""
    return graph.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # missing from torch's type hints


def _validation_figures(config: RunConfig, graph: Graph, data: Data) -> dict[str, float]:
    """Return the validation metrics after an epoch."""
    figures: dict[str, float] = {}
    rows = evaluations(graph, data.val, [(lam, Greedy()) for lam in (GRID if graph.tradeoff.every_lam else (config.lam,))])
    for row in rows:
        at = f" at λ={row.lam:g}" if graph.tradeoff.every_lam else ""
        figures |= {f"val accuracy{at}": row.accuracy, f"val cost share{at}": row.cost_share}
    if graph.controls:
        middle = rows[len(rows) // 2]
        gated = [node.name for node in graph.nodes if node.gates and node.kind != "control"]
        figures |= {f"{RATE_PREFIX}{name}"[:MAX_NAME]: middle.execution_rates[name] for name in gated}
        figures |= {f"{CHANNEL_PREFIX}{name}"[:MAX_NAME]: rate for name, rate in (middle.channel_rates or {}).items()}
        figures["val collapsed control nodes"] = float(len(collapsed(graph, rows)))
    return figures
