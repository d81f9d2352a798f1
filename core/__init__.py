"""Gatescope's engine: networks that decide, per image, which of their own parts to run."""

__version__ = "0.1.0"
