"""The cheapest λ that is still right, over test images. Loads without torch and without streamlit."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app.charts.style import frame
from app.colours import LINES

CHEAPEST_HEIGHT = 240
NEVER = "never"


def cheapest_right_chart(lams: Sequence[float | None], counts: Sequence[int], never: int) -> go.Figure:
    """Return the share of images for each λ at which their right answer costs least, and of those that are right at no λ."""
    total = max(sum(counts) + never, 1)
    names = [*("the only λ" if lam is None else f"{lam:g}" for lam in lams), NEVER]
    shares = [count / total for count in [*counts, never]]
    figure = go.Figure(
        go.Bar(
            x=names,
            y=shares,
            text=[f"{share:.0%}" if share >= 0.005 else "" for share in shares],
            textposition="outside",
            marker={"color": [LINES[0]] * len(counts) + [LINES[1]]},
            hovertemplate="%{x}: %{y:.1%} of the images<extra></extra>",
        )
    )
    frame(figure, CHEAPEST_HEIGHT)
    figure.update_xaxes(title="cheapest λ at which the answer is right", type="category")
    return figure.update_yaxes(tickformat=".0%", range=[0, 1.15 * max(shares)], showticklabels=False)


def accuracy_chart(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return the share of the test images that are answered rightly at each λ, from stored figures."""
    names = ["the only λ" if row["lam"] is None else f"{row['lam']:g}" for row in rows]
    shares = [row["accuracy"] for row in rows]
    texts = [f"{share:.0%}" for share in shares]
    figure = go.Figure(go.Bar(x=names, y=shares, text=texts, textposition="outside", marker={"color": LINES[0]}))
    frame(figure, CHEAPEST_HEIGHT)
    figure.update_xaxes(title="λ", type="category")
    return figure.update_yaxes(tickformat=".0%", range=[0, 1.15], showticklabels=False)
