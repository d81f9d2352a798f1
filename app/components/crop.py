"""A picture with a frame over the part that a network sees, to be moved and sized."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

HERE = Path(__file__).parent
SMALLEST_FRAME = 0.1  # the smallest frame, as a share of the largest

_component = st.components.v2.component(
    "gatescope_crop",
    html='<div class="crop"></div>',
    css=(HERE / "crop.css").read_text(encoding="utf-8"),
    js=(HERE / "crop.mjs").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Crop:
    """A frame: its centre as shares of the picture's width and height, and its size as a share of the largest frame."""

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0

    def box(self, picture: tuple[int, int], image: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom in a picture (width, height) of a frame in the shape of an image (width, height)."""
        (width, height), scale = picture, min(side / own for side, own in zip(picture, image, strict=True)) * self.size
        across, down = image[0] * scale, image[1] * scale
        left = min(max(self.x * width - across / 2, 0), width - across)
        top = min(max(self.y * height - down / 2, 0), height - down)
        return left, top, left + across, top + down


def crop(url: str, picture: Image.Image, image: tuple[int, int], *, key: str) -> Crop:
    """Show a picture, at this address, with a frame in the shape of an image (width, height); return the frame."""
    data = {"url": url, "width": picture.width, "height": picture.height, "aspect": image[0] / image[1], "smallest": SMALLEST_FRAME}
    return crop_of(_component(data=data, key=key, default={"frame": None}, on_frame_change=_rerun).frame)


def crop_of(frame: Any) -> Crop:
    """Return the frame that a browser sent; where that is none, or not in bounds, the largest in the middle."""
    if not isinstance(frame, Mapping):
        return Crop()
    try:
        x, y, size = (float(frame[name]) for name in ("x", "y", "size"))
    except (KeyError, TypeError, ValueError):
        return Crop()
    return Crop(x, y, size) if 0 <= x <= 1 and 0 <= y <= 1 and SMALLEST_FRAME <= size <= 1 else Crop()


def _rerun() -> None:
    """Streamlit runs the page again for a value that has a callback, whatever the callback does."""
