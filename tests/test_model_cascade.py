"""Model cascades: tables against plain Python, cached answers against fresh ones, and images that no member was trained on."""

import json
import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_cli import call, refused, told
from torch import Tensor

from core.architectures.model_cascade import Member, ModelCascade, fit_image
from core.architectures.plain import Plain
from core.config import RunConfig, run_config
from core.datasets import Data, Split, normalised
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy, Random
from core.modules.answers import AnswerController, WeightedMean
from core.registry import ConfigError
from core.training.batches import Batches
from core.training.cascade import _with_titles, unseen_images
from core.training.members import Given, _title
from core.training.tabulation import tabulate_data, tabulate_graph, unseen
from core.training.train import train

IMAGE, CLASSES = (1, 8, 8), 10
MEMBERS = tuple(
    Member(title=title, image=IMAGE, architecture=Plain(widths=widths))
    for title, widths in (("small", (4,)), ("middle", (8, 8)), ("large", (16, 16, 16)))
)


def cascade(combine: str = "last", *, every_lam: bool = True, seed: int = 0) -> tuple[ModelCascade, Graph]:
    """Return a cascade of three small networks with random weights."""
    torch.manual_seed(seed)
    architecture = ModelCascade(members=MEMBERS, combine=combine)
    return architecture, architecture.build(IMAGE, CLASSES, every_lam=every_lam).eval()


def awake(graph: Graph) -> Graph:
    """Let controllers decide by the margin of the newest answer: going on is worth more where it is small."""
    for number, control in enumerate(graph.controls, start=1):
        part = graph.parts[control.name]
        for parameter in part.parameters():
            torch.nn.init.zeros_(parameter)
        margin = (number - 1) * (CLASSES + 2) + CLASSES  # its place among the features
        part.hidden.weight.data[0, margin] = 1.0
        part.head.weight.data[0, 0] = 1.0  # the accuracy of stopping grows with the margin
        part.head.bias.data[1] = 1.0  # that of going on does not
    return graph


@pytest.fixture(scope="module")
def digits() -> Data:
    return run_config(architecture="plain", dataset="digits", method="static").dataset.read()


@pytest.mark.parametrize("combine", ["last", "mean", "geometric"])
def test_a_cascade_equals_a_loop_over_tables(combine: str) -> None:
    architecture, graph = cascade(combine)
    awake(graph)
    table = tabulate_graph(graph, architecture.frozen)
    torch.manual_seed(1)
    rows = 2 * torch.randn(200, len(MEMBERS) * CLASSES)
    macs = [graph.macs[name] for name in architecture.frozen]
    graph.tradeoff.exchange_rate.fill_(0.1)
    depths = set()
    for lam in (0.2, 0.8):
        with torch.no_grad():
            execution = execute(table, rows, Greedy(), lam=lam)
            used = cost(table, execution).used
            for row, output, spent in zip(rows, execution.output, used, strict=True):
                answers, total = [], 0
                for number, answer in enumerate(row.view(len(MEMBERS), CLASSES), start=1):
                    answers.append(answer[None])
                    total += macs[number - 1]
                    if number == len(MEMBERS):
                        break
                    controller = graph.parts[f"Q{number}"]
                    values = controller(*answers, weight=graph.tradeoff.condition(torch.tensor([lam])))
                    total += graph.macs[f"Q{number}"]
                    scores = lam * values[0, :, 0] + (1 - lam) * float(graph.tradeoff.exchange_rate) * values[0, :, 1]
                    if scores[0] >= scores[1]:
                        break
                depths.add(len(answers))
                expected = answers[-1][0]
                if combine != "last":
                    weights = graph.parts[f"y{len(answers)}"].weights
                    shares = [answer[0].softmax(dim=0) for answer in answers]
                    mean = sum(weight * share for weight, share in zip(weights, shares, strict=True))
                    product = math.prod(share**weight for weight, share in zip(weights, shares, strict=True))
                    expected = mean.log() if combine == "mean" else (product / product.sum()).log()
                assert torch.allclose(output, expected, atol=1e-5)
                assert int(spent) == total
    assert depths == {1, 2, 3}


