"""Loading trained networks, predictions, thresholds and sweeps of λ, as used by the app and the command line."""

from dataclasses import replace

import pytest
import torch

from core.config import run_config
from core.datasets import normalised
from core.explain.model import Model, load_model
from core.explain.predict import forced_policy, predict, sweep_lam, thresholds
from core.fast.stopwatch import timed, timed_along
from core.graph.execution import execute
from core.graph.node import GraphError
from core.graph.policy import Greedy
from core.scale import SLIDER_STEPS, lam_at
from core.store import Store, StoreError
from core.training.worker import work

IMAGES = torch.randint(0, 256, (12, 1, 25, 25), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def fresh(architecture: object = "cascade", lam: float | None = None, method: object = "d2nn", exchange_rate: float = 0.02) -> Model:
    """Return an untrained network whose controllers have enlarged weights, so that routes differ between images."""
    config = run_config(architecture=architecture, dataset="faces", method=method, lam=lam)
    torch.manual_seed(5)
    graph = config.method.prepare(config.architecture.build((1, 25, 25), 2, every_lam=lam is None), lam).eval().requires_grad_(False)
    for control in graph.controls:
        for weights in graph.parts[control.name].parameters():
            weights.mul_(4)
    if graph.tradeoff.exchange_rate is not None:
        graph.tradeoff.exchange_rate.fill_(exchange_rate)
    return Model("fresh", config, graph, (1, 25, 25), ("background", "face"))


@pytest.mark.parametrize(
    "architecture",
    [pytest.param("cascade", marks=pytest.mark.long), "high_low", {"name": "high_low", "controller_sees": "features", "stem": 8}],
)
def test_thresholds_agree_with_brute_force(architecture: object) -> None:
    model = fresh(architecture)
    lams = torch.linspace(0, 1, 1001).tolist()
    changes = 0
    for image in IMAGES:
        routes = [predict(model, image[None], lam=lam)[0].executed for lam in lams[::5]]
        brute = [lams[5 * step] for step in range(1, len(routes)) if routes[step] != routes[step - 1]]
        found = thresholds(model, image)
        changes += len(found)
        assert len(found) == len(brute)
        for threshold, after in zip(found, brute, strict=True):
            assert after - 0.0051 <= threshold <= after + 1e-4
    assert changes > 0, "no image changes its route, so nothing was tested"


def test_a_sweep_agrees_with_predict_at_every_step() -> None:
    model = fresh()
    sweep = sweep_lam(model, IMAGES[0])
    assert sweep.starts[0] == 0
    assert len(sweep.starts) == len(sweep.traces) > 1
    for step in range(SLIDER_STEPS):
        trace = next(t for start, t in zip(reversed(sweep.starts), reversed(sweep.traces), strict=True) if start <= step)
        single = predict(model, IMAGES[:1], lam=lam_at(step))[0]
        assert (single.executed, single.label, single.macs) == (trace.executed, trace.label, trace.macs)
        assert single.probabilities == pytest.approx(trace.probabilities, abs=1e-5)
        for name, decision in single.controls.items():
            scores = sweep.scores[name][step]
            assert (decision.scores is None) == (scores is None)
            if scores is not None:
                assert decision.scores == pytest.approx(scores, abs=1e-5)


def test_forced_gates_apply_at_every_lam() -> None:
    model = fresh()
    for on in (True, False):
        for trace in sweep_lam(model, IMAGES[0], {"N3": on}).traces:
            assert ("N3" in trace.executed) == on
    assert thresholds(model, IMAGES[0], {"N3": False}) == []


def test_mutually_exclusive_nodes_cannot_be_forced_together() -> None:
    graph = fresh({"name": "high_low", "controller_sees": "features"}).graph
    for forced, message in (({"low": True, "high": True}, "cannot run together"), ({"low": False, "high": False}, "forced off")):
        with pytest.raises(GraphError, match=message):
            forced_policy(graph, forced)


def test_invalid_lam_and_forced_nodes_are_refused() -> None:
    every, one = fresh(), fresh(lam=0.3)
    for model, lam, message in ((every, None, "every λ"), (every, 1.5, "between 0"), (one, 0.7, "trained for λ = 0.3")):
        with pytest.raises(GraphError, match=message):
            predict(model, IMAGES[:1], lam=lam)
    with pytest.raises(GraphError, match="N3, N5, N7"):
        forced_policy(every.graph, {"N1": True})


def test_a_network_trained_for_one_lam_has_one_trace_and_no_thresholds() -> None:
    sweep = sweep_lam(fresh(lam=0.3), IMAGES[0])
    assert len(sweep.traces) == 1
    assert sweep.traces[0].lam == 0.3
    assert sweep.thresholds == []


def test_a_network_without_gates_runs_completely_at_full_cost() -> None:
    sweep = sweep_lam(fresh("plain", method="static"), IMAGES[0])
    trace = sweep.traces[0]
    assert trace.skipped == []
    assert trace.gates == {}
    assert trace.macs == trace.macs_full == trace.macs_static


def test_the_reference_trace_takes_the_full_path() -> None:
    model = fresh()
    reference = sweep_lam(model, IMAGES[0]).reference
    assert "y4" in reference.executed
    assert reference.macs == reference.macs_full


def test_a_node_with_channel_gates_reports_the_scale_of_each_channel() -> None:
    shape = {"name": "lc_resnet", "depth": 8, "width": 4}
    model = fresh(shape, method="lcnet")
    for control in model.graph.controls:
        torch.nn.init.normal_(model.graph.parts[control.name].head.weight)
    execution = execute(model.graph, normalised(IMAGES[:6]), Greedy(), lam=0.4)
    for row, trace in enumerate(predict(model, IMAGES[:6], lam=0.4)):
        assert trace.gates.keys() == {"block 1-1", "block 2-1", "block 3-1"}
        for name, scales in trace.gates.items():
            gates = execution.gates[f"Q{name.removeprefix('block ')}"][row]
            assert scales == pytest.approx((gates[0] * gates[1:]).tolist())
            assert any(scales) or name in trace.skipped or not gates[1:].any()
    block_gates = fresh(shape | {"channels": False}, method="lcnet")
    assert predict(block_gates, IMAGES[:1], lam=0.4)[0].gates == pytest.approx({f"block {group}-1": 4.0 for group in (1, 2, 3)})


def test_timing_gives_a_positive_time() -> None:
    took = timed(fresh(), IMAGES[0], lam=0.5)
    assert 0 < took.gated < 60
    assert 0 < took.static.low <= took.static.median <= took.static.high < 60


def test_a_stored_run_can_be_loaded_by_name_and_id(scratch_database: str) -> None:
    store = Store(scratch_database)
    config = run_config(architecture="high_low", dataset="digits", method="d2nn", training={"epochs": 3, "batch_size": 64})
    run = store.runs.create(config.record(), name="digits")
    with pytest.raises(StoreError, match="no weights yet"):
        load_model(store, "digits")
    work(store, run.id)
    first, second = load_model(store, "digits"), load_model(store, run.id)
    images = config.dataset.read().test.images[:20]
    assert predict(first, images, lam=0.4) == predict(second, images, lam=0.4)
    assert replace(first, graph=second.graph) == second
    assert len({trace.label for trace in predict(first, images, lam=0.4)}) > 1


def test_every_trace_of_a_sweep_has_a_time() -> None:
    model = fresh()
    sweep = sweep_lam(model, IMAGES[0])
    gated, static = timed_along(model, IMAGES[0], sweep)
    assert len(gated) == len(sweep.traces)
    assert all(0 < one.low <= one.median <= one.high for one in [*gated, static])
