"""The datasets that need no files or downloads, and properties common to all datasets."""

from itertools import combinations
from urllib.error import URLError

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch

from core.datasets import Data, DataError, Dataset, Split
from core.datasets import faces as faces_module
from core.datasets.cluttered_digits import ClutteredDigits
from core.datasets.digits import Digits
from core.datasets.faces import Faces
from core.registry import ConfigError, choose, component, names

SMALL = {"train": 300, "val": 60, "test": 90}
OFFLINE = [Digits(), Faces(), ClutteredDigits(**SMALL)]  # available without files or a connection


def parts(data: Data) -> dict[str, Split]:
    return {"train": data.train, "val": data.val, "test": data.test}


def same(one: Data, other: Data) -> bool:
    pairs = zip(parts(one).values(), parts(other).values(), strict=True)
    return all(torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in pairs)


def rows_of(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


@pytest.mark.parametrize("name", names("datasets"))
def test_every_option_has_a_description_a_default_and_bounds(name: str) -> None:
    kind = component("datasets", name)
    assert issubclass(kind, Dataset)
    assert kind().name == name
    assert choose("datasets", kind().model_dump()) == kind()
    assert len({kind(), kind()}) == 1
    for option, field in kind.model_fields.items():
        assert option == "name" or field.description, f"{name}.{option} lacks a description"
        assert not field.is_required(), f"{name}.{option} lacks a default"
        if isinstance(field.default, int):
            assert field.metadata or "Literal" in str(field.annotation), f"{name}.{option} lacks bounds"


def test_training_options_do_not_change_validation_and_test_images() -> None:
    some, others = ClutteredDigits(**SMALL).read(), ClutteredDigits(**SMALL | {"train": 400}, shift=4).read()
    assert len(others.train) == 400
    for part in ("val", "test"):
        assert torch.equal(parts(some)[part].images, parts(others)[part].images)
        assert torch.equal(parts(some)[part].labels, parts(others)[part].labels)


@pytest.mark.parametrize("dataset", OFFLINE, ids=lambda dataset: dataset.name)
def test_splits_have_the_documented_types_and_classes(dataset: Dataset) -> None:
    reports: list[tuple[str, float]] = []
    data = dataset.read(lambda what, share: reports.append((what, share)))
    assert all(what and 0 <= share <= 1 for what, share in reports)
    assert dataset.outline() == (data.image, data.classes)
    for part in parts(data).values():
        assert part.images.dtype == torch.uint8
        assert part.images.shape == (len(part), *data.image)
        assert part.labels.shape == (len(part),)
        assert part.labels.dtype == torch.int64
        assert set(part.labels.tolist()) == set(range(len(data.classes)))
        assert part.images.max() > 200
        assert part.images.is_contiguous()


@pytest.mark.parametrize("dataset", OFFLINE, ids=lambda dataset: dataset.name)
def test_the_seed_determines_the_splits(dataset: Dataset) -> None:
    data = dataset.read()
    torch.manual_seed(99)  # the global state must not matter
    assert same(data, dataset.read())
    assert not same(data, dataset.model_copy(update={"seed": 1}).read())


def test_digits_are_all_of_scikit_learns_exactly_once() -> None:
    data = Digits().read()
    together = torch.cat([part.images for part in parts(data).values()])
    assert len(together) == 1797
    assert data.image == (1, 8, 8)
    assert (together.min(), together.max()) == (0, 255)
    assert data.classes == tuple("0123456789")
    other = torch.cat([part.images for part in parts(Digits(seed=5).read()).values()])
    assert torch.equal(together.float().sum(0), other.float().sum(0))  # the same images in other splits


def test_embedded_faces_have_the_labels_of_scikit_images_order() -> None:
    data = Faces().read()
    assert data.classes == ("background", "face")
    assert [len(part) for part in parts(data).values()] == [100, 40, 60]
    faces = {image.tobytes() for image in (faces_module.lfw_subset()[:100] * 255).round().astype(np.uint8)}
    for part in parts(data).values():
        assert part.labels.float().mean() == 0.5
        for image, label in zip(part.images, part.labels, strict=True):
            assert (image.numpy().tobytes() in faces) == bool(label)


def test_full_faces_are_centres_and_backgrounds_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: dict[str, object] = {}

    def fetched(**options: object) -> Bunch:
        """Return photographs with a red centre and a blue border, and their number in the green channel."""
        requested.update(options)
        pictures = np.zeros((40, 250, 250, 3), dtype=np.float32)
        pictures[..., 2] = 1
        pictures[:, 69:181, 69:181] = (1, 0, 0)
        pictures[..., 1] = np.arange(40)[:, None, None] / 255
        return Bunch(images=pictures)

    monkeypatch.setattr(faces_module, "fetch_lfw_people", fetched)
    data = Faces(source="full", pictures=7).read()
    assert data.image == (3, 112, 112)
    assert [len(part) for part in parts(data).values()] == [40, 16, 24]
    assert requested["min_faces_per_person"] == 7
    seen = []
    for part in parts(data).values():
        colours = part.images.float().mean((2, 3))  # (N, 3)
        assert torch.equal(colours[:, 0] == 255, part.labels == 1)
        assert (colours[part.labels == 0, 2] > 200).all()
        # both crops of a photograph are in the same split
        numbers = colours[:, 1].round().long()
        assert sorted(numbers[part.labels == 0].tolist()) == sorted(numbers[part.labels == 1].tolist())
        seen.append(set(numbers.tolist()))
    assert sum(map(len, seen)) == len(set.union(*seen)) == 40


def test_full_faces_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(**options: object) -> Bunch:
        raise URLError("no route\nto host")

    monkeypatch.setattr(faces_module, "fetch_lfw_people", unreachable)
    with pytest.raises(DataError, match="embedded") as caught:
        Faces(source="full").read()
    assert len(str(caught.value).splitlines()) == 1


def test_cluttered_digits_without_fragments_hold_one_digit() -> None:
    data = ClutteredDigits(canvas=60, fragments=0, **SMALL).read()
    assert data.image == (1, 60, 60)
    assert [len(part) for part in parts(data).values()] == [300, 60, 90]
    for image in data.train.images.squeeze(1):
        rows, columns = (image > 0).nonzero(as_tuple=True)
        assert 10 <= rows.max() - rows.min() < 24
        assert 3 <= columns.max() - columns.min() < 24


def test_fragments_only_brighten_pixels() -> None:
    plain, cluttered = (ClutteredDigits(fragments=count, **SMALL).read().val.images for count in (0, 8))
    assert (cluttered >= plain).all()
    added = (cluttered > 0).sum((1, 2, 3)) - (plain > 0).sum((1, 2, 3))
    assert (cluttered > 0).sum() > 1.3 * (plain > 0).sum()
    assert added.max() <= 8 * 8 * 8


def test_digits_appear_everywhere_on_the_canvas() -> None:
    images = ClutteredDigits(canvas=40, fragments=0).read().train.images
    used = (images > 0).any(0).squeeze(0)
    assert used[2:-2, 2:-2].all()


def test_labels_match_the_digits() -> None:
    """On digits that are nearly centred, classification by the nearest class mean is far better than chance."""
    data = ClutteredDigits(canvas=28, fragments=0, train=2000, val=10, test=400).read()
    means = torch.stack([data.train.images[data.train.labels == label].float().mean(0) for label in range(10)])
    nearest = torch.cdist(data.test.images.float().flatten(1), means.flatten(1)).argmin(1)
    assert (nearest == data.test.labels).float().mean() > 0.6


@pytest.mark.parametrize("shades", [(50, 100, 200), (200, 100, 50)])
def test_splits_are_composed_of_disjoint_digits(shades: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """With digits replaced by uniform squares of one shade per split, no split holds a lighter shade than its own."""

    def uniform(shade: int) -> Split:
        return Split(torch.full((20, 1, 8, 8), shade, dtype=torch.uint8), torch.arange(20) % 10)

    monkeypatch.setattr(Digits, "read", lambda self, report: Data(*map(uniform, shades), tuple("0123456789")))
    for shade, part in zip(shades, parts(ClutteredDigits(**SMALL).read()).values(), strict=True):
        lightest = part.images.flatten(1).amax(1)
        assert lightest.min() >= shade
        assert lightest.max() < 1.3 * shade  # bicubic interpolation overshoots slightly at the border


def test_digits_of_the_splits_are_disjoint() -> None:
    base = Digits(seed=3).read()
    for one, other in combinations(parts(base).values(), 2):
        assert not rows_of(one) & rows_of(other)


def test_random_shifts_cover_the_whole_range() -> None:
    image = torch.randint(1, 256, (1, 1, 48, 48), dtype=torch.uint8)
    images = image.repeat(200, 1, 1, 1)
    assert ClutteredDigits(**SMALL).augment(images, torch.Generator()) is images
    seen = set()
    for augmented in ClutteredDigits(shift=3, **SMALL).augment(images, torch.Generator().manual_seed(0)):
        rows, columns = (augmented[0] > 0).any(dim=1).nonzero().flatten(), (augmented[0] > 0).any(dim=0).nonzero().flatten()
        down = int(rows[0]) if rows[0] else int(rows[-1]) - 47
        right = int(columns[0]) if columns[0] else int(columns[-1]) - 47
        moved = image[0, 0].roll((down, right), (0, 1))
        assert torch.equal(augmented[0][augmented[0] > 0], moved[augmented[0] > 0])
        seen.add((down, right))
    assert seen <= {(down, right) for down in range(-3, 4) for right in range(-3, 4)}
    assert len(seen) > 40  # of 49


def test_the_number_of_training_images_does_not_change_the_test_images() -> None:
    few, many = (ClutteredDigits(train=count, val=20, test=50).read() for count in (100, 200))
    assert torch.equal(few.test.images, many.test.images)


@pytest.mark.parametrize("options", [{"canvas": 20}, {"fragments": -1}, {"train": 0}, {"source": "letters"}, {"colour": 3}])
def test_invalid_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{next(iter(options))}\b"):
        choose("datasets", {"name": "cluttered_digits", **options})


@pytest.mark.parametrize(("canvas", "size"), [(28, 16), (28, 2), (100, 16)])
def test_extreme_sizes(canvas: int, size: int) -> None:
    data = ClutteredDigits(canvas=canvas, fragment_size=size, fragments=64, train=10, val=10, test=10).read()
    assert data.image == (1, canvas, canvas)


@pytest.mark.parametrize("name", ["digits", "faces", "cluttered_digits"])
def test_samples_are_test_images_of_different_classes(name: str) -> None:
    dataset = choose("datasets", name)
    data = dataset.read()
    stills, classes = dataset.samples(8)
    assert classes == data.classes
    assert len(stills) == 8
    assert len(set(stills.labels.tolist())) == min(8, len(classes))
    for image, label in zip(stills.images, stills.labels, strict=True):
        rows = (data.test.images == image).flatten(1).all(dim=1)
        assert data.test.labels[rows].tolist() == [label] * int(rows.sum()) != []
