"""Is there a face? Faces from Labeled Faces in the Wild (Huang and others, 2007) against background from the same pictures."""

from http.client import HTTPException
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from skimage.data import lfw_subset
from sklearn.datasets import fetch_lfw_people
from torch import Tensor

from core import bibliography
from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.split import stratified

SHARES = (0.5, 0.2, 0.3)
CLASSES = ("background", "face")
SIDE = 112  # pixels of a crop from the full pictures, whose faces are about as large


class Faces(Dataset):
    """Two classes, "background" and "face": 50% to train on, 20% for validation, 30% for the test."""

    papers = (bibliography.FACES,)
    name: Literal["faces"] = "faces"
    source: Literal["embedded", "full"] = Field(
        "embedded", description="embedded: 200 grey images of 25×25 within scikit-image; full: RGB of 112×112, a download of 230 MB"
    )
    pictures: int = Field(
        20, ge=1, le=500, description="in full, people with this many pictures (20: 3,023 pictures, 2.3 GB of memory; 1: 13,233, 10 GB)"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="chooses which images are in which part")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        train, val, test = self._embedded() if self.source == "embedded" else self._full(report)
        return Data(train, val, test, CLASSES)

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return ((1, 25, 25) if self.source == "embedded" else (3, SIDE, SIDE)), CLASSES

    def _embedded(self) -> list[Split]:
        grey = torch.from_numpy(lfw_subset()).unsqueeze(1)  # type: ignore[no-untyped-call]  # (200, 1, 25, 25)
        images = (grey * 255).round().to(torch.uint8)
        labels = (torch.arange(len(images)) < 100).long()  # scikit-image puts the faces first
        return [Split(images[rows], labels[rows]) for rows in stratified(labels, SHARES, self.seed)]

    def _full(self, report: ProgressCallback) -> list[Split]:
        """The centre of each picture is a face, one of its corners background; both stay in the same part."""
        report("fetching Labeled Faces in the Wild", 0.0)
        try:
            # not the aligned pictures: turning them left black wedges in the corners, which would give the background away
            people = fetch_lfw_people(color=True, slice_=None, resize=None, funneled=False, min_faces_per_person=self.pictures)
        except (OSError, HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            raise DataError(
                f"cannot download Labeled Faces in the Wild ({reason}): connect to the internet, or choose the source `embedded`"
            ) from None
        report("fetching Labeled Faces in the Wild", 1.0)
        faces, corners = _centre(people.images), _corners(people.images)
        parts = []
        for rows in stratified(torch.zeros(len(faces), dtype=torch.long), SHARES, self.seed):
            images = torch.stack([corners[rows], faces[rows]], dim=1)  # (n, 2, 3, 112, 112)
            parts.append(Split(images.flatten(0, 1), torch.tensor([0, 1]).repeat(len(rows))))
        return parts


def _centre(pictures: np.ndarray) -> Tensor:
    """The middle of each picture, from (N, H, W, 3) in [0, 1] to (N, 3, 112, 112) uint8."""
    top, left = ((side - SIDE) // 2 for side in pictures.shape[1:3])
    return _bytes(pictures[:, top : top + SIDE, left : left + SIDE])


def _corners(pictures: np.ndarray) -> Tensor:
    """One corner of each picture, the four in turn: (N, 3, 112, 112) uint8."""
    crops = torch.empty((len(pictures), 3, SIDE, SIDE), dtype=torch.uint8)
    spans = (slice(0, SIDE), slice(-SIDE, None))
    for turn, (rows, columns) in enumerate((rows, columns) for rows in spans for columns in spans):
        crops[turn::4] = _bytes(pictures[turn::4, rows, columns])
    return crops


def _bytes(crops: np.ndarray) -> Tensor:
    return torch.from_numpy((crops * 255).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
