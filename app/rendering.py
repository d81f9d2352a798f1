"""Turn tensors into pictures: an image, feature maps, attributions over an image; and pictures into data URLs."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from core.explain.model import ImageTensor

OVERLAID = 192  # side of an image under attribution colours, in pixels
THUMBNAIL = 48
MAPS, PER_ROW, TILE, GAP = 16, 4, 64, 4  # feature maps shown, in total and per row; their side and distance in pixels
SHADES = ("#06302c", "#d7f0ec", "#0d6c65")  # of feature maps: smallest, largest, middle value
FAVOURABLE, ADVERSE = (13, 148, 136), (217, 119, 6)  # colours of attributions


def to_picture(image: "ImageTensor") -> Image.Image:
    """Return an image (C, H, W) as a picture of the same size."""
    values = image.permute(1, 2, 0).numpy()  # (H, W, C)
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def enlarged(image: "ImageTensor", side: int) -> Image.Image:
    """Return an image (C, H, W) enlarged in whole steps to at most about `side` pixels, so that its pixels are squares."""
    picture = to_picture(image)
    times = max(side // max(picture.size), 1)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def feature_maps(output: "ImageTensor") -> Image.Image:
    """Return the most varied channels of a feature map (C, H, W) as tiles, each from its smallest (dark) to its largest value (light)."""
    order = output.flatten(1).std(dim=1).argsort(descending=True)[:MAPS]
    tiles = []
    for channel in output[order].numpy():
        low, high = float(channel.min()), float(channel.max())
        grey = Image.fromarray(((channel - low) / max(high - low, 1e-9) * 255).astype(np.uint8))
        tiles.append(ImageOps.colorize(grey.resize((TILE, TILE), Image.Resampling.NEAREST), *SHADES))
    rows = -(-len(tiles) // PER_ROW)
    sheet = Image.new("RGB", (min(len(tiles), PER_ROW) * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP), SHADES[1])
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % PER_ROW * (TILE + GAP), number // PER_ROW * (TILE + GAP)))
    return sheet


def overlaid(image: "ImageTensor", attributed: "ImageTensor") -> Image.Image:
    """Return an image (C, H, W) in grey under its attributions (H, W): green where positive, orange where negative."""
    grey = np.asarray(enlarged(image, OVERLAID).convert("L").convert("RGB"), dtype=np.float32)
    strength = attributed.numpy() / max(float(attributed.abs().max()), 1e-12)
    wide = np.asarray(Image.fromarray(strength.astype(np.float32)).resize(grey.shape[1::-1], Image.Resampling.BILINEAR))[..., None]
    ink = np.where(wide > 0, np.array(FAVOURABLE, dtype=np.float32), np.array(ADVERSE, dtype=np.float32))
    return Image.fromarray((grey + (ink - grey) * np.abs(wide) * 0.85).clip(0, 255).astype(np.uint8))


def data_url(image: "ImageTensor") -> str:
    """Return a small picture of an image as a data URL."""
    return url(enlarged(image, THUMBNAIL))


def url(picture: Image.Image, form: str = "PNG") -> str:
    """Return a picture as a data URL in this format."""
    file = io.BytesIO()
    picture.save(file, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
