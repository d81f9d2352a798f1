"""The page that needs no server: everything in one file, and nothing in it that a name could break out of."""

import json

from app.graph_view.standalone import standalone

VIEW = {"drawing": {"nodes": [{"name": "</script><b>"}]}, "link": "run=secret", "live": True}


def test_names_cannot_break_out_of_the_page() -> None:
    page = standalone("<img src=x onerror=alert(1)>", 'a "test" & <i>', VIEW, 'data:image/png;base64,"><script>')
    assert page.count("</script>") == 2  # Graphviz, and the graph
    assert "<img src=x" not in page
    assert "&lt;i&gt;" in page
    assert "<b>" not in page.split("<script", 2)[2]


def test_the_view_is_in_it_without_what_needs_a_server() -> None:
    page = standalone("run", "an image", VIEW, "data:,")
    start = page.index("data: {", page.index("component({")) + len("data: ")
    data, _ = json.JSONDecoder().raw_decode(page[start:])
    assert data == VIEW | {"link": None, "live": False}
    assert "export default" not in page
