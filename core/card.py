"""A model card: what a run is, how it was made and what it reaches, in Markdown, from the run alone."""

from typing import Any

from core.config import run_config


def card(told: dict[str, Any]) -> str:
    """The card of an exported run from its header."""
    config = run_config(**told["config"])
    channels, height, width = told["image"]
    serves = (
        "every λ from 0 to 1"
        if config.lam is None and config.method.name != "static"
        else f"λ = {config.lam:g}"
        if config.lam is not None
        else "no λ"
    )
    lines = [
        f"# {told['name']}",
        "",
        f"{told['architecture']} on {told['dataset']}, trained by method {told['method']}; it serves {serves}.",
        "",
        f"- Images: {channels}×{height}×{width}; classes: {', '.join(told['classes'])}",
        f"- Seed: {told['seed']} (one run, so no deviation over seeds)",
        f"- Trained by: `{config.command()}`",
    ]
    if told.get("seconds"):
        lines.append(f"- Time to train: {told['seconds'] / 60:.1f} minutes on two processor cores, shared with other work")
    for part, title in (("test", "Test split: reported, never chosen by"), ("val", "Validation split")):
        rows = told["figures"][part]
        lines += ["", f"## {title} ({rows[0]['n']} images)", "", *table(rows)]
    lines += ["", "Multiply-adds are those of convolutions and linear layers, controllers included.", ""]
    return "\n".join(lines)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """One line per λ."""
    lines = ["| λ | accuracy | F1 | multiply-adds per image | share of the static network |", "|---|---|---|---|---|"]
    for row in rows:
        lam = "–" if row["lam"] is None else f"{row['lam']:.1f}"
        share = row["macs_mean"] / row["macs_static"]
        lines.append(f"| {lam} | {row['accuracy']:.4f} | {row['f1']:.4f} | {row['macs_mean']:,.0f} | {share:.1%} |")
    return lines
