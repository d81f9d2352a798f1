"""The charts of an atlas and its groups of modules, from two classes to a hundred and from few nodes to many."""

import math
from dataclasses import replace

import numpy as np
import pytest

from app.atlas import MAX_SINGLE, module_groups
from app.charts import atlas as charts
from core.explain.atlas.atlas import Atlas
from core.registry import choose


def random_atlas(classes: int, nodes: int, count: int = 300, lams: tuple[float | None, ...] = (0.0, 0.5, 1.0)) -> Atlas:
    """An atlas of images that run more nodes at a higher λ."""
    random = np.random.default_rng(0)
    needs = random.random((count, 1, nodes))
    ran = needs < np.linspace(0.2, 0.8, len(lams))[None, :, None]
    ran[..., 0] = True
    return Atlas(
        lams,
        tuple(f"block {number}" for number in range(nodes)),
        np.ones(nodes, bool),
        tuple(f"class {number}" for number in range(classes)),
        count,
        labels=np.arange(count) % classes,
        ran=ran,
        computed=ran.astype(np.float16),
        answers=random.integers(0, classes, (count, len(lams))),
        costs=ran.mean(axis=2).astype(np.float32),
    )


def singly(atlas: Atlas) -> list[tuple[str, list[int]]]:
    return [(atlas.nodes[node], [node]) for node in atlas.optional]


@pytest.mark.parametrize("nodes", [3, 12])
def test_flows_lead_all_images_to_right_and_wrong(nodes: int) -> None:
    atlas = random_atlas(4, nodes)
    (sankey,) = charts.routes_flow(atlas, singly(atlas), 1, "#000000").data
    link, names = sankey.link, list(sankey.node.label)
    out, into = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(out, list(link.source), link.value)
    np.add.at(into, list(link.target), link.value)
    ends = {name: into[names.index(name)] for name in ("right", "wrong")}
    assert out[names.index("all images")] == pytest.approx(1)
    assert ends["right"] == pytest.approx(atlas.accuracy(1))
    assert ends["right"] + ends["wrong"] == pytest.approx(1)
    between = [place for place, name in enumerate(names) if name not in ("all images", "right", "wrong")]
    assert out[between] == pytest.approx(into[between])
    assert all(source != target for source, target in zip(link.source, link.target, strict=True))


def test_a_folded_module_has_a_station_for_each_number_of_its_members() -> None:
    atlas = random_atlas(2, 4)
    (sankey,) = charts.routes_flow(atlas, [("block 1 … 3", [1, 2, 3])], 2, "#000000").data
    assert set(sankey.node.label) <= {"all images", "right", "wrong", "other ways"} | {f"block 1 … 3: {n} of 3" for n in (1, 2, 3)}


def test_of_many_modules_in_a_group_ranges_are_stations() -> None:
    atlas = random_atlas(2, 11)
    (sankey,) = charts.routes_flow(atlas, [("block 1 … 10", list(range(1, 11)))], 1, "#000000").data
    stations = [name for name in sankey.node.label if name.startswith("block")]
    assert set(stations) <= {f"block 1 … 10: {numbers} of 10" for numbers in ("1 to 2", "3 to 5", "6 to 7", "8 to 10")}
    assert len(stations) > 1


def test_seldom_ways_are_summed() -> None:
    atlas = random_atlas(2, 12)
    runs = np.zeros_like(atlas.ran)
    runs[:200, :, 0] = True
    runs[200:, :, :] = atlas.ran[200:]
    (sankey,) = charts.routes_flow(replace(atlas, ran=runs), [(name, [node]) for node, name in enumerate(atlas.nodes)], 1, "#000000").data
    assert any("other ways" in name for name in sankey.node.label)


