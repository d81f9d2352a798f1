"""Augmentation, mixing, smoothed labels, averaged weights and recipes: closed forms, and trainings that resume to the same weights."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Generator, Tensor

from core.cli.settings import configuration
from core.config import RunConfig, Training, run_config
from core.datasets import Data, Split, normalised
from core.datasets.sources.augmentation import cutout, random_corruption, random_shift
from core.graph.checkpoint import unpack
from core.graph.execution import execute
from core.graph.policy import Greedy, Open
from core.methods import Batch, StepResult
from core.methods.losses import classification
from core.recipes import RECIPES, recipe
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.batches import Batches
from core.training.figures import STEPS_UNSEEN, EpochFigures, TrainingError
from core.training.mixup import class_probabilities, draw_share, mix
from core.training.train import train
from core.training.weight_average import WeightAverage
from tests.test_cli import call, refused, told

CPU = torch.device("cpu")
DOCUMENT = Path(__file__).parents[1] / "docs" / "training.md"
EVERYTHING = {"cutout": 3, "corrupted": 0.3, "mixup": 0.4, "label_smoothing": 0.1, "ema_decay": 0.9, "border": "reflected", "warmup": 0.05}


def digits(method: dict[str, Any] | str = "static", architecture: Any = "plain", **training: Any) -> RunConfig:
    return run_config(architecture=architecture, dataset="digits", method=method, training={"epochs": 3, "batch_size": 128} | training)


def few(data: Data, count: int) -> Data:
    """The data with fewer training images."""
    return replace(data, train=type(data.train)(data.train.images[:count], data.train.labels[:count]))


@pytest.fixture(scope="module")
def data() -> Data:
    return digits().dataset.read()


def test_cutout_sets_one_whole_square_within_the_image_to_zero() -> None:
    images = torch.ones(400, 2, 7, 9)
    cut = cutout(images, 3, 0.7, Generator().manual_seed(0)) == 0
    assert torch.equal(cut[:, 0], cut[:, 1])
    share = cut[:, 0].flatten(1).any(dim=1).float().mean()
    assert 0.6 < float(share) < 0.8
    corners = set()
    for mask in cut[:, 0]:
        rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
        if len(rows):
            assert int(mask.sum()) == 9
            assert (len(rows), len(columns)) == (3, 3)
            corners.add((int(rows[0]), int(columns[0])))
    assert {top for top, _ in corners} == set(range(5))
    assert {left for _, left in corners} == set(range(7))


def test_a_reflected_border_mirrors_the_image_at_its_outermost_pixels() -> None:
    images = torch.arange(2 * 5 * 6, dtype=torch.uint8).reshape(1, 2, 5, 6).expand(200, -1, -1, -1)
    shifted = random_shift(images, 3, Generator().manual_seed(0), "reflected")
    padded = F.pad(images[:1].float(), (3, 3, 3, 3), mode="reflect").to(torch.uint8)
    windows = [padded[0, :, top : top + 5, left : left + 6] for top in range(7) for left in range(7)]
    found = {next(number for number, window in enumerate(windows) if torch.equal(window, image)) for image in shifted}
    assert len(found) > 40
    black = random_shift(images, 3, Generator().manual_seed(0))
    inside = black != 0
    assert torch.equal(black[inside], shifted[inside])  # the same shifts, and another border


def test_a_shift_beyond_the_image_is_reflected_again() -> None:
    images = torch.arange(3, dtype=torch.uint8).reshape(1, 1, 1, 3).expand(100, -1, -1, -1)
    rows = {tuple(image.flatten().tolist()) for image in random_shift(images, 5, Generator().manual_seed(0), "reflected")}
    assert rows == {(0, 1, 2), (1, 2, 1), (2, 1, 0), (1, 0, 1)}


def test_two_images_are_mixed_in_the_given_shares() -> None:
    images, labels = torch.tensor([[[[1.0]]], [[[3.0]]], [[[9.0]]]]), torch.tensor([0, 2, 1])
    mixed = mix(images, torch.tensor([1, 0]), 0.75)
    assert mixed.flatten().tolist() == [1.5, 2.5, 9.0]  # the last one has no partner
    probabilities = mix(class_probabilities(labels, 3, 0.0), torch.tensor([1, 0]), 0.75)
    assert probabilities.tolist() == [[0.75, 0.0, 0.25], [0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]


def test_shares_follow_the_distribution_and_repeat_with_the_seed() -> None:
    generator = Generator().manual_seed(0)
    shares = torch.tensor([draw_share(1.0, generator) for _ in range(2000)])
    assert float(shares.min()) >= 0.5
    assert float(shares.mean()) == pytest.approx(0.75, abs=0.02)  # of two uniform parts, the larger one
    assert draw_share(0.4, Generator().manual_seed(3)) == draw_share(0.4, Generator().manual_seed(3))


def test_the_loss_of_smoothed_and_mixed_labels_has_its_closed_form(data: Data) -> None:
    graph = assemble(digits(), data.image, 10).eval().requires_grad_(False)
    images, labels = normalised(data.train.images[:8]), data.train.labels[:8]
    execution = execute(graph, images, Open())
    smoothed = classification(execution, class_probabilities(labels, 10, 0.1))
    assert float(smoothed) == pytest.approx(float(F.cross_entropy(execution.output, labels, label_smoothing=0.1)), rel=1e-5)
    partners = torch.arange(8).flip(0)
    mixed = classification(execution, mix(class_probabilities(labels, 10, 0.0), partners, 0.7))
    parts = F.cross_entropy(execution.output, labels), F.cross_entropy(execution.output, labels[partners])
    assert float(mixed) == pytest.approx(float(0.7 * parts[0] + 0.3 * parts[1]), rel=1e-5)


def test_the_average_of_the_weights_is_that_of_a_loop_in_plain_python(data: Data) -> None:
    config = digits(ema_decay=0.8)
    graph = assemble(config, data.image, 10)
    name, parameter = next(iter(graph.named_parameters()))
    average = WeightAverage(graph, 0.8)
    expected, number = parameter.flatten().tolist(), 0.0
    generator = Generator().manual_seed(0)
    for step in range(1, 40):
        with torch.no_grad():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
        average.update(step)
        number = min(0.8, (1 + step) / (10 + step))
        expected = [number * old + (1 - number) * new for old, new in zip(expected, parameter.flatten().tolist(), strict=True)]
    trained = parameter.detach().clone()
    average.swap()
    assert torch.allclose(parameter.flatten(), torch.tensor(expected), atol=1e-5)
    assert torch.equal(average.other[name], trained)
    average.swap()
    assert torch.equal(parameter, trained)
    assert number == 0.8


def test_the_average_is_what_is_stored_and_the_trained_weights_stand_beside_it(data: Data) -> None:
    plain, averaged = (list(train(digits(ema_decay=decay, epochs=2), data)) for decay in (0.0, 0.9))
    first, second = (load(next(one.state for one in run if one.state)) for run in (plain, averaged))
    trained = {name.removeprefix("trained."): value for name, value in second.items() if name.startswith("trained.")}
    assert trained
    for name, value in trained.items():
        assert torch.equal(value, first[f"graph.{name}"])  # averaging changes nothing of the training itself
    assert any(not torch.equal(second[f"graph.{name}"], value) for name, value in trained.items())
    last = averaged[-1].state
    assert last is not None
    assert not any(name.startswith("trained.") for name in load(last))


@pytest.mark.parametrize(
    ("method", "architecture"),
    [("d2nn", "high_low"), ({"name": "lcnet", "bn_recalibration_batches": 2}, {"name": "lc_resnet", "depth": 8, "width": 4})],
)
def test_a_training_with_everything_on_resumes_to_the_same_weights(method: Any, architecture: Any, data: Data) -> None:
    config = run_config(
        architecture=architecture,
        dataset={"name": "cluttered_digits", "train": 200, "val": 50, "test": 50, "canvas": 28, "shift": 2},
        method=method,
        training=EVERYTHING | {"epochs": 3, "batch_size": 32},
    )
    images = config.dataset.read()
    whole = list(train(config, images))
    states = [progress.state for progress in whole if progress.state]
    for state in states[:-1]:
        resumed = list(train(config, images, resume=state))
        last = [progress.state for progress in resumed if progress.state][-1]
        assert last == states[-1]
        assert resumed[-1].final == whole[-1].final
    graph, stored = assemble(config, images.image, 10), load(states[1])
    unpack(states[1], graph)  # a checkpoint is explored with its averaged weights
    name, parameter = next(iter(graph.named_parameters()))
    assert torch.equal(parameter, stored[f"graph.{name}"])
    assert not torch.equal(parameter, stored[f"trained.{name}"])


def batches_of(config: RunConfig, data: Data, epoch: int | None = 0, seed: int = 0, teacher: Any = None) -> list[Batch]:
    return list(Batches(config, data, CPU).epoch(Generator().manual_seed(seed), teacher, epoch))


def test_half_of_the_batches_are_mixed_until_the_end_of_mixup(data: Data) -> None:
    config = digits(mixup=1.0, batch_size=16, epochs=2, mixup_end=0.5)
    mixed = [batch.probabilities is not None for batch in batches_of(config, data)]
    assert 0.3 < sum(mixed) / len(mixed) < 0.7
    assert all(batch.probabilities is None for batch in batches_of(config, data, epoch=1))
    assert all(batch.probabilities is None for batch in batches_of(config, data, epoch=None))
    assert all(batch.probabilities is not None for batch in batches_of(digits(mixup=1.0, mixup_batches=1.0), data))


def test_a_mixed_image_consists_of_two_images_of_the_batch(data: Data) -> None:
    config = digits(mixup=1.0, mixup_batches=1.0)
    originals = normalised(data.train.images)
    (batch, *_) = batches_of(config, data)
    assert batch.probabilities is not None
    for image, label, probabilities in zip(batch.images[:5], batch.labels[:5], batch.probabilities[:5], strict=True):
        share = float(probabilities[label])
        if share == 1.0:
            continue  # both images are of the same class
        assert share >= 0.5
        own, other = originals[data.train.labels == label], originals[data.train.labels == int(probabilities.argsort()[-2])]
        best = min(float((share * one + (1 - share) * other - image).abs().amax(dim=(1, 2, 3)).min()) for one in own)
        assert best < 1e-5


@pytest.mark.parametrize("bag", [1, 8])
def test_images_of_the_holdout_are_never_mixed(bag: int, data: Data) -> None:
    config = digits({"name": "d2nn", "controller_holdout": 0.2, "bag_size": bag}, "high_low", mixup=1.0, mixup_batches=1.0)
    originals = {tuple(image.flatten().tolist()) for image in normalised(data.train.images)}
    for batch in batches_of(config, data):
        batch = batch.whole_bags(bag)
        assert batch.probabilities is not None
        assert batch.trained == int((~batch.holdout).sum())
        bags = batch.holdout.view(-1, bag).any(dim=1).repeat_interleave(bag)  # the bags that the controllers learn from
        assert bool(bags.any())
        assert all(tuple(image.flatten().tolist()) in originals for image in batch.images[bags])
        assert bool((batch.probabilities[bags].amax(dim=1) == 1).all())


def test_mixup_is_refused_where_controllers_are_rewarded_for_trained_images() -> None:
    with pytest.raises(ConfigError, match=r"method\.controller_holdout\) above 0, or “Mixup α” \(training\.mixup\) to 0"):
        digits({"name": "d2nn", "controller_holdout": 0.0}, "high_low", mixup=0.4)
    assert digits({"name": "d2nn", "controller_holdout": 0.0}, "high_low").training.mixup == 0


def test_a_square_larger_than_the_images_is_refused(data: Data) -> None:
    with pytest.raises(ConfigError, match=r"\(training\.cutout\) must be at most 8 for images of 8×8 pixels"):
        next(train(digits(cutout=9), data))


def test_the_teacher_sees_the_very_images_of_the_student(data: Data) -> None:
    config = digits({"name": "static", "distillation_weight": 0.9, "teacher": "any"}, **EVERYTHING | {"mixup_batches": 1.0})
    teacher = assemble(digits(seed=5), data.image, 10).eval()
    for batch in batches_of(config, data, teacher=teacher):
        assert batch.teacher is not None
        assert batch.probabilities is not None
        with torch.no_grad():
            assert torch.equal(batch.teacher, execute(teacher, batch.images, Greedy()).output)


def test_labels_weigh_as_much_as_they_are_given(data: Data) -> None:
    graph = assemble(digits(), data.image, 10).eval()
    batch = Batch(normalised(data.train.images[:8]), data.train.labels[:8], torch.zeros(8, dtype=torch.bool))
    losses = [
        digits({"name": "static", "label_weight": weight}).method.step(graph, batch, None, 0.5, Generator()).losses["classification"].item()
        for weight in (1.0, 0.1)
    ]
    assert losses[1] == pytest.approx(0.1 * losses[0], rel=1e-6)


def test_a_loss_that_is_not_finite_is_found_at_once_or_a_few_steps_later() -> None:
    figures = EpochFigures(4, CPU)
    figures.check(torch.tensor(1.0))
    with pytest.raises(TrainingError, match=r"the loss is inf: lower training\.learning_rate"):
        figures.check(torch.tensor(torch.inf))
    late = EpochFigures(4, torch.device("meta"))  # a device that is not looked at in each step, as a GPU
    assert late.every == STEPS_UNSEEN
    late.loss = torch.zeros(())
    for loss in (1.0, torch.nan, 2.0):
        late.check(torch.tensor(loss))
    with pytest.raises(TrainingError, match="the loss is nan"):
        late.means()


def test_figures_of_an_epoch_are_means_of_numbers_and_tensors_alike() -> None:
    figures = EpochFigures(2, CPU)
    for value in (1.0, 4.0):
        figures.add(StepResult({"classification": torch.tensor(value)}, {"accuracy": value / 4, "cost share": torch.tensor(value)}))
    assert figures.means() == {"train classification loss": 2.5, "train accuracy": 0.625, "train cost share": 2.5}


@pytest.mark.parametrize("architecture", ["mobile", {"name": "lc_resnet", "depth": 8, "width": 4}, "hierarchy"])
def test_a_static_network_is_compiled_as_a_whole(architecture: Any, data: Data) -> None:
    """What a GPU runs in a training: one graph without breaks, with the same answer."""
    graph = assemble(digits(architecture=architecture), data.image, 10).train()
    images = normalised(data.train.images[:16])
    expected = execute(graph, images, Open()).output
    graph.compile(backend="eager", fullgraph=True, dynamic=False)
    assert torch.equal(execute(graph, images, Open()).output, expected)


def settings_of(table: str) -> dict[str, dict[str, str]]:
    """The options of each recipe in a document's table: options in rows, recipes in columns."""
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    head, _, *body = rows
    return {name: {row[0]: row[column] for row in body if row[column]} for column, name in enumerate(head) if column}


