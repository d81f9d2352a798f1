"""The batches of a training: random order, augmentation, the controllers' holdout, and the teacher's answers."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from core.config import RunConfig
from core.datasets import Data, Split, normalised
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.methods import Batch
from core.methods.holdout import holdout_rows

SETUP_IMAGES = 256  # training images that a method is given outside of its steps


class Batches:
    """The training images of a run.

    count    batches in an epoch
    holdout  (N,) bool: the training images that only the controllers learn from
    """

    def __init__(self, config: RunConfig, data: Data, device: torch.device) -> None:
        """Raises ConfigError if the holdout leaves too few images."""
        self.config, self.data, self.device = config, data, device
        self.count = max(round(len(data.train) / config.training.batch_size), 1)
        frozen = bool(config.architecture.frozen)  # only the controllers are trained
        reserved = len(data.train) if frozen else config.method.holdout(len(data.train), self.count)
        self.holdout = holdout_rows(len(data.train), reserved, config.training.seed)

    def epoch(self, generator: Generator, teacher: Graph | None) -> Iterator[Batch]:
        """Yield all training images in random order, augmented. In each batch, the images of the holdout come last."""
        for rows in self._rows(generator):
            yield self._batch(rows, generator, teacher)

    def setup_images(self) -> tuple[Tensor, Tensor]:
        """Return a sample of training images (N, C, H, W), not augmented, and their classes (N,): of the holdout if there is one."""
        rows = self.holdout.nonzero()[:, 0] if bool(self.holdout.any()) else torch.arange(len(self.holdout))
        rows = rows[:SETUP_IMAGES]
        return self.tensors(Split(self.data.train.images[rows], self.data.train.labels[rows]))

    def tensors(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return the images of a split as input for the network (N, C, H, W), and their classes (N,), on its device."""
        return normalised(split.images).to(self.device), split.labels.to(self.device)

    def holdout_split(self) -> Split:
        """Return the images of the holdout."""
        return Split(self.data.train.images[self.holdout], self.data.train.labels[self.holdout])

    def _rows(self, generator: Generator) -> Iterator[Tensor]:
        """Yield the indices of the images of each batch, (B,)."""
        order = torch.randperm(len(self.holdout), generator=generator)
        trained = torch.tensor_split(order[~self.holdout[order]], self.count)
        bags = torch.split(order[self.holdout[order]], self.config.method.bag)
        for number, rows in enumerate(trained):
            yield torch.cat([rows, *bags[len(bags) * number // self.count : len(bags) * (number + 1) // self.count]])

    def _batch(self, rows: Tensor, generator: Generator, teacher: Graph | None) -> Batch:
        """Return the batch of the images with these indices, (B,)."""
        images = self.data.train.images[rows]
        if not images.is_floating_point():  # rows of a table are neither augmented nor maps
            images = normalised(self.config.dataset.augment(images, generator))
            images = images.contiguous(memory_format=torch.channels_last)  # reduces the time of a step by 20 to 30%
        images = images.to(self.device)
        answers = None
        if teacher is not None:
            half = self.config.training.precision == "bfloat16"
            with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                answers = execute(teacher, images, Greedy(), lam=1.0).output
        return Batch(images, self.data.train.labels[rows].to(self.device), self.holdout[rows].to(self.device), answers)
