"""Place images on a map by what they run: principal components of the shares of each node that is computed at each λ.

Loads without torch.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.explain.atlas.atlas import Array, Atlas

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
COVERED = 0.16  # share of the map that the discs of alike images cover together if they do not overlap
ASPECT = 1.6  # width of the map as a multiple of its height, where discs are round
MOST_APART = 400  # discs that are moved apart; more are small
SEPARATING_ROUNDS = 80  # of moving them apart
MARGIN = 0.04  # of the map on each side
LEAST = 1e-6  # a smaller variance than this is none


@dataclass(frozen=True)
class Positions:
    """Where images lie on a map of side 1, (n, 2), and the share of the variance along each axis, (2,)."""

    places: Array
    shares: Array


def positions(atlas: Atlas) -> Positions:
    """Return where images lie: alike ones together, and from left to right the dearer ones.

    Images for which the same is computed at every λ fill a disc, whose area is their number.
    """
    n = len(atlas)
    flat = atlas.computed.reshape(n, -1)
    flat = flat[:, (flat != flat[:1]).any(axis=0)].astype(np.float32)
    distinct, inverse = np.unique(flat, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    counts = np.bincount(inverse, minlength=len(distinct))
    axes, shares = _components(distinct, counts)
    costs = np.bincount(inverse, atlas.costs.mean(axis=1), minlength=len(distinct)) / counts
    if counts @ (axes[:, 0] * (costs - np.average(costs, weights=counts))) < 0:
        axes[:, 0] *= -1
    middles = _apart(_spread(axes), counts)
    return Positions(_spread(middles[inverse] + _discs(inverse)), shares)


def _components(rows: Array, counts: Array) -> tuple[Array, Array]:
    """Return the first two principal components of rows (R, K) that occur so often, (R, 2), and their shares of the variance, (2,)."""
    weights = np.sqrt(counts / counts.sum())[:, None]
    centred = (rows - np.average(rows, axis=0, weights=counts)) * weights if rows.shape[1] else np.zeros((len(rows), 1))
    wide = centred.shape[1] > len(centred)
    values, vectors = np.linalg.eigh((centred @ centred.T if wide else centred.T @ centred).astype(np.float64))
    total, axes, shares = float(values.clip(0).sum()), np.zeros((len(rows), 2)), np.zeros(2)
    for place, column in enumerate(range(len(values) - 1, max(len(values) - 3, -1), -1)):
        if values[column] <= LEAST:
            continue
        vector = vectors[:, column] * np.sign(vectors[np.abs(vectors[:, column]).argmax(), column])
        found = vector * math.sqrt(values[column]) if wide else centred @ vector
        axes[:, place], shares[place] = found / weights[:, 0], values[column] / total
    return axes, shares


def _spread(points: Array) -> Array:
    """Return points (R, 2) scaled to fill the map, each axis on its own; the middle where an axis has one value."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = high - low
    scaled = np.where(size > LEAST, (points - low) / np.maximum(size, LEAST), 0.5)
    return MARGIN + (1 - 2 * MARGIN) * scaled


def _discs(kinds: Array) -> Array:
    """Return how far each image lies from the place of its kind, (n, 2): the images of a kind fill a disc evenly, in their order."""
    order = np.argsort(kinds, kind="stable")
    _, first = np.unique(kinds[order], return_index=True)
    turn = np.empty(len(kinds), np.int64)  # of an image among those of its kind
    turn[order] = np.arange(len(kinds)) - np.repeat(first, np.diff([*first, len(kinds)]))
    radius = _radius(len(kinds)) * np.sqrt(turn)
    return np.stack([radius * np.cos(turn * GOLDEN_ANGLE) / ASPECT, radius * np.sin(turn * GOLDEN_ANGLE)], axis=1)


def _radius(images: int) -> float:
    """Return the radius of the disc of one image among so many."""
    return math.sqrt(COVERED * ASPECT / (math.pi * images))


def _apart(middles: Array, counts: Array) -> Array:
    """Return the middles of discs of so many images, (R, 2), moved until the discs hardly overlap; a large disc moves less."""
    if not 1 < len(middles) <= MOST_APART:
        return middles
    places = middles * (ASPECT, 1)
    radii = _radius(int(counts.sum())) * (np.sqrt(counts) + 0.5)
    reach = radii[:, None] + radii[None, :]
    share = counts[None, :] / (counts[:, None] + counts[None, :])  # of a pair's way that the first goes
    for _ in range(SEPARATING_ROUNDS):
        gaps = places[:, None] - places[None, :]  # (R, R, 2)
        distances = np.linalg.norm(gaps, axis=2)
        overlap = np.maximum(reach - distances, 0) * ~np.eye(len(places), dtype=bool)
        if not overlap.any():
            break
        directions = gaps / np.maximum(distances, LEAST)[..., None]
        places = places + 0.5 * (directions * (overlap * share)[..., None]).sum(axis=1)
    return places / (ASPECT, 1)
