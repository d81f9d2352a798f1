"""The terms of the screens are those of the glossary."""

import re
from pathlib import Path

import pytest

from app.terms import GLOSSARY, KEY_TERMS, explained, key_terms, terms

GRAPH = Path(__file__).parents[1] / "app" / "components" / "graph"


def test_every_row_of_the_glossary_is_a_term() -> None:
    rows = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(terms()) == len(rows) - 1 > 40
    assert all(meaning.endswith(".") for meaning in terms().values())


def test_the_terms_that_explore_needs_are_explained() -> None:
    assert list(key_terms()) == list(KEY_TERMS)
    assert "at 0 the network spends least" in key_terms()["λ"]
    assert explained("λ", "gate").startswith("**λ** · How much")
    assert "**Gate** · One number" in explained("λ", "gate")
    with pytest.raises(KeyError):
        explained("gates")


def test_every_term_that_the_graph_explains_is_sent_to_it() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in GRAPH.glob("*.mjs"))
    calls = re.findall(r'hint\(page, ((?:"[^"]+"(?:, )?)+)\)', sources)
    assert {name for names in calls for name in re.findall(r'"([^"]+)"', names)} == set(KEY_TERMS)
