"""Face detection: faces from Labeled Faces in the Wild against background from the same photographs.

Source: Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild" (2007), http://vis-www.cs.umass.edu/lfw/
"""

from http.client import HTTPException
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from skimage.data import lfw_subset
from sklearn.datasets import fetch_lfw_people, get_data_home
from torch import Tensor

from core import bibliography
from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.split import stratified_split

FACES_SHARES = (0.5, 0.2, 0.3)  # of training, validation and test
CLASSES = ("background", "face")
CROP_SIZE = 112  # pixels, about the size of a face in the full photographs


class Faces(Dataset):
    """Photographs of faces and of background: 50% for training, 20% for validation, 30% for the test."""

    title = "Face detection"
    papers = (bibliography.FACES,)
    name: Literal["faces"] = "faces"
    source: Literal["embedded", "full"] = Field(
        "embedded",
        title="Source of the faces",
        json_schema_extra={"labels": {"embedded": "Embedded (200 small images)", "full": "Full (download)"}},
        description="embedded: 200 grey images of 25×25 pixels that come with scikit-image; full: colour images of 112×112 pixels, "
        "a download of 230 MB",
    )
    pictures: int = Field(
        20,
        ge=1,
        le=500,
        title="Photographs per person, at least",
        description="Full source only: use the people with at least this many photographs (20: 3,023 photographs, 2.3 GB of memory; "
        "1: 13,233 photographs, 10 GB)",
    )
    seed: int = Field(0, ge=0, lt=2**31, title="Data seed", description="Seed of the split")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        train, val, test = self._embedded() if self.source == "embedded" else self._full(report)
        return Data(train, val, test, CLASSES)

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return ((1, 25, 25) if self.source == "embedded" else (3, CROP_SIZE, CROP_SIZE)), CLASSES

    def sizes(self) -> tuple[int, int, int]:
        if self.source == "full" and not (Path(get_data_home()) / "lfw_home" / "lfw").is_dir():
            raise DataError(
                "Labeled Faces in the Wild is not on this machine: the training downloads 230 MB first. Without the internet, set the "
                "source of the faces (dataset.source) to embedded."
            )
        return super().sizes()

    def _embedded(self) -> list[Split]:
        grey = torch.from_numpy(lfw_subset()).unsqueeze(1)  # type: ignore[no-untyped-call]  # (200, 1, 25, 25)
        images = (grey * 255).round().to(torch.uint8)
        labels = (torch.arange(len(images)) < 100).long()  # the first 100 are faces
        return [Split(images[rows], labels[rows]) for rows in stratified_split(labels, FACES_SHARES, self.seed)]

    def _full(self, report: ProgressCallback) -> list[Split]:
        """Crop a face from the centre and background from one corner of each photograph. Both crops belong to the same split."""
        report("downloading Labeled Faces in the Wild", 0.0)
        try:
            # the original photographs: those aligned by funnelling have black corners, which would identify the background
            people = fetch_lfw_people(color=True, slice_=None, resize=None, funneled=False, min_faces_per_person=self.pictures)
        except (OSError, HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            raise DataError(
                f"Labeled Faces in the Wild cannot be downloaded ({reason}). Connect to the internet, or set the source of the faces "
                "(dataset.source) to embedded."
            ) from None
        report("downloading Labeled Faces in the Wild", 1.0)
        faces, corners = _centre(people.images), _corners(people.images)
        parts = []
        for rows in stratified_split(torch.zeros(len(faces), dtype=torch.long), FACES_SHARES, self.seed):
            images = torch.stack([corners[rows], faces[rows]], dim=1)  # (n, 2, 3, 112, 112)
            parts.append(Split(images.flatten(0, 1), torch.tensor([0, 1]).repeat(len(rows))))
        return parts


def _centre(pictures: np.ndarray) -> Tensor:
    """Crop the centre of photographs (N, H, W, 3) in [0, 1]: (N, 3, 112, 112) uint8."""
    top, left = ((side - CROP_SIZE) // 2 for side in pictures.shape[1:3])
    return _to_uint8(pictures[:, top : top + CROP_SIZE, left : left + CROP_SIZE])


def _corners(pictures: np.ndarray) -> Tensor:
    """Crop one corner of each photograph (N, H, W, 3) in [0, 1], the four corners in turn: (N, 3, 112, 112) uint8."""
    crops = torch.empty((len(pictures), 3, CROP_SIZE, CROP_SIZE), dtype=torch.uint8)
    spans = (slice(0, CROP_SIZE), slice(-CROP_SIZE, None))
    for turn, (rows, columns) in enumerate((rows, columns) for rows in spans for columns in spans):
        crops[turn::4] = _to_uint8(pictures[turn::4, rows, columns])
    return crops


def _to_uint8(crops: np.ndarray) -> Tensor:
    """Convert crops (N, H, W, 3) in [0, 1] to (N, 3, H, W) uint8."""
    return torch.from_numpy((crops * 255).round().astype(np.uint8)).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
