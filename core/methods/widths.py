"""The widths of a graph with nested channels, and gates that choose among them, fitted to a trained network.

At each step of the widths every block runs its first channels, the same share everywhere. The network is run once at each step on images
that its modules were not trained on, which shows how likely the right class is there. Gates then learn for each image and price of
computation whether what a further step adds to that probability is worth its cost. So nothing but the gate networks runs while they learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim import AdamW

from core.graph.calibration import IMAGES_PER_PASS
from core.graph.cost import reward_cost
from core.graph.execution import Execution, execute
from core.graph.graph import Graph
from core.graph.node import Gate
from core.graph.policy import Forced, Open, Policy
from core.graph.tradeoff import FixedLam, Tradeoff
from core.methods.static_gates import StaticGates, gate_networks
from core.modules.nested import Nested
from core.registry import ConfigError

HIGHEST_PRICE, LOWEST_PRICE = 10.0, 0.003  # of the static network's whole cost, in accuracy, at the conditions 0 and 1
TEMPERATURES = tuple(2 ** (step / 8) for step in range(-16, 17))
GATE_BATCH, GATE_RATE, GATE_DECAY = 512, 1e-2, 1e-2
ENDS = 0.05  # share of the images at each of the conditions 0 and 1, beside those in between


def nested_parts(graph: Graph) -> dict[str, Nested]:
    """Return the modules of a graph that have nested channels, by node."""
    return {name: part for name, part in graph.parts.items() if isinstance(part, Nested)}


def widths_trained(graph: Graph) -> bool:
    """Return whether a graph has nested channels that were sorted, after which a training runs every width (`Nested.sort_channels`)."""
    parts = nested_parts(graph).values()
    return bool(parts) and all(bool(part.ordered) for part in parts)


def width_steps(graph: Graph) -> int:
    """Return how many steps the widths have. Raises ConfigError if no channels are nested."""
    found = [part.steps for part in nested_parts(graph).values()]
    if not found:
        raise ConfigError("this method needs nested channels: set “Choice of channels” (architecture.channel_order) to nested")
    return found[0]


def at_width(graph: Graph, step: int) -> StaticGates:
    """Return a policy that runs every image at a step of the widths, with all other gates open."""
    pattern = {control.name: torch.ones(len(control.options), device=graph.device) for control in graph.controls}
    for name, part in nested_parts(graph).items():
        channels = graph.by_name[name].channels
        if channels is not None:
            pattern[channels.control][channels.first + part.groups_at(step) : channels.first + channels.count] = -1
    return StaticGates(pattern)


@dataclass(frozen=True)
class WidthTable:
    """What a network answers at each step of its widths.

    chances   (N, steps) the probability of the right class of each image
    costs     (steps,) the cost as a share of the static network's
    scout     (N,) the probability by the answer that may stand before the first step, if there is one
    exit_cost the cost if that answer stands
    observed  {control node: (steps, N, features)} what its gate network observes
    """

    chances: Tensor
    costs: Tensor
    scout: Tensor | None
    exit_cost: float
    observed: Mapping[str, Tensor]


@torch.no_grad()
def tabulate_widths(graph: Graph, images: Tensor, labels: Tensor) -> WidthTable:
    """Run images (N, C, H, W) of classes (N,) at each step of the widths. The graph must be in evaluation mode."""
    chances, costs, seen = [], [], list[dict[str, Tensor]]()
    scout: Tensor | None = None
    last = graph.outputs[-1].name
    for step in range(1, width_steps(graph) + 1):
        runs, observed = _run(graph, images, at_width(graph, step))
        chances.append(_chances(runs, last, labels))
        costs.append(torch.cat([reward_cost(graph, run) for run in runs]).mean())
        seen.append(observed)
        if len(graph.outputs) > 1:
            scout = _chances(runs, graph.outputs[0].name, labels)
    stacked = {name: torch.stack([observed[name] for observed in seen]) for name in seen[0]}
    return WidthTable(torch.stack(chances, dim=1), torch.stack(costs).float(), scout, _exit_cost(graph, images), stacked)


def fit_width_gates(graph: Graph, table: WidthTable, fit_steps: int, generator: Generator) -> None:
    """Fit a graph's gate networks, in so many steps, to what it answers at each of its widths.

    At the condition w of a network for every λ, the static network's whole cost is worth HIGHEST_PRICE^(1−w) · LOWEST_PRICE^w of accuracy;
    for a single λ it is worth (1 − λ) / λ.
    """
    networks = gate_networks(graph)
    optimizer = AdamW([one for network in networks.values() for one in network.parameters()], lr=GATE_RATE, weight_decay=GATE_DECAY)
    steps = len(table.costs)
    for taken in range(fit_steps):
        for group in optimizer.param_groups:
            group["lr"] = GATE_RATE * (1 - taken / fit_steps)
        rows = torch.randint(len(table.chances), (GATE_BATCH,), generator=generator).to(graph.device)
        at = torch.randint(steps, (GATE_BATCH,), generator=generator).to(graph.device)  # the step at which each image is observed
        drawn = (1 + 2 * ENDS) * torch.rand(GATE_BATCH, generator=generator) - ENDS
        conditions = drawn.clamp(0, 1).to(graph.device)
        weight = conditions if graph.tradeoff.every_lam else None
        raw = {name: network.raw_scores(table.observed[name][at, rows], weight) for name, network in networks.items()}
        price = _price(graph.tradeoff, conditions)
        loss = (_loss(graph, table, raw, rows, price) / (1 + price)).mean()  # so that high prices do not outweigh low ones
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def exit_gate(graph: Graph) -> Gate | None:
    """Return the gate of all that runs behind an answer that may stand, if there is such an answer."""
    return next((node.gates[0] for node in graph.nodes if node.gates), None) if len(graph.outputs) > 1 else None


def _loss(graph: Graph, table: WidthTable, raw: Mapping[str, Tensor], rows: Tensor, price: Tensor) -> Tensor:
    """Return the loss of each image's gates, (B,).

    `raw`: {control node: scores (B, gates)} of the images `rows` (B,) at prices (B,). A gate is judged by the utility of opening it, the
    probability of the right class less the price of the computation, if later gates then open with their own probabilities. A block's gates
    are judged as if all other blocks ran at the same step. The gate behind an answer that may stand is judged by what goes on behind it.
    """
    utility = table.chances[rows] - price[:, None] * table.costs  # (B, steps)
    losses, values = [], []
    for name, part in nested_parts(graph).items():
        channels = graph.by_name[name].channels
        if channels is None or part.count == 1:
            continue
        value = utility[:, -1]
        for step in range(part.steps - 1, 0, -1):  # whether to go on from this step
            group = part.groups_at(step + 1) - 1
            if group >= part.groups_at(step):
                score, before = raw[channels.control][:, channels.first + group], utility[:, step - 1]
                losses.append(_weighted_logistic(score, value - before))
                value = before + score.detach().sigmoid() * (value - before)
        values.append(value)
    gate = exit_gate(graph)
    if gate is not None and table.scout is not None:
        expected = torch.stack(values).mean(dim=0) if values else utility[:, -1]
        stays = table.scout[rows] - price * table.exit_cost
        losses.append(len(values) * _weighted_logistic(raw[gate.control][:, gate.column], expected - stays))
    return torch.stack(losses).sum(dim=0)


def _weighted_logistic(score: Tensor, gain: Tensor) -> Tensor:
    """Return the logistic loss of scores (B,) for the sign of a gain (B,), weighted by its size: least where opening is best on average."""
    return gain.clamp(min=0) * F.softplus(-score) + (-gain).clamp(min=0) * F.softplus(score)


def _price(tradeoff: Tradeoff, conditions: Tensor) -> Tensor:
    """Return what the static network's whole cost is worth at conditions (B,), (B,)."""
    if isinstance(tradeoff, FixedLam):
        return torch.full_like(conditions, (1 - tradeoff.lam) / max(tradeoff.lam, 1e-3))
    return HIGHEST_PRICE ** (1 - conditions) * LOWEST_PRICE**conditions


