"""Weights that one network begins with because another has learnt them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from core.config import RunConfig, run_config
from core.graph.checkpoint import pack, unpack
from core.graph.initialisation import initialise_from
from core.graph.weight_file import CheckpointError
from core.registry import ConfigError
from core.training.assembly import assemble
from core.training.train import train

SMALL = {"name": "resnet_cascade", "n": 1, "exits": [1]}


def resnet(method: str, seed: int) -> RunConfig:
    """A tiny ResNet with one exit, or without."""
    return run_config(architecture=SMALL, dataset="faces", method=method, training={"epochs": 1, "seed": seed})


def test_a_cascade_begins_with_a_static_network() -> None:
    static, cascade = (assemble(resnet(method, seed), (1, 25, 25), 2) for method, seed in (("static", 0), ("d2nn", 1)))
    before = {name: tensor.clone() for name, tensor in cascade.state_dict().items()}
    taken = initialise_from(pack(static), cascade).nodes
    assert taken == {node.name for node in static.nodes if node.kind != "input"}
    after = cascade.state_dict()
    learnt = {name: tensor for name, tensor in static.state_dict().items() if name.startswith("parts.")}
    for name, tensor in learnt.items():
        assert torch.equal(after[name], tensor), name
    for name in after.keys() - learnt.keys():
        assert torch.equal(after[name], before[name]), name


def test_a_network_without_a_common_node_is_refused() -> None:
    plain = assemble(run_config(architecture="plain", dataset="faces", method="static"), (1, 25, 25), 2)
    with pytest.raises(CheckpointError, match="no node of the same name"):
        initialise_from(pack(plain), assemble(run_config(architecture="high_low", dataset="faces", method="d2nn"), (1, 25, 25), 2))


@pytest.mark.parametrize("given", [{"name": "lc_resnet", "depth": 8, "width": 24}, {"name": "lc_resnet", "depth": 14, "layers": False}])
def test_weights_that_are_mostly_of_no_use_are_refused(given: dict[str, object]) -> None:
    """Those of other widths, and those of another architecture that has only its answer in common."""
    learnt = assemble(run_config(architecture=given, dataset="faces", method="static"), (1, 25, 25), 2)
    wanted = {"name": "lc_resnet", "depth": 8} if "width" in given else SMALL
    with pytest.raises(CheckpointError, match="belong to another network"):
        initialise_from(pack(learnt), assemble(run_config(architecture=wanted, dataset="faces", method="static"), (1, 25, 25), 2))


def test_each_seed_can_begin_with_a_file_of_its_own(tmp_path: Path) -> None:
    data = resnet("d2nn", 0).dataset.read()
    for seed in (0, 1):
        (tmp_path / f"learnt-{seed}.safetensors").write_bytes(pack(assemble(resnet("static", 7 + seed), data.image, 2)))
    start = str(tmp_path / "learnt-{seed}.safetensors")
    configs = [
        run_config(**(resnet("d2nn", seed).model_dump() | {"training": {"seed": seed, "epochs": 1, "init_from": start}})) for seed in (0, 1)
    ]
    plain = [
        resnet("d2nn", seed).model_copy(
            update={"training": config.training.model_copy(update={"init_from": str(config.training.initial_weights)})}
        )
        for seed, config in enumerate(configs)
    ]
    ends = [next(progress.state for progress in train(one, data) if progress.final) for one in (*configs, *plain)]
    assert ends[0] == ends[2] != ends[1] == ends[3]


def test_training_begins_with_a_file(tmp_path: Path) -> None:
    config = resnet("d2nn", 0)
    data = config.dataset.read()
    learnt = assemble(resnet("static", 5), data.image, 2)
    (tmp_path / "learnt.safetensors").write_bytes(pack(learnt))
    start = {"init_from": str(tmp_path / "learnt.safetensors")}
    begun = config.model_copy(update={"training": config.training.model_copy(update=start)})
    ends = [[progress.final for progress in train(one, data)][-1] for one in (config, begun, begun)]
    assert ends[0] != ends[1] == ends[2]
    missing = config.model_copy(update={"training": config.training.model_copy(update={"init_from": "nowhere"})})
    with pytest.raises(ConfigError, match="nowhere"):
        next(train(missing, data))


@pytest.mark.parametrize(
    ("architecture", "method", "lam"),
    [
        ("high_low", "d2nn", None),
        ("high_low", "d2nn", 0.5),
        ("lc_resnet", "lcnet", None),
        ("lc_resnet", "lcnet", 0.5),
        ("plain", "static", None),
    ],
)
def test_files_with_former_names_load(architecture: str, method: str, lam: float | None) -> None:
    """Every graph used to hold an exchange rate and a curve, whichever of them it used; the oldest files hold no curve and no prices."""
    shape = {"name": "lc_resnet", "depth": 8, "width": 4} if architecture == "lc_resnet" else architecture
    config = run_config(architecture=shape, dataset="digits", method=method, lam=lam)
    graph = assemble(config, (1, 8, 8), 10)
    own = {name: tensor for name, tensor in graph.state_dict().items() if not name.startswith("tradeoff.")}
    curve = torch.linspace(0, 1, 101) ** 2 if method == "lcnet" else torch.empty(0)
    former = {f"graph.{name.replace('min_remaining_cost', 'known')}": tensor for name, tensor in own.items()}
    former |= {"graph.exchange_rate": torch.tensor(0.0625), "graph.course": curve}
    unpack(save(former), graph)
    kept = graph.tradeoff.state_dict()
    expected = {"d2nn": {"exchange_rate": torch.tensor(0.0625)}, "lcnet": {} if lam else {"curve": curve}, "static": {}}[method]
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in expected.items())
    del former["graph.course"], former["graph.prices"]
    fresh = assemble(config, (1, 8, 8), 10)
    unpack(save(former), fresh)
    assert torch.equal(fresh.prices, assemble(config, (1, 8, 8), 10).prices)


def test_a_file_of_another_trade_off_is_refused() -> None:
    every, one = (
        assemble(run_config(architecture="high_low", dataset="digits", method="d2nn", lam=lam), (1, 8, 8), 10) for lam in (None, 0.5)
    )
    with pytest.raises(CheckpointError, match="do not fit"):
        unpack(pack(every), one)
    weights = load(pack(one))
    del weights["graph.tradeoff.exchange_rate"]
    with pytest.raises(CheckpointError, match=r"tradeoff\.exchange_rate"):
        unpack(save(weights), one)
