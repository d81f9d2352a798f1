"""A folder for the Hugging Face Hub: the Hub's own library takes its metadata, and it is read back wherever an exported file is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from safetensors import safe_open
from test_exchange import call
from test_sweep import CONFIG

from core.cli.options import network_of
from core.config import RunConfig, run_config
from core.datasets import normalised
from core.errors import UserError
from core.evaluation.hub import export_hub, local_paths, yaml
from core.explain.model import Model, load
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.store import Store, StoreError
from core.store.references import SHIPPED, load_references
from core.training.assembly import check_initial_weights, read_weights
from core.training.members import read_member

RUN = "reference/high-low-faces"
STATIC = "reference/high-low-faces-static"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of the runs that ship, and one of them written for the Hub."""
    place = tmp_path_factory.mktemp("shared")
    store = Store(f"sqlite:///{place / 'runs.db'}")
    load_references(store)
    export_hub(store, RUN, place / "hub", licence="cc-by-4.0")
    return place


@pytest.fixture
def store(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store with the runs that ship, as the default one."""
    url = f"sqlite:///{shared / 'runs.db'}"
    monkeypatch.setenv("GATESCOPE_DB", url)
    return Store(url)


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return shutil.copytree(shared / "hub", tmp_path / "hub")


def answers(model: Model, images: torch.Tensor) -> torch.Tensor:
    """The logits at two values of λ."""
    return torch.cat([execute(model.graph, normalised(images), Greedy(), lam=lam).output for lam in (0.3, 0.8)])


def test_the_hubs_own_library_takes_the_metadata(store: Store, folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    card = ModelCard.load(folder / "README.md")
    data: Any = metadata_load(folder / "README.md")
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == ("cc-by-4.0", "gatescope", "image-classification")
    assert {"high_low", "d2nn", "arxiv:1701.00299"} <= set(card.data.tags)
    name, results = model_index_to_eval_results(data["model-index"])
    assert name == RUN
    rows = store.runs.get(RUN).figures["test"]
    for kind, column in (("accuracy", "accuracy"), ("multiply-adds", "macs_mean")):
        found = {result.dataset_args["lam"]: result.metric_value for result in results if result.metric_type == kind}
        assert found == {row["lam"]: row[column] for row in rows}
    assert len(card.data.eval_results) == 4 * len(rows)
    assert len(card.data.to_dict()["model-index"][0]["results"]) == len(rows), "entries that the library cannot tell apart become one"
    assert "https://arxiv.org/abs/1701.00299" in card.text
    assert str(card.data)  # which validates again as it is written


def test_a_run_on_a_dataset_of_the_hub_names_it_and_a_static_one_has_no_lam(store: Store, tmp_path: Path) -> None:
    export_hub(store, "reference/resnet38-cifar10-static", tmp_path / "hub")
    data: Any = metadata_load(tmp_path / "hub" / "README.md")
    assert data["datasets"] == ["uoft-cs/cifar10"]
    _, results = model_index_to_eval_results(data["model-index"])
    assert {result.dataset_type for result in results} == {"uoft-cs/cifar10"}
    assert [result.dataset_args for result in results] == [None] * 4


def test_config_json_describes_the_network(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["high_low"]
    assert config["serves_every_lam"] is True
    assert len(config["id2label"]) == config["num_labels"]
    assert isinstance(run_config(**config["gatescope"]), RunConfig)


def test_the_folder_is_read_back_with_the_same_answers(store: Store, folder: Path) -> None:
    first = load(RUN)
    images = first.config.dataset.samples(16)[0].images
    expected = answers(first, images)
    assert call("import", folder, "--name", "back", "--db", store.url)[0] == 0
    named, row = network_of(store.url, str(folder))
    for model in (load(folder), load(str(folder)), load("back"), named):
        assert torch.equal(answers(model, images), expected)
    assert row.figures == store.runs.get(RUN).figures == store.runs.get("back").figures


def test_a_snapshot_of_the_hubs_cache_is_read_through_its_links(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        shutil.move(file, blobs / str(number))
        (snapshot / file.name).symlink_to(blobs / str(number))
    assert load(snapshot).run == RUN


def test_a_folder_stands_for_its_file_as_initial_weights_and_as_a_member(store: Store, folder: Path, tmp_path: Path) -> None:
    export_hub(store, STATIC, tmp_path / "static")
    config = load(STATIC).config
    start = config.model_copy(update={"training": config.training.model_copy(update={"init_from": str(tmp_path / "static")})})
    check_initial_weights(start)
    assert read_weights(folder, "method.teacher") == (folder / "model.safetensors").read_bytes()
    assert read_member(tmp_path / "static", config.dataset)


def test_a_run_comes_before_a_folder_of_its_name(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_hub(store, RUN, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert load("mine").run == RUN
    store.runs.create(CONFIG.record(), name="mine")
    with pytest.raises(StoreError, match="run mine has no weights yet"):
        load("mine")
    with pytest.raises(StoreError, match="run mine has no weights yet"):
        network_of(store.url, "mine")


def test_what_is_not_possible_is_said(store: Store, folder: Path, tmp_path: Path) -> None:
    db = ["--db", store.url]
    status, told = call("export", RUN, "--hub", folder, *db)
    assert status == 2
    assert "model.safetensors exists already: choose another folder, or overwrite it with --force" in told
    assert call("export", RUN, "--hub", folder, "--force", *db)[0] == 0
    assert "not both" in call("export", RUN, *db)[1]
    assert "not both" in call("export", RUN, tmp_path / "a.safetensors", "--hub", folder, *db)[1]
    assert "name one with --hub" in call("export", RUN, tmp_path / "a.safetensors", "--license", "mit", *db)[1]
    assert "for ONNX files" in call("export", RUN, "--hub", folder, "--weights", "int8", *db)[1]
    with pytest.raises(StoreError, match="is not a licence of the Hub"):
        export_hub(store, RUN, folder, licence="My own", force=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty cannot be read: (not a regular file|Is a directory)"):
        load(tmp_path / "empty")
    assert not list(tmp_path.glob("**/*.partial"))


def test_texts_that_yaml_would_read_otherwise_stay_texts(tmp_path: Path) -> None:
    letters = "\"'λ 😀\u0085\u2028 \t"
    strange = {"answer": "no", "colon": "a: b # c", "letters": letters, "empty": [], "nested": [[1, 2.5], {"a": None, "b": [True]}]}
    (tmp_path / "card.md").write_text("\n".join(["---", *yaml(strange), "---", ""]), encoding="utf-8")
    assert metadata_load(tmp_path / "card.md") == strange


def test_the_weights_are_the_exported_file(folder: Path) -> None:
    with safe_open(folder / "model.safetensors", "np") as mine, safe_open(SHIPPED / "high-low-faces.safetensors", "np") as shipped:
        assert set(mine.keys()) == set(shipped.keys())


def test_folders_of_this_computer_are_named_before_they_are_published(tmp_path: Path) -> None:
    config = run_config(architecture="plain", dataset="digits", method="static", training={"init_from": str(tmp_path / "x.pth")})
    assert local_paths(config.record().config) == [str(tmp_path / "x.pth")]
    assert local_paths(run_config(architecture="plain", dataset="digits", method="static").record().config) == []
