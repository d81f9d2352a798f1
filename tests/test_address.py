"""The address of Explore: what it names, and when a person has gone to another one."""

from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import address, computing


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
    return parameters


def test_what_is_shown_is_written_with_the_browser_s_lam(browser: dict[str, str]) -> None:
    browser["lam"] = "0.30"
    address.show({"run": "a", "sample": "1"}, "Q1")
    assert browser == {"run": "a", "sample": "1", "node": "Q1", "lam": "0.30"}
    address.show({"run": "a", "sample": "1"})
    assert browser == {"run": "a", "sample": "1", "lam": "0.30"}


def test_only_another_address_than_those_that_were_written_is_arrived_at(browser: dict[str, str]) -> None:
    browser["run"] = "a"
    assert not address.arrived()  # nothing has been written: the first page shows what the address names in any case
    address.show({"run": "a", "sample": "1"})
    browser["lam"] = "0.70"  # moved in the browser
    assert not address.arrived()
    browser["sample"] = "2"  # a link
    assert address.arrived()
    assert address.visits() == 1
    assert not address.arrived()  # the same once more


def test_an_address_that_names_no_run_changes_nothing(browser: dict[str, str]) -> None:
    address.show({"run": "a", "sample": "1"})
    browser.clear()  # from another page
    assert not address.arrived()
    assert browser == {}


def test_the_first_link_is_followed_where_nothing_could_be_shown(browser: dict[str, str]) -> None:
    assert not address.arrived()
    browser["run"] = "a"
    assert address.arrived()


def sent(browser: dict[str, str], **parameters: str) -> bool:
    """Return whether the page counts what a browser sends as arrived at."""
    browser.clear()
    browser.update(parameters)
    return address.arrived()


def test_an_address_that_the_browser_still_sends_gives_way_to_the_last(browser: dict[str, str]) -> None:
    for sample in "123":
        address.show({"run": "a", "sample": sample})
    for sample in "112":
        assert not sent(browser, run="a", sample=sample, lam="0.40")
        assert browser == {"run": "a", "sample": "3", "lam": "0.40"}
    assert sent(browser, run="a", sample="1"), "it has had a later one since: a link"


def test_once_the_browser_has_sent_the_last_address_each_earlier_one_is_a_link(browser: dict[str, str]) -> None:
    address.show({"run": "a", "sample": "1"})
    address.show({"run": "b", "sample": "2"})
    assert not sent(browser, run="b", sample="2")
    assert sent(browser, run="a", sample="1")


def test_from_another_page_each_address_is_a_link(browser: dict[str, str]) -> None:
    address.show({"run": "a", "sample": "1"})
    address.show({"run": "a", "sample": "2"})
    address.left()
    assert sent(browser, run="a", sample="1")
    assert address.visits() == 1


def test_back_and_forward_lead_to_an_address_however_new_it_is(browser: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    address.show({"run": "a", "sample": "1"})
    address.show({"run": "a", "sample": "2"})
    monkeypatch.setattr(address, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=True))
    assert sent(browser, run="a", sample="1")
    assert not sent(browser, run="a", sample="1")
    monkeypatch.setattr(address, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=False))
    assert not sent(browser, run="a", sample="2"), "it was on its way to the browser as the person went back"
    assert browser["sample"] == "1"


def test_a_part_that_is_drawn_again_tells_which_address_the_browser_has(browser: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for node in (None, "N1", "N2"):
        address.show({"run": "a", "sample": "1"}, node)
    monkeypatch.setattr(address, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=False, fragment_ids_this_run=["f"]))
    address.redrawn()
    assert sent(browser, run="a", sample="1", node="N1")


def drawn_again() -> None:
    """A page that writes two addresses, each after the browser's, and draws itself again after that."""
    import streamlit as st

    from app import address
    from app.computing import draw_again

    address.arrived()
    drawn = st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    address.show({"run": "a", "sample": str(min(drawn, 2))})
    if drawn in (2, 3):
        draw_again()


def test_a_page_that_draws_itself_again_does_not_tell_which_address_the_browser_has() -> None:
    page = AppTest.from_function(drawn_again)
    page.query_params["run"] = "a"
    page.run()
    page.query_params.clear()
    page.query_params["run"] = "a"  # the first address that was written is still on its way
    page.run()
    history = page.session_state[address.HISTORY]
    assert page.session_state["drawn"] == 4
    assert history.written == [{"run": "a"}, {"run": "a", "sample": "1"}, {"run": "a", "sample": "2"}]
    page.query_params["sample"] = "2"
    page.run()
    assert history.written == [{"run": "a", "sample": "2"}], "it has come"


def test_a_part_that_draws_itself_again_does_not_tell_which_address_the_browser_has(
    browser: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in ("N1", "N2"):
        address.show({"run": "a", "sample": "1"}, node)
    monkeypatch.setattr(address, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=False, fragment_ids_this_run=["f"]))
    st.session_state[computing.DRAWN_AGAIN] = True
    address.redrawn()
    assert not sent(browser, run="a", sample="1", node="N1"), "N2 may still be on its way"
