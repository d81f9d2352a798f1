"""Colours: one for what runs, one for what decides, none for what is skipped.

The pages take theirs, light and dark, from `.streamlit/config.toml` beside this file; these serve charts and Graphviz's pictures.
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

# Hues for lines that have to be told apart, on light and on dark paper.
LINES = ("#0d9488", "#d97706", "#6366f1", "#be185d", "#64748b")
