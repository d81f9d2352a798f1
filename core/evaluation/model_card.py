"""The model card of an exported run, in Markdown: its configuration, training and results."""

import re
from collections.abc import Sequence
from statistics import mean, stdev

from core.config import RunConfig, run_config
from core.evaluation.collapse import Collapsed
from core.evaluation.report import HIGH, LOW, beaten_by, gain, mean_dependence
from core.graph.description import describe
from core.pareto import ParetoPoint
from core.store.exchange import Header
from core.store.record import Row


def card(header: Header, siblings: Sequence[Sequence[Row]] = ()) -> str:
    """Return the card of an exported run from its header.

    `siblings` are the test figures of the runs that differ in the seed alone, its own included.
    """
    config = run_config(**header.config)
    channels, height, width = header.image
    seeds = f"one of {len(siblings)}; the test figures give means over all" if len(siblings) > 1 else "the only one trained"
    lines = [
        f"# {plain(header.name)}",
        "",
        f"{header.architecture} on {header.dataset}, trained with method {header.method}. It serves {_serves(config)}.",
        "",
        f"- Images: {channels}×{height}×{width}; classes: {', '.join(map(plain, header.classes))}",
        f"- Seed: {header.seed} ({seeds})",
        f"- Command: {code(config.command())}",
    ]
    if header.seconds:
        lines.append(f"- Time to train: {header.seconds / 60:.1f} minutes{f' on {plain(header.machine)}' if header.machine else ''}")
    elif header.machine:
        lines.append(f"- Weights: trained on {plain(header.machine)}. The command has its options as far as this project knows them.")
    lines += [f"- Weights of {plain(name)}: {plain(origin)}" for name, origin in config.architecture.origins.items()]
    if config.gated:
        graph = config.method.prepare(
            config.architecture.build(header.image, len(header.classes), every_lam=config.lam is None), config.lam
        )
        if graph.tradeoff.exchange_rate is not None and header.exchange_rate is not None:
            graph.tradeoff.exchange_rate.fill_(header.exchange_rate)
        if graph.tradeoff.description:
            lines.append(f"- {graph.tradeoff.description}")
        share = describe(graph)["controllers_share"]
        lines.append(f"- Controllers: {share:.2%} of the static network's multiply-adds")
    lines += [f"- {plain(str(Collapsed(**control.model_dump())))}" for control in header.figures.collapsed]
    for rows, title in ((header.figures.test, "Test split, which chooses nothing"), (header.figures.val, "Validation split")):
        lines += ["", f"## {title} ({rows[0].n} images)", "", *table(rows, siblings if rows is header.figures.test else ())]
    lines += _gains(header)
    lines += ["", "Multiply-adds are those of convolutions and linear layers. Controllers are included.", ""]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return a text on one line so that Markdown shows it as it is: without links, pictures, tags or emphasis."""
    line = re.sub(r"([\\`*\[\]<>&|#$~]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|@)", r"\\\1", " ".join(text.split()))
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)


def code(text: str) -> str:
    """Return a text on one line as code, between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " * (len(fence) > 1)
    return f"{fence}{space}{' '.join(text.split())}{space}{fence}"


def table(rows: Sequence[Row], siblings: Sequence[Sequence[Row]] = ()) -> list[str]:
    """Return a table with one line per λ; with several siblings also their means and standard deviations."""
    several = len(siblings) > 1
    over = f" accuracy over {len(siblings)} seeds | share over {len(siblings)} seeds |" if several else ""
    lines = [
        f"| λ | accuracy | F1 | multiply-adds per image | share of the static network |{over}",
        f"|---|---|---|---|---|{'---|---|' * several}",
    ]
    for number, row in enumerate(rows):
        lam = "–" if row.lam is None else f"{row.lam:g}"
        share = row.cost_share
        line = f"| {lam} | {row.accuracy:.4f} | {row.f1:.4f} | {row.macs_mean:,.0f} | {share:.1%} |"
        if several:
            accuracies = [sibling[number].accuracy for sibling in siblings]
            shares = [sibling[number].cost_share for sibling in siblings]
            line += f" {mean(accuracies):.4f} ± {stdev(accuracies):.4f} | {mean(shares):.1%} ± {stdev(shares):.1%} |"
        lines.append(line)
    return lines


def _serves(config: RunConfig) -> str:
    if not config.gated:
        return "no λ"
    return "every λ from 0 to 1" if config.lam is None else f"λ = {config.lam:g}"


def _gains(header: Header) -> list[str]:
    """Return the gains over the baselines, where these were measured."""
    own = [ParetoPoint(row.cost_share, row.accuracy) for row in header.figures.test]
    share = mean_dependence(own, [row.dependence for row in header.figures.test])
    measured = header.figures.baselines.get("test", {})
    fronts = {name: [ParetoPoint(point.cost, point.accuracy) for point in front] for name, front in measured.items()}
    gains = {name: gain(own, front) for name, front in fronts.items() if front and name != "full path"}
    if not gains:
        return []
    where = f"mean over {LOW:.0%} to {HIGH:.0%} of the static network's cost" if len(own) > 1 else "at its cost"
    lines = ["", f"## Gains on the test split, in points, {where}", ""]
    lines += [f"- over {plain(name)}: {100 * gained:+.2f}" for name, gained in gains.items()]
    for sentence in beaten_by(own, fronts):
        lines += ["", plain(sentence)]
    if share is not None:
        lines += ["", f"The image explains {share:.0%} of the variance of the gates, mean over the same costs."]
    return lines
