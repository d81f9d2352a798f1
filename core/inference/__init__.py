"""Trained networks in use: loaded, asked about an image, and asked what λ changes."""
