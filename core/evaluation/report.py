"""What the stored figures of runs say of how well they trade accuracy for cost: alone, and against others on the same images.

A group is the runs of one seed: one network for every λ, or several that were trained for a λ each. Costs are multiply-adds as shares of
the reference network of the group.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

from core.datasets import Dataset
from core.evaluation.collapse import Collapsed
from core.evaluation.dependence import INDEPENDENT
from core.evaluation.pareto import ParetoPoint, accuracy_at, cost_for, hypervolume, mean_difference
from core.registry import ConfigError, choose
from core.scale import cost_share
from core.store import Run

LOW, HIGH = 0.3, 0.7  # costs between which differences are averaged
SPAN = f"mean over costs of {LOW:.0%} to {HIGH:.0%}"
SAVINGS = (0.3, 0.62)  # those of the ResNet cascade in the D2NN paper
WITHIN = (0.005, 0.01)  # of accuracy
LEARNT_NOTHING = "its gates do not beat random ones: it has learnt nothing about when to skip"
NO_BETTER_THAN_ROUTES = "its gates do not beat its own fixed routes: images sent along the best of these at random do as well at equal cost"
RIVALS = {"random gates": LEARNT_NOTHING, "fixed routes": NO_BETTER_THAN_ROUTES}  # what is said of a network that does not beat them
RANDOM = f"gain over random gates, {SPAN}"

Figures = dict[str, float]


def alone(group: Sequence[Run], split: str) -> Figures:
    """The figures of a group by itself. Raises ConfigError where it has none."""
    own = points(group, split, reference(group, split))
    told = {"least cost": min(point.cost for point in own), "highest accuracy": max(point.accuracy for point in own)}
    if len(group) > 1:
        return told
    if len(own) > 1:
        told["largest change of cost between neighbouring λ"] = max(abs(after.cost - before.cost) for before, after in pairwise(own))
    share = mean_dependence(own, [row.get("dependence") for row in group[0].figures[split]])
    if share is not None:
        told[f"share of the gates' variance that depends on the image, {span(own)}"] = share
    stored = group[0].figures.get("baselines", {}).get(split, {})
    fronts = {name: [ParetoPoint(**one) for one in front] for name, front in stored.items()}
    if full := fronts.pop("full path", None):
        told |= {"accuracy of its full path": full[0].accuracy, "cost of its full path": full[0].cost}
        told |= _reaching(own, full[0].accuracy, "its full path")
    return told | {f"gain over {name}, {span(own)}": gain(own, front) for name, front in fronts.items()}


def against(group: Sequence[Run], others: Sequence[Run], split: str) -> Figures:
    """The figures of a group against other runs. Raises ConfigError where they are not of the same images."""
    if strange := [other.name for other in others if not same_images(other, group[0])]:
        raise ConfigError(f"{group[0].name} and {strange[0]} were not measured on the same images: their figures cannot be compared")
    own, theirs = (points(runs, split, reference(group, split)) for runs in (group, others))
    best = max(theirs, key=lambda point: point.accuracy)
    told = {"highest accuracy of theirs": best.accuracy, "its cost": best.cost} | _reaching(own, best.accuracy, "it")
    for saved in SAVINGS:
        loss = 1 - accuracy_at(own, (1 - saved) * best.cost) / best.accuracy
        told[f"loss relative to it at {1 - saved:.0%} of its cost"] = loss
    told[f"above their front, {span(own)}"] = gain(own, theirs)
    least = min(point.cost for point in own)
    if above := [accuracy_at(own, point.cost) - point.accuracy for point in theirs if point.cost >= least]:
        told |= {"above them at their costs, mean": mean(above), "above them at their costs, least": min(above)}
        told["of them compared there"] = len(above) / len(theirs)
    if len(theirs) > 1:
        everyone = (*own, *theirs)
        corner = (max(point.cost for point in everyone), min(point.accuracy for point in everyone))
        beneath = hypervolume(theirs, *corner)
        told["hypervolume over theirs"] = hypervolume(own, *corner) / beneath if beneath else math.nan
    return told


def same_images(run: Run, other: Run) -> bool:
    """Whether two runs were measured on the same images: options that have come since one was trained are as they are by default, and
    those that concern the training images alone may differ."""
    first, second = run.config["dataset"], other.config["dataset"]
    if first == second:
        return True
    try:
        return _measured_on(first) == _measured_on(second)
    except ConfigError:
        return False


def _measured_on(choice: dict[str, Any]) -> dict[str, Any]:
    """The options of a dataset that decide which images it has for validation and the test."""
    dataset = choose("datasets", choice)
    assert isinstance(dataset, Dataset)
    return dataset.model_dump(exclude=set(dataset.for_training))


def warnings(run: Run) -> list[str]:
    """What a reader of a gated run's figures should know: control nodes that do not decide, and gates that do not beat simple rivals."""
    told = [str(Collapsed(**control)) for control in run.figures.get("collapsed", [])]
    rows = run.figures.get("test", [])
    between = [row["dependence"] for row in rows if row.get("dependence") is not None and (row["lam"] is None or 0 < row["lam"] < 1)]
    told += ["its gates do the same for all images"] * (bool(between) and max(between) <= INDEPENDENT)
    fronts = run.figures.get("baselines", {}).get("test", {})
    rivals = {name: [ParetoPoint(**point) for point in front] for name, front in fronts.items()}
    return told + (beaten_by(points([run], "test", reference([run], "test")), rivals) if rivals else [])


