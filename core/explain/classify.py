"""Classify one image of any form: a file, an array, a picture or a tensor."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.datasets.sources.picture import PictureError, read_picture, to_tensor
from core.explain.model import Model
from core.explain.predict import Trace
from core.explain.predict import predict as predict_batch

AnyImage = str | Path | bytes | Image.Image | NDArray[np.uint8] | Tensor


def predict(model: Model, image: AnyImage, *, lam: float | None = None, forced: Mapping[str, bool] | None = None) -> Trace:
    """Return what a network answers for one image, which of its nodes ran, and what that cost.

    `image`: a file or its bytes, a Pillow picture, an array (H, W) or (H, W, 3) of uint8, or a tensor (C, H, W) of uint8. Its centre is
    scaled to the network's image size. Without `lam`, λ is the one that the network was trained for, or 0.5.
    `forced` holds gated nodes open (True) or closed (False).

    Raises PictureError where the image cannot be read, and GraphError for a λ or a forced node that the network does not have.
    """
    pixels = to_tensor(_picture(image), model.image)  # (C, H, W) uint8
    return predict_batch(model, pixels[None], lam=model.default_lam if lam is None else lam, forced=forced)[0]


def _picture(image: AnyImage) -> Image.Image:
    """Return an image of any form as a Pillow picture. Raises PictureError."""
    if isinstance(image, (str, Path, bytes)):
        return read_picture(image)
    if isinstance(image, Image.Image):
        return image
    values = image.detach().cpu().permute(1, 2, 0).numpy() if isinstance(image, Tensor) and image.dim() == 3 else np.asarray(image)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]  # (H, W)
    if values.dtype != np.uint8 or not (values.ndim == 2 or (values.ndim == 3 and values.shape[-1] == 3)):
        raise PictureError(f"an array of {values.dtype} and shape {values.shape} is not an image: pass uint8 values in 1 or 3 channels")
    return Image.fromarray(np.ascontiguousarray(values))
