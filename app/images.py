"""An image that Explore shows: the network's input, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from core.explain.model import ImageTensor


@dataclass(frozen=True)
class ShownImage:
    """The network's input (C, H, W), what it shows in words, its part of the address, and its class where that is known.

    A person's own picture stays private: no address names it, and its class is not known. `outside` is what the picture shows where that
    is known to be none of the network's classes. `original` is a person's own picture before it was cropped.
    """

    image: "ImageTensor"
    description: str
    query: Mapping[str, str] | None
    label: str | None = None
    outside: str | None = None
    original: Image.Image | None = None
