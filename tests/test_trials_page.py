"""The λ sweep page with a search: its trials, how many were stopped early, and no wish to resume these."""

from pathlib import Path

import pytest
from records import measured
from streamlit.testing.v1 import AppTest
from test_app import MAIN, PATIENCE, texts

from core.config import run_config
from core.evaluation.trials import PRUNED, TRIAL
from core.store import Store


def trial(store: Store, number: int, sweep: str = "s") -> int:
    config = run_config(architecture="plain", dataset="digits", method="static", training={"learning_rate": 0.001 * number})
    run = store.runs.create(config.record(), name=f"{sweep}/trial {number}", sweep=sweep)
    store.runs.annotate(run.id, tags=[TRIAL])
    store.lifecycle.claim(run.id)
    return run.id


@pytest.fixture
def page(scratch_database: str, tmp_path: Path) -> AppTest:
    """The app with a search of static networks: two finished trials and one that was stopped early."""
    store = Store(scratch_database)
    for number in (1, 2):
        store.lifecycle.finish(trial(store, number), measured(lam=None, accuracy=0.6 + 0.1 * number))
    stopped = trial(store, 3)
    store.runs.annotate(stopped, tags=[TRIAL, PRUNED])
    store.lifecycle.stop(stopped)
    return AppTest.from_file(str(MAIN), default_timeout=PATIENCE)


def test_a_search_is_drawn_and_its_stopped_trials_are_not_to_be_resumed(page: AppTest) -> None:
    page.run()
    page.switch_page("screens/sweep.py").run()
    assert not page.exception
    assert "s: 3 trials, of which 2 are finished, and 1 stopped early because others were better." in texts(page).replace("*", "")
    assert "Of the networks on the front, none is beaten" in texts(page)
    assert not any(button.key == "stop-sweep-s" or button.key == "resume-sweep-s" for button in page.button)


def test_the_address_chooses_among_searches(page: AppTest, scratch_database: str) -> None:
    trial(Store(scratch_database), 1, sweep="later")
    page.run()
    page.query_params["search"] = "s"
    page.switch_page("screens/sweep.py").run()
    assert not page.exception
    assert page.selectbox(key="search-shown").value == "s"
    page.selectbox(key="search-shown").select("later").run()
    assert "The chart appears when the first trial is finished." in texts(page)
