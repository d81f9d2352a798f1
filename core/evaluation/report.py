"""Reports on how runs trade accuracy for cost, from their stored figures, alone or against other runs on the same images.

A group is the runs of one seed: one network for every λ, or several networks for one λ each. Costs are multiply-adds as shares of
the static network of the group.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

import numpy as np

from core.datasets import Dataset
from core.evaluation.collapse import Collapsed
from core.evaluation.dependence import INDEPENDENT
from core.evaluation.series import runs_of
from core.pareto import ParetoPoint, accuracies_at, accuracy_at, cost_for, hypervolume, mean_difference
from core.registry import ConfigError, choose
from core.scale import cost_share
from core.store import Run, Store

LOW, HIGH = 0.3, 0.7  # costs between which differences are averaged
SPAN = f"mean over costs of {LOW:.0%} to {HIGH:.0%}"
SAVINGS = (0.3, 0.62)  # shares of the cost that the ResNet cascade in the D2NN paper saves
WITHIN = (0.005, 0.01)  # losses of accuracy
NO_BETTER_THAN_RANDOM = "The gates do not beat random gates: the network has not learned when to skip."
NO_BETTER_THAN_ROUTES = "The gates do not beat the network's own fixed routes: a random mix of the best ones is as accurate at equal cost."
NO_BETTER_THAN_WIDTHS = "The gates do not beat the network's own widths, each the same for every image."
SAME_FOR_ALL = "The gates do the same for every image."
RIVALS = {  # the warning where a baseline is not beaten
    "random gates": NO_BETTER_THAN_RANDOM,
    "fixed routes": NO_BETTER_THAN_ROUTES,
    "fixed widths": NO_BETTER_THAN_WIDTHS,
}
RANDOM = f"gain over random gates, {SPAN}"
BEST = "the most accurate compared run"

Figures = dict[str, float]


@dataclass(frozen=True)
class Report:
    """The results of a run or a sweep: each figure's mean over the seeds and its standard deviation, None for one seed.

    `against`: the names of the compared runs. `images`: the size of the split. `warnings`: (run, sentence).
    """

    name: str
    split: str
    images: int
    seeds: list[int]
    against: list[str]
    figures: dict[str, tuple[float, float | None]]
    warnings: list[tuple[str, str]]


def report(store: Store, name: str, against_names: Sequence[str], split: str) -> Report:
    """Return the report of a run or a sweep, compared with others or else with the sweep's own static networks.

    Raises StoreError where one of them does not exist, and ConfigError where they cannot be compared.
    """
    own = runs_of(store, name)
    seeds = sorted({run.seed for run in own if run.gated})
    if not seeds:
        raise ConfigError(f"{name} holds no gated network: name it with --against to compare a gated network with it")
    others = [run for other in against_names for run in runs_of(store, other)] or [run for run in own if not run.gated]
    figures = []
    for seed in seeds:
        group = [run for run in own if run.seed == seed and run.gated]
        peers = [run for run in others if run.seed == seed] or others
        figures.append(alone(group, split) | (against(group, peers, split) if peers else {}))
    return Report(
        name=name,
        split=split,
        images=int(_rows(own[0], split)[0]["n"]),
        seeds=seeds,
        against=[run.name for run in others],
        figures=over_seeds(figures),
        warnings=[(run.name, sentence) for run in own for sentence in warnings(run)],
    )


def alone(group: Sequence[Run], split: str) -> Figures:
    """Return the figures of a group that need no other run. Raises ConfigError where it has none."""
    own = points(group, split, reference(group, split))
    figures = {"lowest cost": min(point.cost for point in own), "highest accuracy": max(point.accuracy for point in own)}
    if len(group) > 1:
        return figures
    if len(own) > 1:
        figures["largest step of cost between neighbouring λ"] = max(abs(after.cost - before.cost) for before, after in pairwise(own))
    share = mean_dependence(own, [row.get("dependence") for row in group[0].figures[split]])
    if share is not None:
        figures[f"share of the gates' variance that depends on the image, {span(own)}"] = share
    stored = group[0].figures.get("baselines", {}).get(split, {})
    fronts = {name: [ParetoPoint(**one) for one in front] for name, front in stored.items()}
    if full := fronts.pop("full path", None):
        figures |= {"accuracy of its full path": full[0].accuracy, "cost of its full path": full[0].cost}
        figures |= _reaching(own, full[0].accuracy, "its full path")
    return figures | {f"gain over {name}, {span(own)}": gain(own, front) for name, front in fronts.items() if front}


def against(group: Sequence[Run], others: Sequence[Run], split: str) -> Figures:
    """Return the figures of a group against other runs. Raises ConfigError where these were measured on other images."""
    if strange := [other.name for other in others if not same_images(other, group[0])]:
        raise ConfigError(f"{group[0].name} and {strange[0]} were not measured on the same images: choose runs of the same dataset")
    own, theirs = (points(runs, split, reference(group, split)) for runs in (group, others))
    best = max(theirs, key=lambda point: point.accuracy)
    figures = {f"accuracy of {BEST}": best.accuracy, f"cost of {BEST}": best.cost} | _reaching(own, best.accuracy, BEST)
    for saved in SAVINGS:
        loss = 1 - accuracy_at(own, (1 - saved) * best.cost) / best.accuracy
        figures[f"relative loss of accuracy at {1 - saved:.0%} of the cost of {BEST}"] = loss
    figures[f"gain over the compared runs, {span(own)}"] = gain(own, theirs)
    lowest = min(point.cost for point in own)
    if gains := [accuracy_at(own, point.cost) - point.accuracy for point in theirs if point.cost >= lowest]:
        figures |= {"gain at the cost of each compared run, mean": mean(gains), "gain at the cost of each compared run, lowest": min(gains)}
        figures["share of the compared runs whose cost is reached"] = len(gains) / len(theirs)
    if len(theirs) > 1:
        everyone = (*own, *theirs)
        corner = (max(point.cost for point in everyone), min(point.accuracy for point in everyone))
        beneath = hypervolume(theirs, *corner)
        figures["hypervolume relative to the compared runs"] = hypervolume(own, *corner) / beneath if beneath else math.nan
    return figures


def same_images(run: Run, other: Run) -> bool:
    """Return whether two runs were measured on the same images.

    An option that a run's configuration lacks has its default. Options that concern the training images alone may differ.
    """
    first, second = (one.config.get("dataset", {}) for one in (run, other))
    if first == second:
        return True
    try:
        return _measured_on(first) == _measured_on(second)
    except ConfigError:
        return False


def _measured_on(choice: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a dataset that decide on its validation and test images."""
    dataset = choose("datasets", choice)
    assert isinstance(dataset, Dataset)
    return dataset.model_dump(exclude=set(dataset.for_training))


