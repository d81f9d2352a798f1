"""How a dataset is divided: the images of each class in each split. Loads without torch and without streamlit."""

from collections.abc import Mapping

import plotly.graph_objects as go

from app.charts.style import frame
from app.colours import LINES
from app.wording import in_chart

BAR_ROW, BAR_MARGINS = 24, 110  # heights in pixels: of a class, and of the rest
MOST_CLASSES = 30  # classes with a bar of their own
SPLIT_NAMES = {"train": "Training", "val": "Validation", "test": "Test"}


def splits_chart(counts: Mapping[str, Mapping[str, int]]) -> go.Figure:
    """Return the number of images of each class, in each split; of many classes, those with the fewest images."""
    totals = {name: sum(by_class[name] for by_class in counts.values()) for name in next(iter(counts.values()))}
    names = sorted(sorted(totals, key=totals.__getitem__)[:MOST_CLASSES])
    figure = go.Figure()
    for (split, title), colour in zip(SPLIT_NAMES.items(), LINES, strict=False):
        figure.add_bar(
            y=list(map(in_chart, names)),
            x=[counts[split][name] for name in names],
            name=title,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{y}: %{x}<extra>" + title + "</extra>",
        )
    heading = f"{sum(totals.values()):,} pictures of {len(totals)} classes"
    frame(figure, BAR_MARGINS + BAR_ROW * len(names), heading + (f", the {MOST_CLASSES} smallest" if len(totals) > MOST_CLASSES else ""))
    figure.update_layout(barmode="stack", showlegend=True)
    figure.update_xaxes(title="Pictures")
    return figure.update_yaxes(autorange="reversed", type="category")
