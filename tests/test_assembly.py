"""The network that another learns from: the right one, with its own weights, or a refusal that says why."""

from pathlib import Path

import pytest
import torch

from core.config import RunConfig, run_config
from core.datasets import Data, normalised
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.methods import Teacher
from core.methods.static import Static
from core.registry import ConfigError
from core.store import Store
from core.store.exchange import export_run
from core.training.assembly import load_teacher
from core.training.train import train
from core.training.worker import work


def static(dataset: str, width: int, training: dict[str, object], **method: object) -> RunConfig:
    """A narrow network without gates."""
    shape = {"name": "plain", "widths": [width, width, width]}
    return run_config(architecture=shape, dataset=dataset, method={"name": "static", **method}, training={"epochs": 1} | training)


@pytest.fixture(scope="module")
def taught_by(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An exported run of seed 3; the name that stands for it."""
    folder = tmp_path_factory.mktemp("teacher")
    store = Store(f"sqlite:///{folder / 'runs.db'}")
    config = static("digits", 12, {"epochs": 5, "seed": 3, "batch_size": 32})
    work(store, store.runs.create(config.record(), name="wide").id)
    export_run(store, "wide", folder / "wide-3.safetensors")
    return str(folder / "wide-{seed}.safetensors")


@pytest.fixture(scope="module")
def digits() -> Data:
    return static("digits", 4, {}).dataset.read()


def test_a_network_learns_from_an_exported_run_of_another_shape(taught_by: str, digits: Data) -> None:
    config = static("digits", 4, {"seed": 3}, distillation_weight=2.0, teacher=taught_by)
    teacher = load_teacher(config, digits)
    assert teacher is not None
    assert not teacher.training
    with torch.no_grad():
        said = execute(teacher, normalised(digits.test.images), Greedy()).predicted
    assert float((said == digits.test.labels).float().mean()) > 0.5  # its trained weights, not first ones
    progress = list(train(config, digits))
    curve = next(one.figures for one in progress if one.figures)
    assert curve["train distillation loss"] > 0
    plain = list(train(static("digits", 4, {"seed": 3}), digits))
    assert progress[-1].state != plain[-1].state


def test_a_teacher_of_other_classes_or_none_is_refused(taught_by: str, digits: Data, tmp_path: Path) -> None:
    faces = static("faces", 4, {"seed": 3}, distillation_weight=1.0, teacher=taught_by)
    with pytest.raises(ConfigError, match="other images or classes than faces"):
        load_teacher(faces, faces.dataset.read())
    with pytest.raises(ConfigError, match=r"method\.teacher: .*wide-4.safetensors cannot be read"):
        load_teacher(static("digits", 4, {"seed": 4}, distillation_weight=1.0, teacher=taught_by), digits)
    with pytest.raises(ConfigError, match=r"method\.teacher: /dev/zero cannot be read \(not a regular file\)"):
        load_teacher(static("digits", 4, {}, distillation_weight=1.0, teacher="/dev/zero"), digits)
    (tmp_path / "weights.safetensors").write_bytes(list(train(static("digits", 4, {}), digits))[-1].state or b"")
    with pytest.raises(ConfigError, match="holds weights but no run"):
        load_teacher(static("digits", 4, {}, distillation_weight=1.0, teacher=str(tmp_path / "weights.safetensors")), digits)
    assert load_teacher(static("digits", 4, {}), digits) is None
    assert load_teacher(static("digits", 4, {}, teacher="nowhere"), digits) is None  # where it is not distilled
    with pytest.raises(ConfigError, match="nothing to distil"):
        static("digits", 4, {}, distillation_weight=1.0)


def test_a_beginning_that_lacks_a_part_of_the_network_cannot_teach(taught_by: str, digits: Data) -> None:
    """Such a beginning is fine for what is trained: the rest begins at random."""
    begun = static("digits", 12, {"seed": 3, "init_from": taught_by}, distillation_weight=1.0)
    assert load_teacher(begun, digits) is not None
    few = Data(digits.train, digits.val, digits.test, digits.classes[:5])
    with pytest.raises(ConfigError, match=r"has no weights for 1 nodes of the static network.*method\.teacher"):
        load_teacher(begun, few)


def test_a_method_names_its_teacher_to_the_training_loop(taught_by: str, digits: Data) -> None:
    """A method with options of other names distils too: the loop reads `learns_from` alone."""

    class Pupil(Static):
        mentor: str = ""

        @property
        def learns_from(self) -> Teacher | None:
            return Teacher(self.mentor, "method.mentor")

    config = static("digits", 4, {"seed": 3})
    teacher = load_teacher(config.model_copy(update={"method": Pupil(mentor=taught_by)}), digits)
    assert teacher is not None
    assert teacher.shapes["y"] == (10,)
    with pytest.raises(ConfigError, match=r"^method\.mentor: .*nowhere"):
        load_teacher(config.model_copy(update={"method": Pupil(mentor="nowhere.safetensors")}), digits)
