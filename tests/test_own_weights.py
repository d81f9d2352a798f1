"""Weights from elsewhere in the browser: a training begins with them, or one sentence says why none can."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest
from test_app import MAIN, PATIENCE, page, plainly, warned
from test_initialisation import pth, published

from app.own_weights import INIT_FROM, keep_weights, only_weights
from core.architectures.lc_resnet import LCResNet
from core.config import run_config
from core.errors import UserError
from core.store import Store
from core.training.members import recognise
from core.training.preview import check_weights


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("GATESCOPE_DB", url)
    return Store(url)


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose pages are opened."""
    return Store(f"sqlite:///{tmp_path_factory.mktemp('weights') / 'runs.db'}")


@pytest.fixture
def app(visited: Store, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("GATESCOPE_DB", visited.url)
    return AppTest.from_file(str(MAIN), default_timeout=PATIENCE)


def test_weights_are_kept_once_under_a_name_of_plain_letters(store: Store) -> None:
    content = pth({"state_dict": published()})
    kept = keep_weights("../a {seed} net.pth", content)
    assert (kept.parent, kept.suffix) == (store.weights.folder / "initial", ".pth")
    assert "{" not in kept.name
    assert kept.read_bytes() == content
    assert keep_weights("../a {seed} net.pth", content) == kept
    assert len(list(kept.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("net.onnx", b"\x08\x07", "choose “Make a cascade” and add the file there"),
        ("notes.pth", b"text", "notes.pth: this is neither a safetensors file nor weights that PyTorch can read safely"),
        ("bad.safetensors", save({"a": torch.tensor([torch.nan])}), "bad.safetensors: a holds NaN or infinity"),
    ],
    ids=["a program", "a text", "NaN"],
)
def test_what_no_training_can_begin_with_is_refused_in_one_sentence(store: Store, name: str, content: bytes, says: str) -> None:
    assert only_weights(name, content)
    with pytest.raises(UserError) as refused:
        keep_weights(name, content)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (store.weights.folder / "initial").exists()


def test_imported_weights_open_the_train_page_with_their_architecture(app: AppTest, visited: Store) -> None:
    architecture, classes = recognise(published())
    assert isinstance(architecture, LCResNet)
    assert classes == 10
    page(app, "runs")
    uploader = next(one for one in app.file_uploader if str(one.key).startswith("import-"))
    uploader.upload("resnet8.pth", pth({"state_dict": published()}), "application/octet-stream")
    app.run()
    app.button(key="import").click().run()
    assert not app.exception
    page(app, "train")  # AppTest does not follow a page that is switched to
    assert app.selectbox(key="form-architectures").value == "lc_resnet"
    assert app.selectbox(key="form-datasets").value == "cifar10"
    (kept,) = (visited.weights.folder / "initial").iterdir()
    assert app.session_state[INIT_FROM] == str(kept)
    check_weights(run_config(architecture=architecture, dataset="cifar10", method="lcnet", training={"init_from": str(kept)}))


def test_uploaded_weights_that_do_not_fit_are_refused_before_the_start(app: AppTest) -> None:
    page(app, "train")
    app.file_uploader(key="own-weights").upload("resnet8.pth", pth({"state_dict": published()}), "application/octet-stream").run()
    assert app.text_input(key=INIT_FROM).value
    assert "“Initialise from (file)”" in warned(app)
    assert app.button(key="start").disabled
    app.file_uploader(key="own-weights").upload("notes.pth", b"text", "application/octet-stream").run()
    assert "notes.pth: this is neither a safetensors file nor weights" in " ".join(plainly(one.value) for one in app.error)
    assert not app.exception