def test_the_document_states_the_options_of_each_recipe() -> None:
    section = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (table,) = (part for part in section if part.startswith("Recipes"))
    stated = settings_of(table)
    assert stated == {one.name: dict(setting.split("=") for setting in one.settings) for one in RECIPES}


@pytest.mark.parametrize("name", [one.name for one in RECIPES])
def test_a_recipe_is_applied_before_what_is_set(name: str, tmp_path: Path) -> None:
    pairs = ["training.batch_size=64", "method.teacher=large.safetensors"] if name == "distilled" else ["training.batch_size=64"]
    config = configuration("mobile", "cifar10", "static", None, 7, 3, pairs, name)
    stated = recipe(name).options | {"training.batch_size": 64, "training.epochs": 7, "training.seed": 3}
    for option, value in stated.items():
        part, _, key = option.partition(".")
        assert getattr(getattr(config, part), key) == value
    left = set(Training.model_fields) - {option.partition(".")[2] for option in stated if option.startswith("training.")}
    assert all(getattr(config.training, option) == Training.model_fields[option].default for option in left)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config
    assert "--recipe" not in config.command()


def test_recipes_are_listed_with_their_options() -> None:
    shown = " ".join(call("list", "recipes").stdout.split())
    explained = " ".join(call("train", "plain", "--help").stdout.split())
    for one in RECIPES:
        assert f"{one.name} {one.title}. {one.summary}" in shown
        assert ", ".join(one.settings) in shown
        assert one.summary in explained
    assert told("list", "recipes") == {
        "recipes": [{"name": one.name, "title": one.title, "summary": one.summary, "options": dict(one.options)} for one in RECIPES]
    }


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    text = refused("train", "plain", "--method", "static", "--recipe", "secret")
    assert "'secret' is not one of the recipes: choose one of plain, strong, distilled" in text


