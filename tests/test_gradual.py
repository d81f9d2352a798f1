"""A sweep along λ in parts and in stages: the same as a whole one, in bounded memory, the slider's λ first."""

import math
from collections.abc import Iterator

import pytest
import torch
from test_predict import IMAGES, fresh

from core.datasets import normalised
from core.explain import gradual
from core.explain.gradual import GradualSweep
from core.explain.model import Model
from core.explain.predict import LamSweep, sweep_lam
from core.explain.thresholds import EVERY_LAM
from core.graph import copies
from core.graph.copies import concatenated, copies_at_once, execute_in_parts
from core.graph.execution import Execution, execute
from core.graph.node import GraphError
from core.graph.policy import Greedy
from core.scale import SLIDER_STEPS

LC = {"name": "lc_resnet", "depth": 8, "width": 4}


def network(kind: str) -> Model:
    if kind == "cascade":
        return fresh()
    model = fresh(LC, method="lcnet")
    torch.manual_seed(3)
    for control in model.graph.controls:
        torch.nn.init.normal_(model.graph.parts[control.name].head.weight)
    return model


def agree(one: LamSweep, other: LamSweep) -> None:
    assert (one.starts, one.computed) == (other.starts, other.computed)
    assert one.thresholds == pytest.approx(other.thresholds, abs=1e-6)
    for trace, same in zip([*one.traces, one.reference], [*other.traces, other.reference], strict=True):
        assert (trace.lam, trace.label, trace.executed, trace.macs) == (same.lam, same.label, same.executed, same.macs)
        assert trace.probabilities == pytest.approx(same.probabilities, abs=1e-5)
        for name, gates in trace.gates.items():
            assert gates == pytest.approx(same.gates[name], abs=1e-5)
    for name, rows in one.scores.items():
        for row, same_row in zip(rows, other.scores[name], strict=True):
            assert (row is None) == (same_row is None)
            assert row is None or row == pytest.approx(same_row, abs=1e-5)


@pytest.mark.parametrize("kind", ["cascade", "lc"])
def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    model = network(kind)
    x = normalised(IMAGES[:2])
    whole = execute(model.graph, x, Greedy(), lam=EVERY_LAM.repeat_interleave(2), copies=SLIDER_STEPS)
    assert copies_at_once(model.graph, 2) >= SLIDER_STEPS
    sweep = sweep_lam(model, IMAGES[0])
    monkeypatch.setattr(copies, "copies_at_once", lambda graph, images=1: 7)
    parts = list(execute_in_parts(model.graph, x, Greedy(), EVERY_LAM))
    assert len(parts) == 15
    joined = concatenated(parts)
    assert torch.allclose(whole.output, joined.output, atol=1e-5)
    for name in whole.ran:
        assert torch.equal(whole.ran[name], joined.ran[name])
        assert whole.always(name) == joined.always(name)
    for name in whole.gates:
        assert torch.allclose(whole.gates[name], joined.gates[name], atol=1e-5)
    agree(sweep, sweep_lam(model, IMAGES[0]))


def test_the_number_of_copies_keeps_the_largest_node_within_the_bound() -> None:
    graph = network("lc").graph
    one = copies_at_once(graph)
    assert copies_at_once(graph, 4) in (one // 4, one // 4 + 1)
    largest = copies.BYTES_AT_ONCE // one
    filters = max(4 * sum(p.numel() for p in graph.parts[node.name].parameters()) for node in graph.nodes if node.channels)
    assert largest >= filters, "each copy may need filters of its own"


@pytest.mark.parametrize("kind", ["cascade", "lc"])
@pytest.mark.parametrize("forced", [{}, {"block 2-1": False}], ids=["automatic", "forced"])
def test_the_slider_s_step_comes_first_then_few_then_all(monkeypatch: pytest.MonkeyPatch, kind: str, forced: dict[str, bool]) -> None:
    if kind == "cascade" and forced:
        forced = {"N5": False}
    model = network(kind)
    expected = sweep_lam(model, IMAGES[0], forced)
    monkeypatch.setattr(copies, "MACS_AT_ONCE", 0)
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    sweep = GradualSweep(model, IMAGES[0], forced)
    first = sweep.answer(37)
    assert first.computed == (37,)
    assert (first.starts, len(first.traces), first.thresholds) == ([0], 1, [])
    assert first.traces[0].lam == pytest.approx(0.37)
    assert first.reference == expected.reference
    counts = []
    while not sweep.complete:
        for _ in sweep.refine():
            pass
        assert sweep.sweep is not None
        counts.append(len(sweep.sweep.computed or range(SLIDER_STEPS)))
        assert sweep.sweep.starts[0] == 0
    assert counts == [7, 12, 22, SLIDER_STEPS]
    assert sweep.sweep is not None
    agree(expected, sweep.sweep)
    assert sweep.answer(12) is sweep.sweep


def test_a_step_between_two_known_ones_shows_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    model = network("lc")
    whole = sweep_lam(model, IMAGES[0])
    sweep = GradualSweep(model, IMAGES[0])
    sweep.answer(10)
    found = sweep.answer(51)
    assert found.computed == (10, 51)
    assert [trace.lam for trace in found.traces] == pytest.approx([0.1, 0.51])
    assert found.starts == [0, 31]
    (control, *_) = found.scores
    assert found.scores[control][30] == pytest.approx(whole.scores[control][10], abs=1e-5)
    assert found.scores[control][31] == pytest.approx(whole.scores[control][51], abs=1e-5)


def test_two_sessions_with_the_same_picture_share_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "copies_at_once", lambda graph: 2)
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    model = network("lc")
    sweep, executed = GradualSweep(model, IMAGES[0]), []
    known = sweep._execute
    monkeypatch.setattr(sweep, "_execute", lambda steps: (executed.extend(steps), known(steps)))
    sweep.answer(50)
    while not sweep.complete:
        pair = [sweep.refine(), sweep.refine()]
        while pair:
            pair = [one for one in pair if next(one, 0) is None]
    assert sorted(executed) == list(range(SLIDER_STEPS))
    assert sweep.sweep is not None
    agree(sweep_lam(model, IMAGES[0]), sweep.sweep)


