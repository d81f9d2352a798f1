"""How open the gates of a network are after each epoch of its training. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.charts.curves import CHANNELS, RATES, Curve
from app.charts.modules import ALWAYS, SELDOM
from app.charts.style import frame

OPENNESS_HEIGHT = 320
OPENNESS_TENTHS = 10
FOR_NONE, FOR_ALL = "none", "all"  # rows of the modules that ran for no image, and for every image
CLOSE_TO_WHOLE = 1e-9  # a share this near to 0 or 1 is that: it is a mean of rounded numbers
OPENNESS_TITLES = {
    RATES: "Modules by the share of images for which they ran",
    CHANNELS: "Modules by the share of their channels that were open",
}


def openness_charts(curve: Curve) -> dict[str, go.Figure]:
    """Return by its title each heat map that a run's curve has the shares for: none for a network without gates."""
    charts = {}
    for start, title in OPENNESS_TITLES.items():
        shares = [dict(points) for name, points in curve.items() if name.startswith(start)]
        if shares:
            charts[title] = _openness_chart(title, shares)
    return charts


def histogram_rows() -> list[str]:
    """Return the ranges of shares that modules are counted in, from the lowest: none, ten tenths, all."""
    width = 100 // OPENNESS_TENTHS
    return [FOR_NONE, *(f"{low}–{low + width}%" for low in range(0, 100, width)), FOR_ALL]


def histogram_row(share: float) -> int:
    """Return the number of the row of a share from 0 to 1."""
    if share <= CLOSE_TO_WHOLE:
        return 0
    return OPENNESS_TENTHS + 1 if share >= 1 - CLOSE_TO_WHOLE else 1 + min(int(share * OPENNESS_TENTHS), OPENNESS_TENTHS - 1)


def _openness_chart(title: str, shares: Sequence[Mapping[float, float]]) -> go.Figure:
    """Return how many modules have a share in each range after each epoch. `shares`: of each module, by epoch; NaN counts nowhere."""
    rows, epochs = histogram_rows(), sorted({epoch for along in shares for epoch in along})
    counts: list[list[int | None]] = [[None] * len(epochs) for _ in rows]  # an empty cell shows the paper
    for column, epoch in enumerate(epochs):
        for along in shares:
            share = along.get(epoch, float("nan"))
            if share == share:
                row = histogram_row(share)
                counts[row][column] = (counts[row][column] or 0) + 1
    cells = go.Heatmap(
        z=counts,
        x=epochs,
        y=rows,
        zmin=0,
        zmax=len(shares),
        colorscale=[[0, SELDOM], [1, ALWAYS]],
        colorbar={"title": {"text": "modules"}, "thickness": 12, "tickformat": "d", "nticks": min(len(shares), 5) + 1},
        hoverongaps=False,
        xgap=1 if len(epochs) <= OPENNESS_HEIGHT // 4 else 0,
        ygap=1,
        hovertemplate=f"epoch %{{x}}, %{{y}}: %{{z}} of {len(shares)} modules<extra></extra>",
    )
    figure = frame(go.Figure(cells), OPENNESS_HEIGHT, title)
    figure.update_xaxes(title="Epoch", showgrid=False, tickformat="d", dtick=1 if len(epochs) <= OPENNESS_TENTHS else None)
    return figure.update_yaxes(type="category", categoryorder="array", categoryarray=rows, range=[-0.5, len(rows) - 0.5], showgrid=False)
