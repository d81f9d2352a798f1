"""No file has the phrases that read as if they were translated. CONTRIBUTING.md says how Gatescope reads."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PHRASES = (
    "comes of it",
    "as it comes",
    "ran along",
    "is told",
    "are told",
    "was told",
    "were told",
    "asked for",
    "of before",
    "learnt from",
    "kept back",
    "held out",
    "in what they differ",
    "taken anew",
    "spoke for",
    "what it sent",
    "is no whole number",
    "was not asked",
    "given by itself",
    "by itself",
    "decisions included",
    "what a fresh graph has",
    "someone who does not listen",
    "hears when",
    "ways to the same answer",
    "everything that one run needs",
    "decides; beside it",
)
FOUND = re.compile(rf"(?<![^\W_])({'|'.join(phrase.replace(' ', '[ _]') for phrase in PHRASES)})(?![^\W_])", re.IGNORECASE)
FILES = sorted(
    file
    for folder in ("app", "assets", "core", "docs", "scripts", "tests", ".")
    for file in (ROOT.glob("*.md") if folder == "." else (ROOT / folder).rglob("*"))
    if file.suffix in (".py", ".js", ".mjs", ".css", ".md", ".sh")
    and not {"node_modules", "viz"} & set(file.parts)  # written by others
    and file not in (ROOT / "docs" / "design-notes.md", Path(__file__).resolve())
)
FORMER_NAMES = (  # lines that hold names of version 0.1.0
    re.compile(r"^\| `[^|]+\| `[^|]+\|$", re.MULTILINE),  # the table of the changelog
    re.compile(r'"held_out"'),  # an option that old configurations have
)


def phrases(text: str) -> list[str]:
    """Return the listed phrases in a text, without the former names, as one line: a phrase may be broken over two."""
    for former in FORMER_NAMES:
        text = former.sub("", text)
    return FOUND.findall(" ".join(re.sub(r"\n\s*(#|//|\*)?", " ", text).split()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_has_none_of_the_phrases(file: Path) -> None:
    assert phrases(file.read_text(encoding="utf-8")) == []


def test_phrases_are_found_in_any_case_in_names_and_over_lines() -> None:
    assert phrases("The cost Is told.") == ["Is told"]
    assert phrases("def test_cost_is_told_here") == ["is_told"]
    assert phrases("# the cost is\n    # told here") == ["is told"]
    assert phrases("this told, as it commutes") == []