@pytest.mark.parametrize("combine", ["last", "mean", "geometric"])
def test_cached_answers_equal_fresh_ones(combine: str, digits: Data) -> None:
    architecture, graph = cascade(combine)
    small = Data(*(Split(part.images[:150], part.labels[:150]) for part in (digits.train, digits.val, digits.test)), digits.classes)
    table, data = tabulate_graph(graph, architecture.frozen), tabulate_data(graph, architecture.frozen, small)
    for lam in (0.1, 0.9):
        with torch.no_grad():
            fresh = execute(graph, normalised(small.test.images), Random(0.5, torch.Generator().manual_seed(3)), lam=lam)
            cached = execute(table, data.test.images, Random(0.5, torch.Generator().manual_seed(3)), lam=lam)
        assert torch.allclose(fresh.output, cached.output, atol=1e-5)
        assert torch.equal(cost(graph, fresh).used, cost(table, cached).used)
        assert torch.equal(data.test.labels, small.test.labels)


def member_config(seed: int = 0, holdout: float = 0.2, split: int = 0) -> RunConfig:
    return run_config(
        architecture="plain",
        dataset={"name": "digits", "seed": split},
        method={"name": "static", "controller_holdout": holdout},
        training={"seed": seed, "batch_size": 64},
    )


def given(*configs: RunConfig) -> list[Given]:
    return [Given(MEMBERS[0].model_copy(update={"title": f"m{number}"}), {}, 1, config) for number, config in enumerate(configs)]


def numbered(data: Data) -> Data:
    """Return data whose images say which row of the training part they are."""
    count = len(data.train)
    images = torch.arange(count, dtype=torch.int64)[:, None, None, None].expand(count, 1, 8, 8)
    return Data(Split(images, data.train.labels), data.val, data.test, data.classes)


def test_no_image_of_a_members_training_reaches_a_controller(digits: Data) -> None:
    config = member_config()
    batches = Batches(config, digits, torch.device("cpu"))
    trained = set((~batches.holdout).nonzero()[:, 0].tolist())
    chosen = unseen_images(given(config, member_config()), config.dataset)
    options = {"name": "model_cascade", "members": MEMBERS, **chosen.options}
    composed = run_config(architecture=options, dataset=config.dataset, method="d2nn", training={"seed": 7})
    reached = set(unseen(composed, numbered(digits)).train.images[:, 0, 0, 0].tolist())
    assert reached
    assert reached == set(batches.holdout.nonzero()[:, 0].tolist())
    assert not reached & trained


def test_members_without_a_common_holdout_leave_half_of_the_validation_images(digits: Data) -> None:
    for configs in ([member_config(), member_config(holdout=0.0)], [member_config(), member_config(seed=1)]):
        chosen = unseen_images(given(*configs), configs[0].dataset)
        assert chosen.options == {"unseen": "validation"}
        assert "half of the validation images" in chosen.sentence
    composed = run_config(
        architecture={"name": "model_cascade", "members": MEMBERS, "unseen": "validation"}, dataset="digits", method="d2nn"
    )
    divided = unseen(composed, digits)
    assert len(divided.train) + len(divided.val) == len(digits.val)
    assert torch.equal(divided.train.images, digits.val.images[0::2])
    assert torch.equal(divided.test.images, digits.test.images)


def test_a_member_of_another_split_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"m0 was trained on another split.*seed=5.*give the cascade the same dataset options"):
        unseen_images(given(member_config(split=5)), member_config().dataset)


