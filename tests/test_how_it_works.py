"""How it works: the toy controller learns, its charts follow, and the page shows its examples."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import lessons
from app.charts.lessons import BLUR, changes, gates_chart, rewards_chart, scores_chart, thresholds_chart, values_chart
from app.toy_controller import DEAR_COST, ToyController, reward, threshold, true_accuracy

MAIN = Path(__file__).parents[1] / "app" / "main.py"
PATIENCE = 90  # seconds; the first run of a page imports torch
COST, KAPPA = 0.2, 0.25


@pytest.fixture(scope="module")
def taught() -> ToyController:
    toy = ToyController()
    toy.learn(lessons.LESSONS * lessons.STEPS, COST, KAPPA)
    return toy


def test_the_toy_learns_how_accurate_both_modules_are(taught: ToyController) -> None:
    fresh = np.abs(ToyController().predict(BLUR) - true_accuracy(BLUR)).mean()
    learned = np.abs(taught.predict(BLUR) - true_accuracy(BLUR)).mean()
    assert learned < 0.06 < fresh


def test_the_same_seed_learns_the_same() -> None:
    one, other = ToyController(3), ToyController(3)
    for toy in (one, other):
        toy.learn(2, COST, KAPPA)
    assert (one.predict(BLUR) == other.predict(BLUR)).all()
    assert one.seen == other.seen > 0


@pytest.mark.parametrize("lam", [0.1, 0.45, 0.8])
def test_a_module_runs_above_its_threshold_where_its_reward_is_higher(lam: float) -> None:
    cheap, dear = true_accuracy(BLUR).T
    higher = reward(dear, DEAR_COST, lam, KAPPA) > reward(cheap, COST, lam, KAPPA)
    assert (higher == (lam > threshold(cheap, dear, COST, KAPPA))).all()


def test_a_dear_module_that_gains_nothing_is_never_worth_its_cost() -> None:
    assert float(threshold(np.array(0.9), np.array(0.9), COST, KAPPA)) == 1
    assert float(threshold(np.array(0.9), np.array(0.5), COST, KAPPA)) == 1


def test_both_charts_of_the_toy_show_the_same_threshold(taught: ToyController) -> None:
    predicted, lam = taught.predict(BLUR), 0.5
    lines = [
        [shape.x0 for shape in chart.layout.shapes if shape.x0 == shape.x1]
        for chart in (values_chart(predicted, lam, COST, KAPPA), thresholds_chart(predicted, lam, COST, KAPPA))
    ]
    assert len(lines[0]) == 1
    assert lines[0] == pytest.approx(lines[1], abs=0.01)


def test_changes_are_found_between_the_points() -> None:
    assert changes(BLUR - 0.333) == [pytest.approx(0.333)]
    assert changes(np.ones_like(BLUR)) == []


def test_the_charts_distinguish_what_runs() -> None:
    assert len(set(rewards_chart({"cheap": 0.4, "dear": 0.3}).data[0].marker.color)) == 2
    gates = gates_chart([0.5, -0.5, 0.0]).data[0]
    assert list(gates.customdata) == ["runs", "skipped", "skipped"]
    assert list(gates.marker.pattern.shape) == ["", "/", "/"]
    chart = scores_chart(["stop", "<b>"], [[0.1, 0.2], None, [0.4, 0.3]], [0.5])
    assert [line.name for line in chart.data] == ["stop", "&lt;b&gt;"]
    assert list(chart.data[0].y) == [0.1, None, 0.4]


def test_the_page_shows_every_example_and_trains_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "LESSONS", 2)
    monkeypatch.setattr(lessons, "STEPS", 3)
    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
    app.run()
    app.switch_page("screens/how_it_works.py").run()
    assert not app.exception
    assert not app.error
    assert "the block runs" in " ".join(one.value for one in app.markdown)
    app.slider(key="how-lam").set_value(0.1).run()
    assert "the **cheap** module runs" in " ".join(one.value for one in app.markdown)
    app.button(key="toy-train").click().run()
    assert not app.exception
    assert "Trained on 768 pictures" in " ".join(one.value for one in app.caption)
    app.button(key="toy-reset").click().run()
    assert "Not trained yet" in " ".join(one.value for one in app.caption)
