"""Write the report of a sweep: one HTML file with its charts, its figures and the commands that repeat it. Needs no server.

Loads without torch and without streamlit.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.charts.averages import STATIC_NETWORKS
from app.wording import counted, lam_name, percent
from core.config import run_config
from core.evaluation.seeds import MeanRow
from core.registry import ConfigError
from core.scale import cost_share
from core.store import Run

REPORT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%(title)s</title>
<style>
:root { color-scheme: light; }
body { margin: 24px auto; max-width: 1080px; padding: 0 16px; font: 15px/1.5 system-ui, sans-serif; color: #0f1722; background: #fff; }
h1 { font-size: 24px; } h2 { font-size: 18px; margin-top: 32px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid #d9dee6; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; }
pre { padding: 10px 12px; background: #f5f7fa; border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; }
footer { margin: 32px 0; color: #6b7686; font-size: 13px; }
</style>
<h1>%(title)s</h1>
%(sentences)s
%(charts)s
<h2>Figures</h2>
<p>Measured on the test images, which choose nothing. Costs are multiply-adds per image, controllers included. ± is the standard
deviation over seeds.</p>
<div class="wide"><table>%(table)s</table></div>
<h2>Commands that repeat these runs</h2>
<pre>%(commands)s</pre>
<footer>Written by Gatescope. λ weighs accuracy against cost: at 0 a network spends least, at 1 it is most accurate.</footer>
</html>
"""
HEADINGS = ("Network", "Seeds", "λ", "Accuracy", "Multiply-adds", "Share of the static network")


@dataclass(frozen=True)
class ReportedSeries:
    """Networks that are reported under one name."""

    name: str
    rows: Sequence[MeanRow]


def sweep_report(title: str, sentences: Sequence[str], charts: Mapping[str, go.Figure], series: Sequence[ReportedSeries]) -> str:
    """Return the report as a page. `sentences` are plain text; `charts` have their headings as keys."""
    runs = {run.name: run for one in series for row in one.rows for run in row.runs}
    parts = {
        "title": html.escape(title),
        "sentences": "\n".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences),
        "charts": "\n".join(_charts(charts)),
        "table": "\n".join(_table(series)),
        "commands": html.escape("\n".join(command_of(run) for run in runs.values())),
    }
    return REPORT_PAGE % parts


def command_of(run: Run) -> str:
    """Return the command that repeats a run, with its name as a comment."""
    try:
        return f"{run_config(**run.config).command()}  # {run.name}"
    except ConfigError as error:
        return f"# {run.name}: this version of Gatescope does not know its settings ({error})"


def _charts(charts: Mapping[str, go.Figure]) -> Iterator[str]:
    """Yield the charts as HTML. The first brings the library that draws them all."""
    for number, (heading, chart) in enumerate(charts.items()):
        drawn = go.Figure(chart).update_layout(template="plotly_white", font={"family": "system-ui, sans-serif", "color": "#0f1722"})
        yield f"<h2>{html.escape(heading)}</h2>"
        yield drawn.to_html(include_plotlyjs=number == 0, full_html=False, config={"displaylogo": False, "responsive": True})


def _table(series: Sequence[ReportedSeries]) -> Iterator[str]:
    yield f"<tr>{''.join(f'<th>{heading}</th>' for heading in HEADINGS)}</tr>"
    for one in series:
        for row in one.rows:
            name = row.runs[0].name if one.name == STATIC_NETWORKS else one.name
            accuracy = f"{row.accuracy:.2%}{'' if row.accuracy_spread is None else f' ± {100 * row.accuracy_spread:.2f}'}"
            cost = f"{counted(row.macs)}{'' if row.macs_spread is None else f' ± {counted(row.macs_spread)}'}"
            lam = "–" if row.lam is None else lam_name(row.lam).removeprefix("λ = ")
            cells = (name, str(len(row.runs)), lam, accuracy, cost, percent(cost_share(row.macs, row.macs_static)))
            yield f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