def test_only_the_controllers_are_trained_and_a_resumed_training_ends_alike(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.train.FROZEN_SECONDS", 0.0)
    architecture = {"name": "model_cascade", "members": MEMBERS, "unseen": "validation", "combine": "mean"}
    config = run_config(architecture=architecture, dataset="digits", method="d2nn", training={"epochs": 2, "batch_size": 32})
    whole = list(train(config, digits))
    states = [progress.state for progress in whole if progress.state is not None]
    resumed = [progress.state for progress in train(config, digits, resume=states[0]) if progress.state is not None]
    assert resumed[-1] == states[-1]
    first, last = (load_weights(state) for state in (states[0], states[-1]))
    members = [name for name in first if ".network." in name]
    assert members
    assert all(torch.equal(first[name], last[name]) for name in members)
    assert any(not torch.equal(first[name], last[name]) for name in first if name.startswith("graph.parts.Q"))
    assert last["graph.parts.y3.weights"].sum() == pytest.approx(1, abs=1e-5)


def test_checkpoints_of_frozen_members_are_packed_seldom(digits: Data) -> None:
    architecture = {"name": "model_cascade", "members": MEMBERS, "unseen": "validation"}
    config = run_config(architecture=architecture, dataset="digits", method="d2nn", training={"epochs": 4, "batch_size": 32})
    epochs = [progress for progress in train(config, digits) if progress.figures or progress.final]
    assert [progress.epoch for progress in epochs] == [1, 2, 3, 4, 4]
    assert [progress.state is not None for progress in epochs] == [False, False, False, True, True]


def load_weights(state: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(state)


@pytest.mark.parametrize("geometric", [False, True])
def test_the_weights_of_a_mean_are_the_likeliest(geometric: bool) -> None:
    torch.manual_seed(0)
    labels = torch.randint(4, (400,))
    good = torch.nn.functional.one_hot(labels, 4) * 3.0
    noise = 3 * torch.randn(400, 4)
    mean = WeightedMean(2, geometric=geometric)
    mean.fit(torch.stack([noise, good]), labels)
    assert float(mean.weights[1]) > 0.95
    assert torch.allclose(mean(noise, good).exp().sum(dim=1), torch.ones(400), atol=1e-4)


def test_a_controller_of_answers_observes_confidence_and_agreement() -> None:
    controller = AnswerController(2, 3, 2)
    first, second = torch.tensor([[0.7, 0.2, 0.1]]).log(), torch.tensor([[0.1, 0.8, 0.1]]).log()
    seen = controller.features(first, second)[0]
    entropy = -sum(p * torch.tensor(p).log() for p in (0.7, 0.2, 0.1))
    expected = [*torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor(0.7 / 0.2).log(), entropy]
    assert torch.allclose(seen[:5], torch.stack([torch.as_tensor(value) for value in expected]), atol=1e-5)
    assert torch.allclose(seen[10:], torch.tensor([0.0, float(torch.tensor(0.2).log())]), atol=1e-5)  # they disagree
    assert float(controller.features(first, first)[0][10]) == 1.0


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 8, 8), (1, 4, 6), (3, 16, 16)])
def test_images_are_brought_to_a_members_size_and_colours(image: tuple[int, int, int]) -> None:
    for channels in (1, 3):
        grey = torch.full((2, channels, 8, 8), 0.25)
        brought = fit_image(grey, image)
        assert brought.shape == (2, *image)
        assert torch.allclose(brought, torch.full_like(brought, 0.25), atol=1e-5)


