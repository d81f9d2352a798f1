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

LINES = ("#0d9488", "#d97706", "#6366f1", "#be185d", "#64748b")  # chart lines, distinguishable on light and dark paper
SOFT = "#8a94a3"  # chart marks that stand in the background
