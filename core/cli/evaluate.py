"""`evaluate`: measure a network on the images of its dataset."""

import shlex
from collections import Counter
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Lam, MovedData, RunName, SplitName, opened
from core.cli.output import bar, cost_cells, lam_text, print_json, print_table, say
from core.cli.settings import moved_dataset
from core.evaluation.budget import lam_of_run
from core.registry import ConfigError
from core.scale import TENTHS

if TYPE_CHECKING:
    from core.datasets import Split
    from core.datasets.sources.corruption import Corruption
    from core.evaluation.evaluate import CountCallback
    from core.explain.model import Model
    from core.graph.policy import Policy
    from core.store import Run

PolicyName = Literal["greedy", "random", "open"]
NAMED_ROUTES = 8  # routes that get a letter, the most frequent ones
MAX_LAMS = 1001  # values of λ, or budgets, of one evaluation
LEAST_SHARE = 0.005  # share of the images below which routes without a letter are not mentioned
SCORES = ("accuracy", "f1", "precision", "recall")


def evaluate(
    run: RunName,
    split: SplitName = "val",
    lam: Lam = None,
    grid: Annotated[int | None, typer.Option(min=2, max=MAX_LAMS, help="Number of values of λ, evenly spaced from 0 to 1.")] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="Instead of λ: mean costs to spend, as shares of the static network's, separated by commas."),
    ] = None,
    policy: Annotated[
        PolicyName, typer.Option(help="How gates are set: by their scores (greedy), at random, or all open without scaling.")
    ] = "greedy",
    rate: Annotated[float, typer.Option(min=0, max=1, help="With --policy random: probability of the more expensive option.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="With --policy random: seed of the gates.")] = 0,
    corrupt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:SEVERITY",
            help="Measure also on images with a corruption of a severity from 1 to 5, as gaussian_noise:3, or all:3 for each kind; "
            "may be repeated.",
        ),
    ] = None,
    sets: MovedData = None,
    changed_data: Annotated[bool, typer.Option("--changed-data", help="Also where files were added, removed or changed since.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy, F1, cost and routes on a run's images.

    A run that serves every λ is measured at 11 values of λ unless an option chooses others.
    """
    from core.datasets.sources.corruption import corruptions
    from core.explain.model import load_model

    store = opened(db, run)
    model = load_model(store, run)
    _check(model, {"--grid": grid, "--lam": lam, "--budgets": budgets}, policy)
    shares = [] if budgets is None else _budgets(budgets)
    changes = [None, *(one for words in corrupt or [] for one in corruptions(words))]
    dataset = moved_dataset(model.config, sets)
    lams = _lams(model, store.runs.get(run), lam, grid, shares)
    with bar() as progress:
        task = progress.add_task("reading", total=1.0)
        data = dataset.read(lambda what, share: progress.update(task, description=what, completed=share))
        for note in data.notes:
            progress.console.print(note)
        data.check(model.image, model.classes, None if changed_data else store.runs.get(run).fingerprint)
        part = data.val if split == "val" else data.test
        progress.update(task, description="evaluating", total=len(part) * len(lams) * len(changes), completed=0)
        rows: list[dict[str, Any]] = []
        for change in changes:
            settings = [(at, _policy(policy, rate, seed)) for at in lams]
            measured = _rows(model, _changed(part, change), settings, shares, lambda done: progress.advance(task, done))
            rows += [row | ({"corruption": change and str(change)} if corrupt else {}) for row in measured]
    if as_json:
        print_json(rows)
        return
    _print_rows(rows, f"{model.run}: {split} split, {len(part)} images")


def _rows(
    model: "Model",
    part: "Split",
    settings: "list[tuple[float | None, Policy]]",
    shares: list[float],
    report: "CountCallback",
) -> list[dict[str, Any]]:
    """Return the figures at each setting, with the budget where budgets were given."""
    from core.evaluation.evaluate import evaluations

    rows: list[dict[str, Any]] = [one.to_json() for one in evaluations(model.graph, part, settings, report)]
    for row, share in zip(rows, shares, strict=False):
        row["budget"] = share
    return rows


def _changed(part: "Split", change: "Corruption | None") -> "Split":
    from core.datasets import Split
    from core.datasets.sources.corruption import corrupted

    return part if change is None else Split(corrupted(part.images, change), part.labels)


def _check(model: "Model", given: dict[str, Any], policy: PolicyName) -> None:
    """Raise ConfigError for options that cannot go together, or that the network does not serve."""
    chosen = [option for option, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)} cannot be combined: give one of them")
    if chosen and chosen != ["--lam"] and not model.graph.tradeoff.every_lam:
        raise ConfigError(f"{chosen[0]} needs a run that serves every λ, and {model.run} does not: leave it out")
    if policy == "random" and any(control.decides == "each" for control in model.graph.controls):
        raise ConfigError(
            f"--policy random draws gates of 0 or 1, and those of {model.run} also scale: "
            f"`python -m core report {shlex.quote(model.run)}` compares it with random gates that scale alike"
        )


def _lams(model: "Model", run: "Run", lam: float | None, grid: int | None, budgets: list[float]) -> list[float | None]:
    """Return the values of λ to evaluate at. Raises ConfigError and GraphError."""
    from core.explain.predict import resolve_lam

    if budgets:
        return [lam_of_run(run, budget) for budget in budgets]
    if lam is None and model.graph.tradeoff.every_lam:
        points = grid or len(TENTHS)
        return [resolve_lam(model, step / (points - 1)) for step in range(points)]
    return [resolve_lam(model, lam)]


def _policy(name: PolicyName, rate: float, seed: int) -> "Policy":
    import torch

    from core.graph.policy import Greedy, Open, Random

    choices: dict[str, Policy] = {"greedy": Greedy(), "open": Open(), "random": Random(rate, torch.Generator().manual_seed(seed))}
    return choices[name]


def _budgets(text: str) -> list[float]:
    """Return the numbers of --budgets. Raises ConfigError."""
    words = text.split(",")
    if len(words) > MAX_LAMS:
        raise ConfigError(f"--budgets: give no more than {MAX_LAMS} numbers")
    return list(map(_budget, words))


def _budget(word: str) -> float:
    """Return one number of --budgets. Raises ConfigError."""
    try:
        return float(word)
    except ValueError:
        raise ConfigError(f"--budgets: {word!r} is not a number; write 0.55 for 55% of the static network's cost") from None


def _print_rows(rows: list[dict[str, Any]], title: str) -> None:
    budgets = any("budget" in row for row in rows)
    headings = ("λ", "accuracy", "F1", "precision", "recall", "multiply-adds", "share of static")
    changes = any("corruption" in row for row in rows)
    more = [name for name, there in (("budget", budgets), ("images", changes)) if there]
    table = Table(*headings, *more, "routes", title=title)
    letters = _letters(rows)
    for row, cells in zip(rows, cost_cells(rows), strict=True):
        added = [f"{row['budget']:.1%}"] if budgets else []
        added += [row["corruption"] or "as they are"] if changes else []
        table.add_row(lam_text(row["lam"]), *(f"{row[name]:.4f}" for name in SCORES), *cells, *added, _routes(row, letters))
    print_table(table)
    _print_letters(letters)


def _letters(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], str]:
    """Return a letter for each of the most frequent routes, which are tuples of the nodes that ran."""
    frequency: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        frequency.update({tuple(route["nodes"]): route["share"] for route in row["routes"]})
    return {nodes: letter for (nodes, _), letter in zip(frequency.most_common(NAMED_ROUTES), ascii_uppercase, strict=False)}


def _routes(row: dict[str, Any], letters: dict[tuple[str, ...], str]) -> str:
    """Return the shares of the images that took each route, such as "A 84%, B 16%"; routes without a letter are counted together."""
    shares = {letters[nodes]: route["share"] for route in row["routes"] if (nodes := tuple(route["nodes"])) in letters}
    others = 1 - sum(shares.values())
    return ", ".join(f"{name} {share:.0%}" for name, share in (shares | ({"others": others} if others > LEAST_SHARE else {})).items())


def _print_letters(letters: dict[tuple[str, ...], str]) -> None:
    """Print which nodes run on each route."""
    always = [node for node in next(iter(letters)) if all(node in nodes for nodes in letters)]
    say(f"Every route{' with a letter' * (len(letters) == NAMED_ROUTES)} runs {', '.join(always)}.")
    for nodes, letter in letters.items():
        more = [node for node in nodes if node not in always]
        say(f"Route {letter} also runs {', '.join(more)}." if more else f"Route {letter} runs nothing else.")