def test_runs_become_a_cascade_by_one_command(scratch_database: str, tmp_path: Path) -> None:
    for name, widths in (("narrow", "[4]"), ("broad", "[24,24,24]")):
        words = ["--dataset", "digits", "--method", "static", "--epochs", "3", "--name", name, "--set", f"architecture.widths={widths}"]
        assert call("train", "plain", *words).returncode == 0
    done = call("cascade", "broad", "narrow", "--dataset", "digits", "--name", "both", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert "half of the validation images" in done.stderr
    assert "nonsense" in refused("cascade", "broad", "narrow", "--dataset", "digits", "--set", "method.nonsense=1")
    run = told("describe", "both")
    assert isinstance(run, dict)
    names = [node["name"] for node in run["nodes"]]
    assert names.index("narrow") < names.index("broad")  # from cheap to expensive
    cheap, dear = told("evaluate", "both", "--split", "test", "--lam", "0"), told("evaluate", "both", "--split", "test", "--lam", "1")
    assert cheap[0]["macs_mean"] < dear[0]["macs_mean"]
    file = tmp_path / "both.safetensors"
    assert call("export", "both", file).returncode == 0
    assert call("import", file, "--name", "again").returncode == 0
    again = told("evaluate", "again", "--split", "test", "--lam", "0.5")
    assert again == told("evaluate", "both", "--split", "test", "--lam", "0.5")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere", "nothing"], "nowhere is neither a file nor a run"),
        (["~nobody/x.onnx", "n" * 5000], "is neither a file nor a run"),
        (["{text}", "{text}"], "neither a safetensors file nor weights"),
        (["reference/cascade-digits-static", "reference/cascade-digits"], "decides per image"),
        (["reference/cascade-digits-static", "reference/cascade-digits-static", "--dataset", "digits"], "was trained on Cluttered digits"),
        (["reference/cascade-digits-static", "reference/cascade-digits-static", "--set", "dataset.seed=5"], "was trained on another split"),
        (
            ["reference/cascade-digits-static", "reference/cascade-digits-static", "--set", "training.init_from=x.pth"],
            "the members bring their own weights",
        ),
        (["reference/lc-cifar10-static", "reference/cascade-digits-static"], "its classes are airplane"),
        (["reference/cascade-digits-static", "reference/cascade-digits-static"], "are the same network: name it once"),
    ],
)
def test_what_cannot_be_a_member_is_refused_in_one_line(words: list[str], says: str, tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not a file of weights")
    assert says in refused("cascade", *(word.format(text=text) for word in words))


def test_a_size_that_a_file_does_not_take_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    assert call("export", "reference/cascade-digits-static", file).returncode == 0
    error = refused("cascade", "reference/lc-digits-static", f"{file}@96")
    assert "this network takes images of 48×48 pixels and no others. Leave out @96" in error


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    assert call("export", "reference/cascade-digits-static", file).returncode == 0
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    tensors = load_file(file)
    next(tensor for name, tensor in tensors.items() if name.endswith("weight")).view(-1)[0] = torch.nan
    save_file(tensors, file, header)
    assert "holds NaN or infinity" in refused("cascade", "reference/lc-digits-static", file)


def test_train_names_the_command_that_makes_cascades() -> None:
    assert "python -m core cascade" in refused("train", "model_cascade", "--dataset", "digits")


def test_members_of_a_configuration_survive_json() -> None:
    architecture, _ = cascade()
    assert ModelCascade.model_validate(json.loads(architecture.model_dump_json())) == architecture


def test_members_of_one_name_get_titles_that_differ_also_from_a_cascades_other_nodes() -> None:
    architecture = Plain()
    members = [Member(title=title, image=IMAGE, architecture=architecture) for title in ("m", "m (2)", "m", "m", "Q1", "x", "n" * 100)]
    titled = [one.member.title for one in _with_titles([Given(member, {}, 1) for member in members])]
    assert titled == ["m", "m (2)", "m (3)", "m (4)", "Q1 (2)", "x (2)", "n" * 90]


@pytest.mark.parametrize("title", ["--db=sqlite:////evil.db", "~", "a\x1b[2J", "a\nb"])
def test_the_title_of_a_member_is_no_option(title: str) -> None:
    with pytest.raises(ValidationError, match="title"):
        Member(title=title, image=IMAGE, architecture=Plain())
    assert Member(title=_title(title), image=IMAGE, architecture=Plain())
