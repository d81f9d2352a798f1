"""From a page that looks at its runs every two seconds to another page, over a connection on which messages take longer than that."""

from pathlib import Path

from conftest import SLOW, idle, served
from playwright.sync_api import Page, expect
from test_explore import open_explore

from core.config import run_config
from core.store import Store

TOGETHER = """  // as where the network delivers several messages at once
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) { window.held ? held.push(() => send.call(this, message)) : send.call(this, message); };
"""
LOST = """() => {  // the first click on a link comes to nothing, after the listener that notes it and before Streamlit's
    window.clicks = 0;
    document.addEventListener("click", (event) => {
        clicks += 1;
        if (clicks === 1) { event.preventDefault(); event.stopImmediatePropagation(); }
    }, true);
}"""
DRAWN = """async () => {  // as where the page that is left was drawn again instead
    for (const state of ["running", "notRunning"]) {
        document.querySelector("[data-testid=stApp]").dataset.testScriptState = state;
        await new Promise((then) => setTimeout(then, 50));
    }
}"""
LATENCY = 3_000  # milliseconds: more than `app.runs.listed.LIVE_SECONDS`


def test_requests_of_the_page_that_is_left_do_not_disturb_the_next(page: Page, complaints: list[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    config = run_config(architecture="cascade", dataset="digits", method="d2nn", training={"epochs": 7})
    run = Store(url).runs.create(config.record(), name="queued")  # the list looks again and again at a run that is about to begin
    page.add_init_script(SLOW)
    with served(url, tmp_path) as server:
        page.goto(f"{server}/runs?runs={run.id}")
        expect(page.get_by_role("button", name="Edit and start again")).to_be_visible()
        page.evaluate(f"window.latency = {LATENCY}")
        page.get_by_role("button", name="Edit and start again").click()
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
        page.wait_for_timeout(2 * LATENCY)  # what was sent from the former page has arrived
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("7")
        assert page.url.split("?")[0] == f"{server}/train"
        page.goto("about:blank")
        complaints[:] = [one for one in complaints if "404" not in one]  # Streamlit asks for its health below the page's own path first


def test_a_link_is_followed_even_if_the_request_for_its_page_is_lost(page: Page, server: str) -> None:
    open_explore(page, server)
    idle(page)
    page.evaluate(LOST)
    page.get_by_role("link", name="Glossary", exact=True).click()
    page.wait_for_timeout(1500)
    assert page.evaluate("clicks") == 1, "as long as nothing is drawn, its page may still come"
    page.evaluate(DRAWN)
    expect(page).to_have_url(f"{server}/glossary")
    expect(page.get_by_role("heading", name="Glossary")).to_be_visible()
    page.wait_for_timeout(1500)
    assert page.evaluate("clicks") == 2, "it is not clicked once its page is there"


def test_a_person_who_goes_on_where_they_are_stays_there(page: Page, server: str) -> None:
    open_explore(page, server)
    idle(page)
    page.evaluate(LOST)
    page.get_by_role("link", name="Glossary", exact=True).click()
    page.keyboard.press("Tab")
    page.evaluate(DRAWN)
    page.wait_for_timeout(1500)
    assert page.evaluate("clicks") == 1
    assert "glossary" not in page.url


def test_what_the_graph_still_asks_for_does_not_undo_a_click_on_another_page(page: Page, server: str) -> None:
    page.add_init_script(TOGETHER)
    open_explore(page, server)
    idle(page)
    page.evaluate("window.held = []")
    page.get_by_role("link", name="Glossary", exact=True).evaluate(
        """(link) => {
            link.click();
            const graph = [...document.querySelectorAll("*")].map((one) => one.shadowRoot?.querySelector(".gate-graph")).find(Boolean);
            graph.querySelector(".node.gated, .node").dispatchEvent(new MouseEvent("click", { bubbles: true }));
        }"""
    )
    page.wait_for_timeout(500)
    page.evaluate("held.splice(0).forEach((send) => send()); window.held = null")
    expect(page).to_have_url(f"{server}/glossary")
    page.wait_for_timeout(1500)
    expect(page).to_have_url(f"{server}/glossary")
    expect(page.get_by_role("heading", name="Glossary")).to_be_visible()
