"""The terms of the screens with their explanations, read from docs/glossary.md. Loads without torch and without streamlit."""

from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"
KEY_TERMS = ("λ", "gate", "controller", "route", "multiply-add", "static network", "budget", "calibration")  # all that Explore needs
HEADER_ROWS = 2  # of the table: its titles and a line of dashes


@cache
def terms() -> dict[str, str]:
    """Return the explanation of every term, in the order of the glossary."""
    rows = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[HEADER_ROWS:]]
    return {term: _sentence(meaning) for term, meaning in cells}


def key_terms() -> dict[str, str]:
    """Return the explanations of the terms that Explore needs."""
    return {term: terms()[term] for term in KEY_TERMS}


def explained(*names: str) -> str:
    """Return the explanations of these terms as Markdown, for the help of a field or a heading. Raises KeyError."""
    return "\n\n".join(f"**{capital(name)}** · {terms()[name]}" for name in names)


def capital(text: str) -> str:
    """Return a text with a capital at its beginning; a Greek letter stays."""
    return text if text[:1] in "λεκ" else text[:1].upper() + text[1:]


def _sentence(meaning: str) -> str:
    return capital(meaning) + ("" if meaning.endswith(".") else ".")
