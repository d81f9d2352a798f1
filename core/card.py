"""A model card: what a run is, how it was made and what it reaches, in Markdown, from the run alone."""

from collections.abc import Sequence

from core.config import run_config
from core.store.exchange import Header, Row


def card(told: Header) -> str:
    """The card of an exported run from its header."""
    config = run_config(**told.config)
    channels, height, width = told.image
    serves = (
        "every λ from 0 to 1"
        if config.lam is None and config.method.decides
        else f"λ = {config.lam:g}"
        if config.lam is not None
        else "no λ"
    )
    lines = [
        f"# {told.name}",
        "",
        f"{told.architecture} on {told.dataset}, trained by method {told.method}; it serves {serves}.",
        "",
        f"- Images: {channels}×{height}×{width}; classes: {', '.join(told.classes)}",
        f"- Seed: {told.seed} (one run, so no deviation over seeds)",
        f"- Trained by: `{config.command()}`",
    ]
    if told.seconds:
        lines.append(f"- Time to train: {told.seconds / 60:.1f} minutes{f' on {told.machine}' if told.machine else ''}")
    if config.method.decides and told.exchange_rate is not None:
        lines.append(f"- Exchange rate κ: {told.exchange_rate:.3g} (what the static network's whole cost is worth in accuracy)")
    for rows, title in ((told.figures.test, "Test split: reported, never chosen by"), (told.figures.val, "Validation split")):
        lines += ["", f"## {title} ({rows[0].n} images)", "", *table(rows)]
    lines += ["", "Multiply-adds are those of convolutions and linear layers, controllers included.", ""]
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> list[str]:
    """One line per λ."""
    lines = ["| λ | accuracy | F1 | multiply-adds per image | share of the static network |", "|---|---|---|---|---|"]
    for row in rows:
        lam = "–" if row.lam is None else f"{row.lam:g}"
        share = row.macs_mean / row.macs_static
        lines.append(f"| {lam} | {row.accuracy:.4f} | {row.f1:.4f} | {row.macs_mean:,.0f} | {share:.1%} |")
    return lines