def test_images_without_options_are_as_the_dataset_augments_them(data: Data) -> None:
    """At its defaults a batch draws no more than the order of the images."""

    def first(**training: Any) -> Tensor:
        return batches_of(digits(**training), few(data, 200))[0].images

    assert torch.equal(first(), first(ema_decay=0.9, warmup=0.05, border="reflected"))
    assert not torch.equal(first(), first(cutout=3))
    assert not torch.equal(first(), first(corrupted=0.5))


def test_a_batch_has_one_corruption_of_a_part_of_its_images() -> None:
    images = torch.randint(256, (400, 1, 8, 8), generator=Generator().manual_seed(0)).to(torch.uint8)
    assert torch.equal(random_corruption(images, 0.0, Generator().manual_seed(0)), images)
    before, seen = images.clone(), set()
    for seed in range(40):
        changed, again = (random_corruption(images, 0.3, Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(changed, again)
        share = float((changed != images).flatten(1).any(1).double().mean())
        assert share < 0.4
        seen.add(share > 0.2)
    assert True in seen
    assert torch.equal(images, before)


def test_images_are_corrupted_only_while_the_modules_learn_and_never_as_rows_of_a_table(data: Data) -> None:
    clean, also_clean = (batches_of(digits(**options), few(data, 200), None)[0].images for options in ({}, {"corrupted": 1.0}))
    assert torch.equal(clean, also_clean)
    table = Split(torch.rand(20, 4, 1, 1), torch.zeros(20, dtype=torch.int64))
    with pytest.raises(ConfigError, match=r"\(training\.corrupted\) to 0"):
        Batches(digits(corrupted=0.5), Data(table, table, table, ("a", "b")), torch.device("cpu"))