@pytest.mark.parametrize(("classes", "nodes"), [(2, 5), (10, 40), (100, 120)])
def test_charts_hold_any_number_of_classes_and_nodes(classes: int, nodes: int) -> None:
    atlas = random_atlas(classes, nodes)
    groups = singly(atlas)
    rates, confusion, costs = (
        charts.class_rates_chart(atlas, groups, 1),
        charts.confusion_chart(atlas, 1),
        charts.class_costs_chart(atlas, 1),
    )
    assert np.shape(rates.data[0].z) == (classes, len(groups))
    assert np.shape(confusion.data[0].z) == (classes, classes)
    assert np.asarray(confusion.data[0].z).sum(axis=1) == pytest.approx(1)
    assert len(costs.data[0].x) == classes
    assert list(costs.data[0].x) == sorted(costs.data[0].x), "cheapest first"
    assert list(costs.data[0].y) == list(rates.data[0].y)
    assert all(figure.layout.height <= 1200 for figure in (rates, confusion, costs))
    assert (len(rates.data) > 1) == (classes * len(groups) <= charts.MAX_TEXT_CELLS)


def test_the_histogram_counts_every_image_once() -> None:
    atlas = random_atlas(3, 6)
    unknown = replace(atlas, labels=np.where(np.arange(len(atlas)) < 20, -1, atlas.labels))
    figure = charts.cost_and_answers_chart(unknown, 1)
    counts = {bar.name: int(np.sum(bar.y)) for bar in figure.data}
    right = int(unknown.right[:, 1].sum())
    assert counts == {"right": right, "wrong": len(atlas) - 20 - right, "class not known": 20}


def test_a_network_of_one_cost_and_one_route_has_its_charts() -> None:
    atlas = random_atlas(2, 1, lams=(None,))
    assert atlas.optional == []
    assert int(np.sum([np.sum(bar.y) for bar in charts.cost_and_answers_chart(atlas, 0).data])) == len(atlas)
    assert charts.class_costs_chart(atlas, 0).data[0].x == pytest.approx([1, 1])


def test_an_image_without_an_answer_has_a_column_of_its_own() -> None:
    atlas = random_atlas(3, 4)
    lost = replace(atlas, answers=np.where(np.arange(len(atlas))[:, None] == 0, -1, atlas.answers))
    assert charts.confusion_chart(lost, 1).data[0].x[-1] == "no answer"
    assert "no answer" not in charts.confusion_chart(atlas, 1).data[0].x


def test_the_most_frequent_wrong_answers_are_named() -> None:
    atlas = replace(random_atlas(3, 2), answers=np.zeros((300, 3), int))
    assert charts.frequent_confusions(atlas, 0, 5) == [("class 1", "class 0", 100), ("class 2", "class 0", 100)]


def test_modules_of_a_large_graph_are_folded_where_they_repeat() -> None:
    nodes = choose("architectures", {"name": "lc_resnet", "depth": "110"}).build((3, 32, 32), 10).nodes
    atlas = replace(random_atlas(2, 2, 1), nodes=tuple(node.name for node in nodes[1:]))
    every = list(range(len(atlas.nodes)))
    groups = module_groups(nodes, atlas, every)
    assert len(groups) < len(every)
    assert sorted(node for _, members in groups for node in members) == every
    few = module_groups(nodes, atlas, every[:MAX_SINGLE])
    assert few == [(atlas.nodes[node], [node]) for node in every[:MAX_SINGLE]]


def test_names_of_classes_are_shown_as_they_are() -> None:
    atlas = replace(random_atlas(2, 3), classes=("<b>one</b>", "two"))
    assert "&lt;b&gt;one&lt;/b&gt;" in charts.confusion_chart(atlas, 0).data[0].x
    assert "&lt;b&gt;one&lt;/b&gt;" in charts.class_costs_chart(atlas, 0).data[0].y


def test_accuracy_and_cost_along_lam_are_those_of_the_atlas() -> None:
    atlas = random_atlas(3, 4)
    accuracy, cost = charts.along_chart(atlas, 1).data
    assert list(accuracy.y) == pytest.approx([atlas.accuracy(at) for at in range(3)])
    assert list(cost.y) == pytest.approx(atlas.costs.mean(axis=0).tolist())
    assert not any(math.isnan(value) for value in accuracy.y)
