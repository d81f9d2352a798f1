"""What the modules of a network do: the routes that images take, and how often each module runs.

Loads without torch and without streamlit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.charts.style import frame
from app.colours import LINES, SOFT, Colour, contrast, rgb
from app.wording import in_chart

MODULES_HEIGHT = 320
MOST = 6  # routes with a band of their own
SELDOM, ALWAYS = "#e3f3f0", "#0d6c65"  # cells of modules that run for no image, and for every image
DARK_INK, LIGHT_INK = "#000000", "#ffffff"


def routes_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return the share of the images on each route, against λ."""
    distinguishing = distinguishing_nodes(rows)
    shares: dict[str, dict[float, float]] = {}
    for row in rows:
        for route in row["routes"]:
            name = " + ".join(node for node in distinguishing if node in route["nodes"]) or "no optional module"
            along = shares.setdefault(name, {})
            along[row["lam"]] = along.get(row["lam"], 0.0) + route["share"]
    lams = [row["lam"] for row in rows]
    ranked = sorted(shares, key=lambda name: -sum(shares[name].values()))
    figure = go.Figure()
    for index, name in enumerate(ranked[:MOST]):
        _band(figure, name, lams, [shares[name].get(lam, 0.0) for lam in lams], LINES[index % len(LINES)], index >= len(LINES))
    if rest := ranked[MOST:]:
        others = [sum(shares[name].get(lam, 0.0) for name in rest) for lam in lams]
        _band(figure, f"{len(rest)} other route{'s' * (len(rest) > 1)}", lams, others, SOFT, False)
    frame(figure, MODULES_HEIGHT, "Share of the test images on each route")
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title="λ", range=[0, 1])
    return figure.update_yaxes(range=[0, 1], tickformat=".0%")


def execution_rates_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return the share of the images for which each module ran, against λ: a row per module that some images skip."""
    nodes = distinguishing_nodes(rows)
    lams = [f"{row['lam']:g}" for row in rows]
    rates = [[row["execution_rates"].get(node, 0.0) for row in rows] for node in nodes]
    texts = [[f"{rate:.0%}" for rate in along] for along in rates]
    hover = "%{y} at λ = %{x}: %{text}<extra></extra>"
    scale = [[0, SELDOM], [1, ALWAYS]]  # opaque, so that its cells are the same on light and dark paper
    labels = list(map(in_chart, nodes))
    cells = go.Heatmap(z=rates, x=lams, y=labels, zmin=0, zmax=1, colorscale=scale, text=texts, hovertemplate=hover, showscale=False)
    figure = go.Figure(cells)
    for ink in (DARK_INK, LIGHT_INK):
        found = [
            (lam, node, text)
            for node, along, words in zip(labels, rates, texts, strict=True)
            for lam, rate, text in zip(lams, along, words, strict=True)
            if ink_on(cell_colour(rate)) == ink
        ]
        xs, ys, words = zip(*found, strict=True) if found else ((), (), ())
        figure.add_scatter(x=xs, y=ys, text=words, mode="text", textfont={"color": ink, "size": 12}, hoverinfo="skip", showlegend=False)
    frame(figure, MODULES_HEIGHT, "Share of the test images for which each module ran")
    figure.update_xaxes(title="λ", type="category")
    return figure.update_yaxes(autorange="reversed", type="category")


def cell_colour(rate: float) -> Colour:
    """Return the red, green and blue, 0 to 255, of a cell of the heat map."""
    red, green, blue = (start + (end - start) * rate for start, end in zip(rgb(SELDOM), rgb(ALWAYS), strict=True))
    return red, green, blue


def ink_on(colour: Colour) -> str:
    """Return the ink with the higher contrast on a colour, as WCAG 2.2 defines contrast."""
    return max((DARK_INK, LIGHT_INK), key=lambda ink: contrast(rgb(ink), colour))


def distinguishing_nodes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the nodes by which routes differ, in order; of nodes that always ran together, the first."""
    routes = [set(route["nodes"]) for row in rows for route in row["routes"]]
    patterns: dict[tuple[bool, ...], str] = {}
    for node in rows[0]["execution_rates"]:
        pattern = tuple(node in route for route in routes)
        if not all(pattern) and any(pattern):
            patterns.setdefault(pattern, node)
    return list(patterns.values())


def _band(figure: go.Figure, name: str, lams: list[float], shares: list[float], color: str, hatched: bool) -> None:
    figure.add_scatter(
        x=lams,
        y=shares,
        name=in_chart(name),
        mode="lines" if len(lams) > 1 else "markers",
        line={"width": 0.5, "color": color},
        stackgroup="routes",
        fillpattern={"shape": "/"} if hatched else None,
        hovertemplate="%{y:.0%}",
    )
