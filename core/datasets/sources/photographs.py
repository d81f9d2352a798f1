"""Pictures that stand in for a colour dataset whose images are not on this machine: photographs of scikit-image, and drawings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from skimage import data
from torch import Tensor

from core.datasets.sources.drawings import DRAWINGS, draw
from core.datasets.sources.picture import to_tensor


@dataclass(frozen=True)
class StandIn:
    """One picture: what it shows in words, its class in CIFAR-10 (none: it has none of the ten), and how it is read."""

    subject: str
    label: str | None
    read: Callable[[], Image.Image]


def _photograph(load: Callable[[], Any]) -> Callable[[], Image.Image]:
    return lambda: Image.fromarray(load())


def _drawing(subject: str) -> StandIn:
    return StandIn(f"Drawing of {subject}", subject.partition(" ")[2], lambda: draw(subject))


STAND_INS = (
    StandIn("Photograph of a cat", "cat", _photograph(data.chelsea)),
    StandIn("Silhouette of a horse", "horse", lambda: _photograph(data.horse)().convert("RGB")),
    *map(_drawing, DRAWINGS),
    StandIn("Photograph of a rocket", None, _photograph(data.rocket)),
    StandIn("Photograph of a cup of coffee", None, _photograph(data.coffee)),
    StandIn("Photograph of an astronaut", None, _photograph(data.astronaut)),
)


STAND_IN_CLASSES = frozenset(one.label for one in STAND_INS if one.label)  # CIFAR-10's


def outside(picture: StandIn, classes: Sequence[str]) -> str | None:
    """Return what a picture shows, "a rocket", if it is known to be none of these classes; none where it may be one of them."""
    known = picture.label is None and STAND_IN_CLASSES.issuperset(classes)
    return picture.subject.partition(" of ")[2] if known else None


def stand_ins(image: tuple[int, int, int], classes: Sequence[str]) -> tuple[list[StandIn], Tensor]:
    """Return pictures in the order of their classes, then photographs of other things, cropped and scaled to the shape `image`.

    The images are (N, C, H, W) uint8.
    """
    known = sorted((one for one in STAND_INS if one.label in classes), key=lambda one: classes.index(str(one.label)))
    chosen = known + [one for one in STAND_INS if one.label is None]
    return chosen, torch.stack([to_tensor(one.read(), image) for one in chosen])
