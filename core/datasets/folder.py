"""Your own images: a folder with one subfolder of images per class."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.picture import PictureError, read_picture, to_tensor
from core.datasets.sources.split import split_by_name

FOLDER_SHARES = (0.7, 0.1, 0.2)  # of training, validation and test


class Folder(Dataset):
    """Images in subfolders named after their classes: about 70% for training, 10% for validation, 20% for the test.

    The file name decides the split of an image, so adding images later moves no other image to another split.
    """

    title = "Your own images"
    own_files = True
    name: Literal["folder"] = "folder"
    path: str = Field("", title="Data folder", description="Folder with one subfolder of images per class")
    size: int = Field(
        32,
        ge=8,
        le=256,
        title="Image size (pixels)",
        description="Side of each square image, in pixels; every file is cropped to its centre and scaled",
    )
    channels: Literal[1, 3] = Field(
        3, title="Colour channels", json_schema_extra={"labels": {"1": "1 (grey)", "3": "3 (colour)"}}, description="3: colour; 1: grey"
    )
    seed: int = Field(0, ge=0, lt=2**31, title="Data seed", description="Seed of the split")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        files = self._files()
        counts = torch.tensor([len(pictures) for pictures in files.values()])
        labels = torch.arange(len(files)).repeat_interleave(counts)  # (N,)
        images = self._images([file for pictures in files.values() for file in pictures], report)
        names = [f"{file.parent.name}/{file.name}" for pictures in files.values() for file in pictures]
        train, val, test = (Split(images[rows], labels[rows]) for rows in split_by_name(names, labels, FOLDER_SHARES, self.seed))
        return Data(train, val, test, tuple(files))

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return (self.channels, self.size, self.size), tuple(self._files())

    def _files(self) -> dict[str, list[Path]]:
        """Return the visible files of each class, in alphabetical order. Raises DataError."""
        if not self.path:
            raise DataError("Set the data folder (dataset.path) to a folder with one subfolder of images per class.")
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise DataError(f"{root}: no such folder. Set the data folder (dataset.path) to an existing folder.")
        try:
            classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
            files = {entry.name: _visible(entry) for entry in classes}
        except OSError as error:
            raise DataError(f"{error.filename or root}: cannot be read ({error.strerror})") from None
        if len(files) < 2:
            raise DataError(
                f"{root}: the folder has {len(files)} subfolders. Put the images of each class into a subfolder, with at least two classes."
            )
        for name, pictures in files.items():
            if len(pictures) < len(FOLDER_SHARES):
                raise DataError(
                    f"{root / name}: the class has {len(pictures)} images. Add images until it has at least three, one for each split."
                )
        return files

    def _images(self, files: list[Path], report: ProgressCallback) -> Tensor:
        images = torch.empty((len(files), self.channels, self.size, self.size), dtype=torch.uint8)
        with ThreadPoolExecutor() as pool:
            try:
                for position, image in enumerate(pool.map(self._image, files)):
                    images[position] = image
                    report("reading images", (position + 1) / len(files))
            except PictureError as error:
                pool.shutdown(cancel_futures=True)
                raise DataError(f"{error}. Repair or remove the file.") from None
        return images

    def _image(self, file: Path) -> Tensor:
        return to_tensor(read_picture(file), (self.channels, self.size, self.size))


def _visible(folder: Path) -> list[Path]:
    """Return the files in a folder and its subfolders, without hidden ones such as .DS_Store."""
    inside = (file for file in folder.rglob("*") if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    return sorted(file for file in inside if file.is_file())
