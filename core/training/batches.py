"""The batches of a training: random order, augmentation, mixing, the controllers' holdout, and the teacher's answers.

The images lie on the device of the network, and are augmented and mixed there. Random choices are drawn on the processor, so that a seed
means the same on every device, and copied to the device without waiting for it.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from core.config import RunConfig
from core.datasets import Data, Split, normalised
from core.datasets.sources.augmentation import cutout, random_corruption
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Greedy
from core.methods import Batch
from core.methods.holdout import holdout_rows
from core.registry import ConfigError
from core.training.mixup import class_probabilities, draw_share, mix

SETUP_IMAGES = 256  # training images that a method is given outside of its steps


class Batches:
    """The training images of a run.

    count    batches in an epoch
    holdout  (N,) bool: the training images that only the controllers learn from
    """

    def __init__(self, config: RunConfig, data: Data, device: torch.device) -> None:
        """Raises ConfigError if the holdout leaves too few images, or images cannot be cut out or corrupted as they should."""
        self.config, self.data, self.device = config, data, device
        self.count = max(round(len(data.train) / config.training.batch_size), 1)
        frozen = bool(config.architecture.frozen)  # only the controllers are trained
        reserved = len(data.train) if frozen else config.method.holdout(len(data.train), self.count)
        self.holdout = holdout_rows(len(data.train), reserved, config.training.seed)
        self.tabulated = data.train.images.is_floating_point()  # rows of a table are neither augmented nor maps
        height, width = data.train.images.shape[-2:]
        if not self.tabulated and config.training.cutout > min(height, width):
            raise ConfigError(f"cutout size (training.cutout) must be at most {min(height, width)} for images of {height}×{width} pixels")
        if self.tabulated and config.training.corrupted:
            raise ConfigError(
                "the members of a model cascade answer each image once, as it is: set “Corrupted images” (training.corrupted) to 0"
            )
        self.images = data.train.images.to(device) if _fits(data.train.images, device) else data.train.images
        self.labels = data.train.labels.to(device)

    def epoch(self, generator: Generator, teacher: Graph | None, number: int | None = None) -> Iterator[Batch]:
        """Yield all training images in random order, augmented. In each batch, the images of the holdout come last.

        `number`: the epoch, from 0, in which the modules learn from these batches. Without it, images are neither corrupted, cut out nor
        mixed, as none is when a network is evaluated.
        """
        for batch, (rows, reserved) in enumerate(self._rows(generator)):
            progress = None if number is None else (number + batch / self.count) / self.config.training.epochs
            yield self._batch(rows, reserved, generator, teacher, progress)

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

    def _rows(self, generator: Generator) -> Iterator[tuple[Tensor, int]]:
        """Yield the indices of the images of each batch, (B,), and how many of them are of the holdout."""
        order = torch.randperm(len(self.holdout), generator=generator)
        trained = torch.tensor_split(order[~self.holdout[order]], self.count)
        bags = torch.split(order[self.holdout[order]], self.config.method.bag)
        for number, rows in enumerate(trained):
            batch = torch.cat([rows, *bags[len(bags) * number // self.count : len(bags) * (number + 1) // self.count]])
            yield batch, len(batch) - len(rows)

    def _batch(self, rows: Tensor, reserved: int, generator: Generator, teacher: Graph | None, progress: float | None) -> Batch:
        """Return the batch of the images with these indices, (B,), the last `reserved` of the holdout, at a point of the training."""
        training = self.config.training
        images = self.images[rows.to(self.images.device, non_blocking=True)].to(self.device)
        labels = self.labels[rows.to(self.device, non_blocking=True)]
        probabilities = class_probabilities(labels, len(self.data.classes), training.label_smoothing) if training.label_smoothing else None
        if not self.tabulated:
            images = self.config.dataset.augment(images, generator, training.border)
            if progress is not None and training.corrupted:
                images = random_corruption(images, training.corrupted, generator)
            images = normalised(images)
            if progress is not None and training.cutout:
                images = cutout(images, training.cutout, training.cutout_probability, generator)
            if progress is not None and training.mixup:
                images, probabilities = self._mixed(images, labels, probabilities, reserved, generator, progress)
            images = images.contiguous(memory_format=torch.channels_last)  # reduces the time of a step by 20 to 30%
        holdout = torch.arange(len(rows), device=self.device) >= len(rows) - reserved
        answers = self._answers(teacher, images)
        return Batch(images, labels, holdout, answers, probabilities, reserved)

    def _mixed(
        self, images: Tensor, labels: Tensor, probabilities: Tensor | None, reserved: int, generator: Generator, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        """Return images and probabilities, mixed unless chance or the point of the training spare this batch.

        Images of the holdout are never mixed, nor are those that would share a mini-bag with them.
        """
        training, bag = self.config.training, self.config.method.bag
        chosen = float(torch.rand((), generator=generator)) < training.mixup_batches
        share = draw_share(training.mixup, generator)
        partners = torch.randperm(max(len(labels) - -(-reserved // bag) * bag, 0), generator=generator)
        if not chosen or progress >= training.mixup_end:
            return images, probabilities
        if probabilities is None:
            probabilities = class_probabilities(labels, len(self.data.classes), 0.0)
        partners = partners.to(self.device, non_blocking=True)
        return mix(images, partners, share), mix(probabilities, partners, share)

    def _answers(self, teacher: Graph | None, images: Tensor) -> Tensor | None:
        """Return the teacher's logits for the very images that the network learns from, (B, classes)."""
        if teacher is None:
            return None
        half = self.config.training.precision == "bfloat16"
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            return execute(teacher, images, Greedy(), lam=1.0).output


def _fits(images: Tensor, device: torch.device) -> bool:
    """Return whether the training images can lie on a device and leave half of its free memory for the training."""
    return device.type != "cuda" or images.nbytes <= torch.cuda.mem_get_info(device)[0] / 2
