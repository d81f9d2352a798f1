"""Explaining a prediction: the route of an image along λ, and attribution to its pixels."""
