"""The address of Explore: what it names, and when a person has gone to another one."""

import pytest
import streamlit as st

from app import address


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The parameters of the browser's address, in a session of its own."""

    class Parameters(dict[str, str]):
        def to_dict(self) -> dict[str, str]:
            return dict(self)

        def from_dict(self, wanted: dict[str, str]) -> None:
            self.clear()
            self.update(wanted)

    parameters = Parameters()
    monkeypatch.setattr(st, "query_params", parameters)
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(address, "LAG_SECONDS", 0.0)
    return parameters


def test_what_is_shown_is_written_with_the_browser_s_lam(browser: dict[str, str]) -> None:
    browser["lam"] = "0.30"
    address.show({"run": "a", "sample": "1"}, "Q1")
    assert browser == {"run": "a", "sample": "1", "node": "Q1", "lam": "0.30"}
    address.show({"run": "a", "sample": "1"})
    assert browser == {"run": "a", "sample": "1", "lam": "0.30"}


def test_only_another_address_than_the_one_that_was_written_is_arrived_at(browser: dict[str, str]) -> None:
    browser["run"] = "a"
    assert not address.arrived()  # nothing has been written: the first page shows what the address names in any case
    address.show({"run": "a", "sample": "1"})
    browser["lam"] = "0.70"  # moved in the browser
    assert not address.arrived()
    address.show({"run": "a", "sample": "2"})
    browser.pop("lam")
    browser["sample"] = "1"  # back
    assert address.arrived()
    assert address.visits() == 1
    assert not address.arrived()  # the same once more


def test_an_address_that_names_no_run_changes_nothing(browser: dict[str, str]) -> None:
    address.show({"run": "a", "sample": "1"})
    browser.clear()  # from another page
    assert not address.arrived()


def test_an_address_that_the_browser_still_sends_is_not_arrived_at(browser: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "LAG_SECONDS", 60.0)
    address.show({"run": "a", "sample": "1"})
    address.show({"run": "a", "sample": "2"})
    browser["sample"] = "1"  # sent before the browser had the second
    assert not address.arrived()