def warnings(run: Run) -> list[str]:
    """Return warnings about a gated run: controllers whose gates do not depend on the image, and baselines that are not beaten."""
    found = [str(Collapsed(**control)) for control in run.figures.get("collapsed", [])]
    rows = run.figures.get("test", [])
    between = [row["dependence"] for row in rows if row.get("dependence") is not None and (row["lam"] is None or 0 < row["lam"] < 1)]
    found += [SAME_FOR_ALL] * (bool(between) and max(between) <= INDEPENDENT)
    fronts = run.figures.get("baselines", {}).get("test", {})
    rivals = {name: [ParetoPoint(**point) for point in front] for name, front in fronts.items()}
    return found + (beaten_by(points([run], "test", reference([run], "test")), rivals) if rivals else [])


def beaten_by(own: Sequence[ParetoPoint], rivals: Mapping[str, Sequence[ParetoPoint]]) -> list[str]:
    """Return the warning for each baseline, by its name, that a network does not beat."""
    return [sentence for name, sentence in RIVALS.items() if rivals.get(name) and not _beats(own, rivals[name])]


def span(own: Sequence[ParetoPoint]) -> str:
    """Return in words the costs at which `gain` compares."""
    return SPAN if len(own) > 1 else "at its cost"


def gain(own: Sequence[ParetoPoint], rival: Sequence[ParetoPoint]) -> float:
    """Return the accuracy that a network gains over a rival: the mean between the costs LOW and HIGH, or at the cost of its only λ.

    A rival whose lowest cost is above that cost is compared at its lowest cost.
    """
    if len(own) > 1:
        return mean_difference(own, rival, LOW, HIGH)
    return own[0].accuracy - accuracy_at(rival, max(own[0].cost, min(point.cost for point in rival)))


def mean_dependence(own: Sequence[ParetoPoint], shares: Sequence[float | None]) -> float | None:
    """Return the mean share of the gates' variance that depends on the image, over the points between the costs LOW and HIGH.

    A network of one λ has one point, which counts whatever it costs. None where no such point has a share.
    """
    alone = len(own) == 1
    between = [share for point, share in zip(own, shares, strict=True) if share is not None and (alone or LOW <= point.cost <= HIGH)]
    return mean(between) if between else None


def _beats(own: Sequence[ParetoPoint], rival: Sequence[ParetoPoint]) -> bool:
    """Return whether a network beats a baseline on its own modules: between the costs LOW and HIGH, else at its own costs."""
    if math.isfinite(gained := gain(own, rival)):
        return gained > 0
    rivals = accuracies_at(rival, np.array([point.cost for point in own]))
    known = [point.accuracy - accuracy for point, accuracy in zip(own, rivals.tolist(), strict=True) if math.isfinite(accuracy)]
    return not known or mean(known) > 0


def over_seeds(figures: Sequence[Figures]) -> dict[str, tuple[float, float | None]]:
    """Return the mean and the standard deviation over seeds of each figure that all seeds have; for one seed no deviation."""
    columns = {name: [one[name] for one in figures] for name in figures[0] if all(name in one for one in figures)}
    return {name: (mean(values), _spread(values) if len(values) > 1 else None) for name, values in columns.items()}


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation, or not-a-number where one of the values is."""
    return stdev(values) if all(math.isfinite(value) for value in values) else math.nan


def reference(group: Sequence[Run], split: str) -> float:
    """Return the multiply-adds of a group's static network."""
    return float(_rows(group[0], split)[0]["macs_static"])


def points(runs: Sequence[Run], split: str, macs: float) -> list[ParetoPoint]:
    """Return the points of runs in the order of λ, costs as shares of `macs`. Raises ConfigError where a run has no figures."""
    return [ParetoPoint(cost_share(row["macs_mean"], macs), row["accuracy"]) for run in runs for row in _rows(run, split)]


def _reaching(own: Sequence[ParetoPoint], accuracy: float, what: str) -> Figures:
    return {f"cost within {100 * short:g} points of {what}": cost_for(own, accuracy - short) for short in WITHIN}


def _rows(run: Run, split: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = run.figures.get(split, [])
    if not rows:
        raise ConfigError(f"run {run.name} has no figures{'' if run.damage else ' yet'}: it is {run.damage or run.state}")
    return rows
