"""The λ page in a browser: a point of the chart leads to its network at its λ."""

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.long
def test_a_point_opens_its_network_at_its_lam(page: Page, server: str) -> None:
    page.goto(server)
    page.get_by_role("link", name="λ sweep").click()
    expect(page.get_by_role("heading", name="λ sweep")).to_be_visible()
    point = page.locator(".js-plotly-plot").first.locator(".scatterlayer .trace").last.locator(".points path").last
    expect(point).to_be_visible()
    page.wait_for_timeout(2000)  # the chart settles where it will stay
    point.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = point.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - 3, middle[1] - 2)
    page.mouse.move(*middle, steps=4)  # a point is clicked once it is hovered over
    page.wait_for_timeout(400)
    page.mouse.click(*middle)
    link = page.locator(".st-key-clicked-point").get_by_role("link", name="in Explore")
    expect(link).to_be_visible()
    name = link.inner_text()
    assert "digits" in name
    lam = float(name.split("λ =")[1].split()[0])
    link.click()
    expect(page.locator(".gate-graph .node.on").first).to_be_visible()
    expect(page.locator(".gate-graph output")).to_have_text(f"λ = {lam:.2f}")
