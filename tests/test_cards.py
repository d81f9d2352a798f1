"""The cards of the networks that ship say what `export` would write from their files' headers."""

import re
from pathlib import Path

import pytest

from core.evaluation.model_card import card, code, plain
from core.store.exchange import read_header

REFERENCE = Path(__file__).parents[1] / "assets" / "reference"
SEEDS = re.compile(r"\(one of \d+; the test figures give means over all\)")


def without_means(text: str) -> str:
    """Return a card without its means over seeds, which a header does not have."""
    head, test, rest = re.split(r"(## Test split.*?)(?=## Validation split)", text, maxsplit=1, flags=re.DOTALL)
    test = re.sub(r"^((?:\|[^|\n]*){5}\|).*$", r"\1", test, flags=re.MULTILINE)
    return SEEDS.sub("(the only one trained)", head) + test + rest


@pytest.mark.parametrize("file", sorted(REFERENCE.glob("*.safetensors")), ids=lambda file: file.stem)
def test_a_card_is_that_of_its_header(file: Path) -> None:
    text = file.with_suffix(".md").read_text(encoding="utf-8")
    assert without_means(text) == card(read_header(file))
    several = bool(SEEDS.search(text))
    assert several == (" seeds | share over " in text)
    assert (without_means(text) == text) != several


@pytest.mark.parametrize("file", sorted(REFERENCE.glob("*.md")), ids=lambda file: file.stem)
def test_means_over_seeds_stand_beside_figures_that_they_can_come_from(file: Path) -> None:
    """The mean of n figures of which one is 0.90 and whose standard deviation is s lies within s·(n − 1)/√n of 0.90."""
    for row in re.findall(
        r"^\| [^|]+ \| ([\d.]+) \|[^|]+\|[^|]+\|[^|]+\| ([\d.]+) ± ([\d.]+) \|", file.read_text(encoding="utf-8"), re.MULTILINE
    ):
        own, mean, deviation = map(float, row)
        assert abs(own - mean) <= (deviation + 5e-5) * 2 / 3**0.5 + 1e-4


def test_foreign_texts_are_shown_as_text() -> None:
    live = "![x](http://evil.example/p.png) <img src=x> [a](b) **b** www.evil.example me@evil.example\n# heading"
    assert plain(live) == (
        r"!\[x\](http\://evil.example/p.png) \<img src=x\> \[a\](b) \*\*b\*\* www\.evil.example me\@evil.example \# heading"
    )
    assert plain("Apple M1 (arm64), lc_resnet") == "Apple M1 (arm64), lc_resnet"
    assert code("a `b` ``c``") == "``` a `b` ``c`` ```"
    assert code("a b") == "`a b`"
