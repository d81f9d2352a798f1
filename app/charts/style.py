"""The look that all charts share. Loads without torch and without streamlit."""

from typing import Any

import plotly.graph_objects as go

from app.colours import LINES

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")  # distinguishable without colour too


def line_style(index: int) -> dict[str, Any]:
    """Return the style of the line with this number: the first twenty-five differ in colour or dashes."""
    dash = DASHES[(index + index // len(LINES)) % len(DASHES)]
    return {"color": LINES[index % len(LINES)], "width": 2, "dash": dash}


def frame(figure: go.Figure, height: int, title: str = "") -> go.Figure:
    """Give a chart its height, its margins, a title at the left, and a legend below the axis."""
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left"},
        height=height,
        margin={"l": 8, "r": 8, "t": 40 if title else 8, "b": 8},
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
    )
    figure.update_xaxes(automargin=True)
    return figure.update_yaxes(automargin=True)