def beaten_by(own: Sequence[ParetoPoint], rivals: Mapping[str, Sequence[ParetoPoint]]) -> list[str]:
    """What is to be said of a network that does not beat some of its rivals, by the names of these."""
    return [sentence for name, sentence in RIVALS.items() if rivals.get(name) and not _beats(own, rivals[name])]


def span(own: Sequence[ParetoPoint]) -> str:
    """In words, the costs at which `gain` compares."""
    return SPAN if len(own) > 1 else "at its cost"


def gain(own: Sequence[ParetoPoint], rival: Sequence[ParetoPoint]) -> float:
    """What a network gains over a rival: on average between the costs LOW and HIGH, or at its one cost where it serves one λ alone.

    A rival that begins at a larger cost than this one is met there.
    """
    if len(own) > 1:
        return mean_difference(own, rival, LOW, HIGH)
    return own[0].accuracy - accuracy_at(rival, max(own[0].cost, min(point.cost for point in rival)))


def mean_dependence(own: Sequence[ParetoPoint], shares: Sequence[float | None]) -> float | None:
    """The mean share of the gates' variance that depends on the image, of points between the costs LOW and HIGH, or of the only one.

    None if none has one.
    """
    alone = len(own) == 1
    between = [share for point, share in zip(own, shares, strict=True) if share is not None and (alone or LOW <= point.cost <= HIGH)]
    return mean(between) if between else None


def _beats(own: Sequence[ParetoPoint], rival: Sequence[ParetoPoint]) -> bool:
    """Whether a network beats what runs on its own modules: between the costs LOW and HIGH, or where it is if not there."""
    if math.isfinite(gained := gain(own, rival)):
        return gained > 0
    gains = [point.accuracy - accuracy_at(rival, point.cost) for point in own]
    known = [gain for gain in gains if math.isfinite(gain)]
    return not known or mean(known) > 0


def over_seeds(figures: Sequence[Figures]) -> dict[str, tuple[float, float | None]]:
    """Of each figure that all have, the mean and the standard deviation over seeds; no deviation for one seed."""
    columns = {name: [one[name] for one in figures] for name in figures[0] if all(name in one for one in figures)}
    return {name: (mean(values), _spread(values) if len(values) > 1 else None) for name, values in columns.items()}


def _spread(values: Sequence[float]) -> float:
    """The standard deviation; not-a-number where one of the values is."""
    return stdev(values) if all(math.isfinite(value) for value in values) else math.nan


def reference(group: Sequence[Run], split: str) -> float:
    """The multiply-adds of a group's reference network."""
    return float(_rows(group[0], split)[0]["macs_static"])


def points(runs: Sequence[Run], split: str, macs: float) -> list[ParetoPoint]:
    """The points of runs in the order of λ, costs as shares of so many multiply-adds. Raises ConfigError where a run has no figures."""
    return [ParetoPoint(cost_share(row["macs_mean"], macs), row["accuracy"]) for run in runs for row in _rows(run, split)]


def _reaching(own: Sequence[ParetoPoint], accuracy: float, what: str) -> Figures:
    return {f"cost within {100 * short:g} points of {what}": cost_for(own, accuracy - short) for short in WITHIN}


def _rows(run: Run, split: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = run.figures.get(split, [])
    if not rows:
        raise ConfigError(f"run {run.name} has no figures yet: it is {run.state}")
    return rows
