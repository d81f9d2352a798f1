"""The atlas of a network agrees with what each image does alone; its figures, its map and its file."""

from pathlib import Path

import numpy as np
import pytest
import torch

import core
from core.datasets import normalised
from core.explain.atlas.atlas import Atlas
from core.explain.atlas.computation import compute_atlas, empty_atlas
from core.explain.atlas.file import atlas_key, read_atlas, write_atlas
from core.explain.atlas.map import positions
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.store import Store


def random_images(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def atlas_of(routes: list[list[int]], answers: list[list[int]], labels: list[int], costs: list[list[float]] | None = None) -> Atlas:
    """An atlas of nodes a, b and c at two values of λ. `routes`: for each image and λ the nodes that ran, as bits."""
    ran = np.array([[[bool(bits >> node & 1) for node in range(3)] for bits in along] for along in routes])
    shares = ran.sum(axis=2) / 3 if costs is None else np.array(costs)
    return Atlas(
        (0.0, 1.0),
        ("a", "b", "c"),
        np.array([True, False, True]),
        ("cat", "dog"),
        len(labels),
        labels=np.array(labels, np.int16),
        ran=ran,
        computed=ran.astype(np.float16),
        answers=np.array(answers, np.int16),
        costs=shares.astype(np.float32),
    )


@pytest.fixture
def atlas() -> Atlas:
    """Four images: two alike, one that a higher cost gets right, and one of no class that a higher cost leads elsewhere."""
    return atlas_of([[1, 1], [1, 1], [1, 7], [1, 5]], [[0, 0], [0, 1], [0, 1], [1, -1]], [0, 0, 1, -1])


@pytest.mark.parametrize(("name", "count"), [("cascade-digits", 6), ("lc-digits", 5), ("cascade-digits-static", 3)])
def test_an_atlas_agrees_with_the_execution_of_each_image(name: str, count: int) -> None:
    model = core.load(f"reference/{name}")
    images = random_images(count, model.image)
    *_, atlas = compute_atlas(model, images, [model.classes[0]] + [None] * (count - 1))
    assert atlas.complete
    assert atlas.labels.tolist() == [0] + [-1] * (count - 1)
    for row in range(count):
        for at, lam in enumerate(atlas.lams):
            execution = execute(model.graph, normalised(images[row : row + 1]), Greedy(), lam=lam)
            assert atlas.ran[row, at].tolist() == [bool(execution.ran[node]) for node in atlas.nodes]
            assert atlas.answers[row, at] == execution.predicted
            assert atlas.costs[row, at] == pytest.approx(float(cost(model.graph, execution).share), abs=1e-3)


def test_shares_of_channels_are_part_of_an_atlas() -> None:
    model = core.load("reference/lc-digits")
    *_, atlas = compute_atlas(model, random_images(4, model.image), [None] * 4)
    assert not atlas.computed[~atlas.ran].any()
    assert any(0 < share < 1 for share in atlas.computed[atlas.ran])
    assert len(atlas.varying) > len(atlas.optional)


def test_an_atlas_grows_and_begins_empty() -> None:
    model = core.load("reference/cascade-digits")
    images = random_images(40, model.image)
    first, *_, last = compute_atlas(model, images, [None] * 40)
    assert (len(empty_atlas(model, 40)), first.complete, last.complete) == (0, False, True)
    assert 0 < len(first) < 40 == len(last) == first.total
    assert np.array_equal(first.ran, last.ran[: len(first)])


def test_routes_are_numbered_by_how_frequent_they_are(atlas: Atlas) -> None:
    assert atlas.route.tolist() == [[0, 0], [0, 0], [0, 1 + int(atlas.route[2, 1] == 2)], [0, 1 + int(atlas.route[3, 1] == 2)]]
    assert atlas.routes_at(0) == [(0, 4)]
    assert atlas.routes_at(1)[0] == (0, 2)
    assert [atlas.nodes[node] for node in atlas.optional] == ["b", "c"]
    assert sorted(map(atlas.route_name, range(3))) == ["b + c", "c", "no optional module"]


def test_of_nodes_that_always_run_together_the_first_module_stands_for_all() -> None:
    assert atlas_of([[1, 7]], [[0, 0]], [0]).optional == [2]  # b is a controller


def test_figures_are_those_of_the_images(atlas: Atlas) -> None:
    assert [atlas.accuracy(at) for at in (0, 1)] == pytest.approx([2 / 3, 2 / 3])
    assert atlas.confusion(0).tolist() == [[2, 0, 0], [1, 0, 0]]
    assert atlas.confusion(1).tolist() == [[1, 1, 0], [0, 1, 0]]
    assert (atlas.gained().tolist(), atlas.lost().tolist()) == ([2], [1])
    assert atlas.class_rates(1, [[1], [1, 2]]).tolist() == [[0, 0], [1, 1]]
    assert atlas.class_costs(1).tolist() == pytest.approx(np.array([[1 / 3] * 3, [1] * 3]))
    assert atlas.by_cost(1).tolist() == [0, 1, 3, 2]


def test_without_known_classes_there_is_no_accuracy() -> None:
    unknown = atlas_of([[1, 1]], [[0, 0]], [-1])
    assert np.isnan(unknown.accuracy(0))
    assert not unknown.right.any()
    assert np.isnan(unknown.class_costs(0)).all()


def test_alike_images_fill_a_disc_and_dearer_ones_lie_to_the_right() -> None:
    atlas = atlas_of([[1, 1]] * 30 + [[1, 7]] * 10 + [[7, 7]] * 20, [[0, 0]] * 60, [0] * 60)
    found = positions(atlas)
    assert np.array_equal(found.places, positions(atlas).places)
    assert found.places.min() >= 0
    assert found.places.max() <= 1
    assert found.shares.sum() == pytest.approx(1)
    cheap, middle, dear = found.places[:30], found.places[30:40], found.places[40:]
    assert cheap[:, 0].mean() < middle[:, 0].mean() < dear[:, 0].mean()
    assert len(np.unique(found.places.round(6), axis=0)) == 60
    assert cheap[:, 0].max() < middle[:, 0].min()


@pytest.mark.parametrize("count", [1, 2, 50])
def test_images_that_all_run_alike_lie_around_the_middle(count: int) -> None:
    found = positions(atlas_of([[1, 1]] * count, [[0, 0]] * count, [0] * count))
    assert np.isfinite(found.places).all()
    assert found.shares.tolist() == [0, 0]
    assert len(np.unique(found.places, axis=0)) == count


def test_an_atlas_is_kept_and_goes_with_its_run(atlas: Atlas, tmp_path: Path) -> None:
    weights = Store(f"sqlite:///{tmp_path / 'runs.db'}").weights
    assert read_atlas(weights, 3, "key") is None
    write_atlas(weights, 3, "former", atlas)
    write_atlas(weights, 3, "key", atlas)
    assert read_atlas(weights, 3, "former") is None, "one atlas is kept of a run"
    found = read_atlas(weights, 3, "key")
    assert found is not None
    assert found.complete
    assert (found.lams, found.nodes, found.classes) == (atlas.lams, atlas.nodes, atlas.classes)
    for name in ("modules", "labels", "ran", "computed", "answers", "costs"):
        assert np.array_equal(getattr(found, name), getattr(atlas, name))
    (path,) = (weights.folder / "3").glob("atlas-*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert read_atlas(weights, 3, "key") is None, "a file that is cut off is no atlas"
    weights.remove(3)
    assert not path.exists()


def test_other_weights_images_or_classes_have_another_key() -> None:
    images = random_images(2, (1, 4, 4))
    keys = {
        atlas_key("one", images, ["a", "b"]),
        atlas_key("other", images, ["a", "b"]),
        atlas_key("one", images + 1, ["a", "b"]),
        atlas_key("one", images, ["a", None]),
    }
    assert len(keys) == 4
    assert atlas_key("one", images.clone(), ["a", "b"]) in keys