@pytest.mark.parametrize("kind", ["cascade", "lc"])
def test_a_step_that_an_unfinished_stage_has_executed_is_not_executed_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """As where a page that computes the first stage of a picture is left, and another asks for that picture."""
    for quick in (0, math.inf):
        monkeypatch.setattr(gradual, "QUICK_SECONDS", quick)
        model = network(kind)
        sweep = GradualSweep(model, IMAGES[0])
        next(sweep.refine())
        assert 40 in sweep.steps
        assert sweep.sweep is None
        first = sweep.answer(40)
        assert len(first.traces) == len(first.starts)
        while not sweep.complete:
            for _ in sweep.refine():
                pass
        assert sweep.sweep is not None
        agree(sweep_lam(model, IMAGES[0]), sweep.sweep)


def test_an_answer_that_completes_a_stage_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the last stage was left on its way, and the slider moved to a step that it lacks."""
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    model = network("lc")
    sweep = GradualSweep(model, IMAGES[0])
    sweep.answer(50)
    for _ in range(3):
        for _ in sweep.refine():
            pass
    monkeypatch.setattr(gradual, "copies_at_once", lambda graph: 70)
    next(sweep.refine())
    (missing, *_) = sorted(gradual.EVERY_STEP - sweep.steps)
    assert 0 < SLIDER_STEPS - len(sweep.steps) < 20
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0.2)
    paces = iter([0.001, 0.01])
    monkeypatch.setattr(GradualSweep, "_pace", property(lambda self: next(paces), lambda self, seconds: None), raising=False)
    agree(sweep_lam(model, IMAGES[0]), sweep.answer(missing))


def test_a_step_that_was_executed_and_not_assembled_is_in_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "QUICK_SECONDS", 0)
    sweep = GradualSweep(network("lc"), IMAGES[0])
    sweep.answer(50)
    next(sweep.refine())
    assert sweep.answer(40).computed == (0, 20, 40, 50, 60, 80, 100)


def test_a_quick_network_and_one_without_a_slider_answer_completely_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "QUICK_SECONDS", math.inf)
    for model in (fresh(), fresh(lam=0.3)):
        sweep = GradualSweep(model, IMAGES[0])
        agree(sweep_lam(model, IMAGES[0]), sweep.answer(50))
        assert sweep.complete
        assert sweep.size > 0


def test_an_answer_goes_on_as_far_as_its_steps_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that every execution moves on by a second for each step, and then by less: as where they share their computation."""
    model, clock = network("lc"), [0.0]
    monkeypatch.setattr(gradual.time, "thread_time", lambda: clock[0])
    execute_steps = gradual.execute_in_parts

    def answered(seconds: list[float]) -> int:
        """Return how many steps are known after an answer whose executions take these seconds for a step."""
        left = iter(seconds)

        def slow(*given: object) -> Iterator[Execution]:
            clock[0] += next(left) * len(given[3])
            return execute_steps(*given)

        monkeypatch.setattr(gradual, "execute_in_parts", slow)
        found = GradualSweep(model, IMAGES[0]).answer(50)
        return SLIDER_STEPS if found.computed is None else len(found.computed)

    quick = gradual.QUICK_SECONDS / SLIDER_STEPS
    assert answered([10 * quick * SLIDER_STEPS]) == 1
    assert answered([10 * quick, 2 * quick]) == 7
    assert answered([10 * quick, quick / 2, quick / 2]) == SLIDER_STEPS


def test_nodes_that_exclude_each_other_are_refused_before_anything_is_computed() -> None:
    with pytest.raises(GraphError, match="cannot run together"):
        GradualSweep(fresh({"name": "high_low", "controller_sees": "features"}), IMAGES[0], {"low": True, "high": True})
