"""Your own pictures: a folder with one sub-folder of pictures for each class."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from core.datasets import Data, DataError, Dataset, ProgressCallback, Split, no_progress
from core.datasets.sources.picture import PictureError, read_picture, to_tensor
from core.datasets.sources.split import by_name

PARTS = (0.7, 0.1, 0.2)


class Folder(Dataset):
    """Pictures in sub-folders that name their classes: about 70% to train on, 10% for validation, 20% for the test.

    A picture's name decides its part, so that pictures that are added later move no other from one part to another.
    """

    name: Literal["folder"] = "folder"
    path: str = Field("", description="folder that holds one sub-folder of pictures for each class")
    size: int = Field(32, ge=8, le=256, description="side in pixels to which the middle of every picture is scaled")
    channels: Literal[1, 3] = Field(3, description="3 for colour, 1 for grey")
    seed: int = Field(0, ge=0, lt=2**31, description="chooses which pictures are in which part")

    def read(self, report: ProgressCallback = no_progress) -> Data:
        files = self._files()
        counts = torch.tensor([len(pictures) for pictures in files.values()])
        labels = torch.arange(len(files)).repeat_interleave(counts)  # (N,)
        images = self._images([file for pictures in files.values() for file in pictures], report)
        names = [f"{file.parent.name}/{file.name}" for pictures in files.values() for file in pictures]
        train, val, test = (Split(images[rows], labels[rows]) for rows in by_name(names, labels, PARTS, self.seed))
        return Data(train, val, test, tuple(files))

    def outline(self) -> tuple[tuple[int, int, int], tuple[str, ...]]:
        return (self.channels, self.size, self.size), tuple(self._files())

    def _files(self) -> dict[str, list[Path]]:
        """The files of each class, in alphabetical order; hidden ones are none. Raises DataError."""
        if not self.path:
            raise DataError("folder: set the option `path` to a folder that holds one sub-folder of pictures for each class")
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder; mend the option `path`")
        try:
            classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
            files = {entry.name: _visible(entry) for entry in classes}
        except OSError as error:
            raise DataError(f"{error.filename or root}: cannot be read ({error.strerror})") from None
        if len(files) < 2:
            raise DataError(f"{root}: needs a sub-folder of pictures for each of two or more classes, and has {len(files)}")
        for name, pictures in files.items():
            if len(pictures) < len(PARTS):
                raise DataError(f"{root / name}: needs three pictures or more, one for each part, and has {len(pictures)}")
        return files

    def _images(self, files: list[Path], report: ProgressCallback) -> Tensor:
        images = torch.empty((len(files), self.channels, self.size, self.size), dtype=torch.uint8)
        with ThreadPoolExecutor() as pool:
            try:
                for position, image in enumerate(pool.map(self._image, files)):
                    images[position] = image
                    report("reading pictures", (position + 1) / len(files))
            except PictureError as error:
                pool.shutdown(cancel_futures=True)
                raise DataError(f"{error}; mend or remove it") from None
        return images

    def _image(self, file: Path) -> Tensor:
        return to_tensor(read_picture(file), (self.channels, self.size, self.size))


def _visible(folder: Path) -> list[Path]:
    """The files within a folder and below it, but for hidden ones, which systems leave behind."""
    inside = (file for file in folder.rglob("*") if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    return sorted(file for file in inside if file.is_file())
