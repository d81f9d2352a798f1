"""The charts of an atlas at one λ: routes, classes, costs, answers. Loads without torch and without streamlit."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from app.charts.modules import ALWAYS, DARK_INK, LIGHT_INK, SELDOM, cell_colour, ink_on
from app.charts.style import frame
from app.colours import CATEGORIES, LINES, RIGHT_ANSWER, SOFT, WRONG_ANSWER, rgb
from app.wording import in_chart

if TYPE_CHECKING:
    from core.explain.atlas.atlas import Array, Atlas

Groups = Sequence[tuple[str, Sequence[int]]]  # names of modules with the indices of their nodes
FLOWS = 8  # ways through the modules with a colour of their own
RANGES = 4  # of the number of modules of a group that ran
FEW_FLOWS = 3  # for which the diagram is lower
MAX_TEXT_CELLS = 260  # cells of a heat map that show their figures
MAX_NAMED_CLASSES = 45  # classes whose names stand at an axis; of more, the chart is drawn with thin rows
COST_BINS = 24  # of the histogram of costs
ROW, THIN_ROW, AROUND = 24, 9, 110  # height of a class's row in pixels, and of what surrounds the rows
ROUTES_HEIGHT, FEW_ROUTES_HEIGHT, COST_HEIGHT = 420, 260, 320
ALL_IMAGES = "all images"


def routes_flow(atlas: "Atlas", groups: Groups, at: int, ink: str) -> go.Figure:
    """Return a Sankey diagram of the routes at the λ with this index: from all images through the optional modules to right and wrong.

    A group of several modules has a station for each number of them that ran, or each range of numbers. The most frequent ways have a
    colour each. The others are summed: in one station, or at their own stations where they are most of the images. `ink`: the colour of
    texts, which Plotly does not take from the theme here.
    """
    ways = _ways(atlas, groups, at)
    rest = ways[FLOWS:] if len(ways) > FLOWS + 1 else []
    summed = 2 * sum(count for _, _, count in rest) <= len(atlas)
    columns = {ALL_IMAGES: 0}
    flows: dict[tuple[int, int, str], float] = {}
    for rank, (stations, numbers, _) in enumerate(ways):
        is_rest = bool(rest) and rank >= FLOWS
        colour = SOFT if is_rest else route_colour(numbers[0])
        passed = [f"{len(rest)} other ways"] if is_rest and summed else stations
        rows = np.isin(atlas.route[:, at], numbers)
        for outcome, reached, _ in _outcomes(atlas, at):
            share = float((rows & reached).mean())
            path = [ALL_IMAGES, *passed, outcome] if share else []
            for name in path:
                columns.setdefault(name, len(columns))
            for one, other in pairwise(path):
                link = (columns[one], columns[other], colour)
                flows[link] = flows.get(link, 0.0) + share
    names = list(columns)
    links = list(flows)
    outcomes = {name: colour for name, _, colour in _outcomes(atlas, at)}
    figure = go.Figure(
        go.Sankey(
            node={
                "label": list(map(in_chart, names)),
                "color": [outcomes.get(name, SOFT) for name in names],
                "pad": 14,
                "thickness": 14,
                "line": {"width": 0},
                "hovertemplate": "%{label}: %{value:.1%} of the images<extra></extra>",
            },
            link={
                "source": [source for source, _, _ in links],
                "target": [target for _, target, _ in links],
                "value": list(flows.values()),
                "color": [_clear(colour) for _, _, colour in links],
                "hovertemplate": "%{source.label} → %{target.label}: %{value:.1%} of the images<extra></extra>",
            },
            valueformat=".1%",
            textfont={"color": ink, "size": 13, "shadow": "none"},
        )
    )
    return frame(figure, ROUTES_HEIGHT if len(ways) > FEW_FLOWS else FEW_ROUTES_HEIGHT)


def _outcomes(atlas: "Atlas", at: int) -> list[tuple[str, "Array", str]]:
    """Return what becomes of the images: right, wrong, or of no known class, with these images, (n,) bool, and the colour."""
    right = atlas.right[:, at]
    return [("right", right, RIGHT_ANSWER), ("wrong", atlas.known & ~right, WRONG_ANSWER), ("class not known", ~atlas.known, SOFT)]


def route_colour(number: int) -> str:
    """Return the colour of a route."""
    return CATEGORIES[number] if number < len(CATEGORIES) else SOFT


def _ways(atlas: "Atlas", groups: Groups, at: int) -> list[tuple[list[str], list[int], int]]:
    """Return the stations of each way through the modules, the numbers of its routes, and its images, from the most frequent way."""
    numbers: dict[tuple[str, ...], list[int]] = {}
    counts: dict[tuple[str, ...], int] = {}
    for number, count in atlas.routes_at(at):
        stations = tuple(_stations(atlas, groups, number))
        numbers.setdefault(stations, []).append(number)
        counts[stations] = counts.get(stations, 0) + count
    return [(list(way), numbers[way], counts[way]) for way in sorted(counts, key=lambda way: -counts[way])]


def _stations(atlas: "Atlas", groups: Groups, number: int) -> list[str]:
    """Return the names of the modules that a route passes."""
    passed = []
    for name, members in groups:
        count, most = int(atlas.routes[number, list(members)].sum()), len(members)
        if not count:
            continue
        if most > RANGES:
            low, high = (most * (-(-count * RANGES // most) - turn) // RANGES for turn in (1, 0))
            passed.append(f"{name}: {low + 1} to {high} of {most}")
        else:
            passed.append(name if most == 1 else f"{name}: {count} of {most}")
    return passed


def class_rates_chart(atlas: "Atlas", groups: Groups, at: int) -> go.Figure:
    """Return how much of each module runs for the images of each class: from the class with the lowest mean cost at the top."""
    order = _cheapest_first(atlas, at)
    rates = atlas.class_rates(at, [members for _, members in groups])[order]
    names = [atlas.classes[label] for label in order]
    return _heat_map(rates, [name for name, _ in groups], names, "%{y}: %{x} for %{z:.0%}<extra></extra>")


def confusion_chart(atlas: "Atlas", at: int) -> go.Figure:
    """Return the share of the images of each class that get each answer. Classes keep their order."""
    counts = atlas.confusion(at)
    answers = [*atlas.classes, *(["no answer"] if counts[:, -1].any() else [])]
    totals = counts.sum(axis=1)
    shown = np.flatnonzero(totals)
    shares = counts[shown][:, : len(answers)] / totals[shown, None]
    names = [atlas.classes[label] for label in shown]
    figure = _heat_map(shares, answers, names, "%{y} is answered “%{x}”: %{z:.1%}<extra></extra>", blank=True)
    return figure.update_xaxes(title="answer").update_yaxes(title="class")


def frequent_confusions(atlas: "Atlas", at: int, most: int) -> list[tuple[str, str, int]]:
    """Return the most frequent wrong answers at the λ with this index: (class, answer, images)."""
    counts = atlas.confusion(at)[:, :-1].copy()
    np.fill_diagonal(counts, 0)
    ranked = np.argsort(-counts, axis=None, kind="stable")[:most].tolist()
    places = [divmod(place, counts.shape[1]) for place in ranked]
    return [(atlas.classes[label], atlas.classes[answer], int(counts[label, answer])) for label, answer in places if counts[label, answer]]


def cost_and_answers_chart(atlas: "Atlas", at: int) -> go.Figure:
    """Return a histogram of the costs at the λ with this index, split by right and wrong, over the range of costs at all λ."""
    low, high = float(atlas.costs.min()), float(atlas.costs.max())
    edges = np.linspace(low, high, COST_BINS + 1) if high > low else np.array([low - 0.05, low + 0.05])
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    figure = go.Figure()
    for name, rows, colour in _outcomes(atlas, at):
        if rows.any():
            counts = np.histogram(atlas.costs[rows, at].clip(edges[0], edges[-1]), edges)[0]
            figure.add_bar(
                x=middles,
                y=counts,
                width=widths,
                name=name,
                marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": "/" if name == "wrong" else ""}},
                hovertemplate="cost %{x:.0%}: %{y} images<extra>%{fullData.name}</extra>",
            )
    frame(figure, COST_HEIGHT)
    figure.update_layout(barmode="stack", bargap=0, showlegend=True)
    figure.update_xaxes(title="cost, as a share of the static network’s", tickformat=".0%", range=[edges[0], edges[-1]])
    return figure.update_yaxes(title="images")


def class_costs_chart(atlas: "Atlas", at: int) -> go.Figure:
    """Return the mean cost of each class at the λ with this index, with a line from the 10th to the 90th percentile."""
    order = _cheapest_first(atlas, at)
    low, mean, high = atlas.class_costs(at)[order].T
    names = [atlas.classes[label] for label in order]
    figure = go.Figure(
        go.Scatter(
            x=mean,
            y=list(map(in_chart, names)),
            mode="markers",
            marker={"size": 10 if len(names) <= MAX_NAMED_CLASSES else 6, "color": LINES[0]},
            error_x={"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "color": SOFT, "thickness": 2},
            customdata=np.stack([low, high], axis=1),
            hovertemplate="%{y}: %{x:.1%} on average, 80% of the images from %{customdata[0]:.1%} to %{customdata[1]:.1%}<extra></extra>",
        )
    )
    frame(figure, _height(len(names)))
    figure.update_xaxes(title="cost, as a share of the static network’s", tickformat=".0%")
    return figure.update_yaxes(autorange="reversed", type="category")


def along_chart(atlas: "Atlas", at: int) -> go.Figure:
    """Return accuracy and mean cost of the images along λ, marked at the λ with this index."""
    figure = go.Figure()
    lines = {"accuracy": [atlas.accuracy(index) for index in range(len(atlas.lams))], "mean cost": atlas.costs.mean(axis=0).tolist()}
    for (name, values), colour, dash in zip(lines.items(), LINES, ("solid", "dash"), strict=False):
        figure.add_scatter(x=atlas.lams, y=values, name=name, mode="lines+markers", line={"color": colour, "dash": dash, "width": 2})
    figure.add_vline(x=atlas.lams[at], line={"color": SOFT, "width": 2, "dash": "dot"})
    frame(figure, COST_HEIGHT)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title="λ", range=[-0.03, 1.03])
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")


def _cheapest_first(atlas: "Atlas", at: int) -> list[int]:
    """Return the classes that have images, from the lowest mean cost."""
    means = atlas.class_costs(at)[:, 1]
    return [label for label in np.argsort(means, kind="stable").tolist() if not np.isnan(means[label])]


def _height(rows: int) -> int:
    return AROUND + rows * (ROW if rows <= MAX_NAMED_CLASSES else THIN_ROW)


def _heat_map(shares: "Array", columns: Sequence[str], rows: Sequence[str], hover: str, *, blank: bool = False) -> go.Figure:
    """Return a heat map of shares (rows, columns), with figures where there are few cells. `blank`: none for shares that round to 0%."""
    columns, rows = list(map(in_chart, columns)), list(map(in_chart, rows))
    scale = [[0, SELDOM], [1, ALWAYS]]  # opaque, so that its cells are the same on light and dark paper
    cells = go.Heatmap(z=shares, x=columns, y=rows, zmin=0, zmax=1, colorscale=scale, hovertemplate=hover, showscale=False)
    figure = go.Figure(cells)
    if shares.size <= MAX_TEXT_CELLS:
        for ink in (DARK_INK, LIGHT_INK):
            found = [
                (columns[column], rows[row], f"{share:.0%}")
                for (row, column), share in np.ndenumerate(shares)
                if ink_on(cell_colour(share)) == ink and not (blank and round(100 * share) == 0)
            ]
            xs, ys, words = zip(*found, strict=True) if found else ((), (), ())
            figure.add_scatter(x=xs, y=ys, text=words, mode="text", textfont={"color": ink, "size": 11}, hoverinfo="skip", showlegend=False)
    frame(figure, _height(len(rows)))
    figure.update_xaxes(type="category")
    return figure.update_yaxes(autorange="reversed", type="category")


def _clear(colour: str) -> str:
    """Return a colour that lets half of the paper through."""
    red, green, blue = map(round, rgb(colour))
    return f"rgba({red},{green},{blue},0.5)"
