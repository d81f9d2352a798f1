"""Published networks: the table in the code is that of the documents, and charts draw it where it belongs."""

import re
from pathlib import Path

import pytest
from test_charts_tradeoff import EVERY, STATIC, row, run

from app.charts.tradeoff import compared_chart, front_chart, series_of
from core.datasets.cifar10 import Cifar10
from core.published import PUBLISHED_POINTS, PublishedPoint, published

DOCUMENT = Path(__file__).parents[1] / "docs" / "results" / "cifar10.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
SECTION = TEXT[TEXT.index("### Beside published networks") : TEXT.index("### The members")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("|")]


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text.partition("(")[0])]


def rows_of(point: PublishedPoint) -> list[list[str]]:
    """Return the document's rows of a point's network: "CondenseNet-50, -74" stands for two."""
    first, _, variant = point.network.partition("-")
    named = [cells for cells in ROWS if cells[1] == point.network]
    return named or [cells for cells in ROWS if cells[1].startswith(first) and f"-{variant}".partition(",")[0] in cells[1]]


@pytest.mark.parametrize("point", PUBLISHED_POINTS["cifar10"], ids=lambda point: f"{point.network} {point.macs / 1e6:g} M")
def test_a_point_stands_in_the_documents_with_its_source(point: PublishedPoint) -> None:
    stated = [
        cells
        for cells in rows_of(point)
        if any(abs(100 * point.accuracy - number) < 1e-6 for number in numbers(cells[3]))
        and any(abs(point.macs / 1e6 - number) < 1e-6 for number in numbers(cells[4]))
    ]
    assert stated
    label = re.search(r"\]\[(\w+)\]", stated[0][5])
    assert label
    assert f"[{label[1]}]: {point.url}\n" in TEXT
    assert point.kind == stated[0][2]


def test_every_row_of_the_document_is_drawn() -> None:
    stated = sum(len(numbers(cells[4])) for cells in ROWS[2:] if "this cascade" not in cells[1])
    assert stated == len(PUBLISHED_POINTS["cifar10"])


def test_they_are_of_a_dataset_that_exists_and_are_plausible() -> None:
    assert list(PUBLISHED_POINTS) == [Cifar10.model_fields["name"].default]
    assert all(0.8 < point.accuracy < 1 and 1e6 < point.macs < 1e9 for point in PUBLISHED_POINTS["cifar10"])
    assert {point.macs for point in published("cifar10", 11e6)} == {10.9e6}
    assert published("digits", 1e12) == ()


def drawn(chart: object) -> list[tuple[float, float]]:
    return [point for trace in chart.data if trace.name == "published networks" for point in zip(trace.x, trace.y, strict=True)]


def test_charts_draw_them_up_to_their_own_costs() -> None:
    large = run("large", row(0.0, 0.9, 10e6), row(1.0, 0.95, 20e6))
    for chart in (front_chart(series_of([large]), [], [], published_on="cifar10"), compared_chart([large], published_on="cifar10")):
        points = drawn(chart)
        assert (10.9e6, 0.9013) in points
        assert max(cost for cost, _ in points) <= 1.3 * 20e6
        marks = chart.data[-1]
        assert "ShuffleNetV2 ×0.5 (static)<br>90.13% at 10.9 M multiply-adds<br>chenyaofo/pytorch-cifar-models" in marks.text
        assert not marks.customdata  # a click on one leads nowhere
    assert drawn(front_chart(series_of([large]), [], [])) == []
    assert drawn(front_chart(series_of([EVERY]), [STATIC], [], published_on="digits")) == []
    assert drawn(compared_chart([STATIC], published_on="cifar10")) == []  # it costs too little