def _run(graph: Graph, images: Tensor, policy: Policy) -> tuple[list[Execution], dict[str, Tensor]]:
    """Execute images (N, C, H, W), and return what each gate network observed as well, {control node: (N, features)}."""
    seen: dict[str, list[Tensor]] = {name: [] for name in gate_networks(graph)}
    hooks = [
        network.register_forward_pre_hook(lambda network, given, name=name: seen[name].append(network.observed(*given)))
        for name, network in gate_networks(graph).items()
    ]
    try:
        runs = [execute(graph, batch, policy, lam=1.0) for batch in torch.split(images, IMAGES_PER_PASS)]
    finally:
        for hook in hooks:
            hook.remove()
    return runs, {name: torch.cat(batches) for name, batches in seen.items()}


def _chances(runs: Sequence[Execution], output: str, labels: Tensor) -> Tensor:
    """Return the probability of the right class (N,) at an output, over batches of images.

    It is calibrated by a temperature, so that answers of different confidence can be compared (Guo et al., 2017, arXiv 1706.04599).
    """
    logs = torch.cat([run.outputs[output] for run in runs]).float()
    tried = [(logs / temperature).log_softmax(dim=1).gather(1, labels[:, None])[:, 0] for temperature in TEMPERATURES]
    return max(tried, key=lambda found: float(found.mean())).exp()


def _exit_cost(graph: Graph, images: Tensor) -> float:
    """Return the cost, as a share of the static network's, if the first answer stands; 0 if it may not."""
    gate = exit_gate(graph)
    if gate is None:
        return 0.0
    closed = Forced({gate.control: {gate.column: False}}, Open())
    return float(reward_cost(graph, execute(graph, images[:1], closed, lam=1.0)))
