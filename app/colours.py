"""Colours of charts and Graphviz drawings: one for what runs, one for what decides, none for what is skipped.

The pages take their light and dark colours from `.streamlit/config.toml`. Loads without torch and without streamlit.
"""

LIGHT = {
    "ink": "#0f1722",
    "soft": "#6b7686",
    "line": "#d9dee6",
    "paper": "#ffffff",
    "run": "#0d6c65",
    "run_wash": "#d7f0ec",
    "gate": "#d97706",
    "gate_wash": "#fdeccf",
}

DARK_PAPER_INK = "#e7ecf3"  # texts on dark paper

LINES = ("#0d9488", "#d97706", "#6366f1", "#be185d", "#64748b")  # chart lines, distinguishable on light and dark paper
CATEGORIES = (*LINES[:4], "#0284c7", "#65a30d", "#9333ea", "#ea580c", "#a16207", "#475569")  # classes and routes
COST_SCALE = ("#3b82f6", "#a855f7", "#f97316")  # from the lowest to the highest cost
RIGHT_ANSWER, WRONG_ANSWER = LINES[0], "#dc2626"  # answers
SOFT = "#8a94a3"  # chart marks that stand in the background

Colour = tuple[float, float, float]  # red, green and blue, 0 to 255


def rgb(colour: str) -> Colour:
    """Return a colour that is written as "#rrggbb"."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.2 defines it; text needs 4.5."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (value / 255 for value in colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
