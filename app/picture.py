"""The image that the network is asked about: a sample of its dataset, or a picture of the user's."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from app import state
from app.wording import plain
from core.datasets import DataError
from core.registry import ConfigError
from core.store import Run

if TYPE_CHECKING:
    from core.inference.model import Model
    from core.inference.predict import Tensor

SHOWN = 384  # pixels a side at which an image is shown
THUMBNAIL = 48
HARDER = {"noise": "Noise", "blur": "Blur", "turn": "Turn", "cover": "Cover", "fade": "Less contrast"}
MAPS, ACROSS, TILE, GAP = 16, 8, 64, 4  # feature maps that are shown, in a row, and their side and distance in pixels
SHADES = ("#06302c", "#d7f0ec", "#0f766e")  # of feature maps: least, largest, middle
FOR, AGAINST = (13, 148, 136), (217, 119, 6)


def choose_image(run: Run, sha256: str, model: "Model") -> "Tensor | None":
    """Shows the image as the network sees it, and what else there is to choose; none before there is an image. (C, H, W) uint8."""
    channels, height, width = model.image
    st.caption(f"As the network sees it ({width}×{height}{', grey' if channels == 1 else ''})")
    frame = st.container()
    caption, sampled = _sample(run, sha256, model)
    uploaded = _upload(model)
    image = uploaded if uploaded is not None and (st.session_state.get("source") == "upload" or sampled is None) else sampled
    if image is None:
        return None
    made = _harder(image)
    said = "your picture" if image is uploaded else caption
    frame.image(enlarged(made), width="stretch", caption=said if made is image else f"{said}, made harder")
    return made


def _harder(image: "Tensor") -> "Tensor":
    """The image, distorted as far as a person wants it to be."""
    from core.sources.distortion import Distortion, distort

    with st.expander("Make it harder", icon=":material/blur_on:"):
        strengths = {name: st.slider(title, 0, 100, 0, 5, format="%d%%", key=f"harder-{name}") / 100 for name, title in HARDER.items()}
        st.button("As it was", on_click=_as_it_was, icon=":material/undo:", disabled=not any(strengths.values()))
    return distort(image, Distortion(**strengths))


def _as_it_was() -> None:
    for name in HARDER:
        st.session_state[f"harder-{name}"] = 0


def enlarged(image: "Tensor", side: int = SHOWN) -> Image.Image:
    """An image (C, H, W) uint8 in whole steps up to about `side` pixels, each of its pixels a square."""
    values = image.permute(1, 2, 0).numpy()  # (H, W, C)
    picture = Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)
    times = max(side // max(picture.size), 1)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def maps(sent: "Tensor") -> Image.Image:
    """The channels of a feature map (C, H, W) that vary most, side by side, each from its least (dark) to its largest value (light)."""
    order = sent.flatten(1).std(dim=1).argsort(descending=True)[:MAPS]
    tiles = []
    for channel in sent[order].numpy():
        low, high = float(channel.min()), float(channel.max())
        grey = Image.fromarray(((channel - low) / max(high - low, 1e-9) * 255).astype(np.uint8))
        tiles.append(ImageOps.colorize(grey.resize((TILE, TILE), Image.Resampling.NEAREST), *SHADES))
    rows = -(-len(tiles) // ACROSS)
    sheet = Image.new("RGB", (min(len(tiles), ACROSS) * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP), SHADES[1])
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % ACROSS * (TILE + GAP), number // ACROSS * (TILE + GAP)))
    return sheet


def overlaid(image: "Tensor", spoke: "Tensor") -> Image.Image:
    """An image (C, H, W) in grey, and over it what spoke for (H, W positive, green) and against (negative, orange)."""
    grey = np.asarray(enlarged(image).convert("L").convert("RGB"), dtype=np.float32)
    strength = spoke.numpy() / max(float(spoke.abs().max()), 1e-12)
    wide = np.asarray(Image.fromarray(strength.astype(np.float32)).resize(grey.shape[1::-1], Image.Resampling.BILINEAR))[..., None]
    ink = np.where(wide > 0, np.array(FOR, dtype=np.float32), np.array(AGAINST, dtype=np.float32))
    return Image.fromarray((grey + (ink - grey) * np.abs(wide) * 0.85).clip(0, 255).astype(np.uint8))


def data_url(image: "Tensor") -> str:
    """An image as a data URL."""
    file = io.BytesIO()
    enlarged(image, THUMBNAIL).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _sample(run: Run, sha256: str, model: "Model") -> tuple[str, "Tensor | None"]:
    """What the sample that is chosen is, and the sample; none where there is none.

    Where the images of the run's dataset are not at hand, photographs stand for them.
    """
    try:
        labels, images = state.samples(run.config["dataset"])
        first, what = state.telling(run, sha256), "a test image of class "
    except (DataError, ConfigError, OSError) as error:
        if model.image[0] == 1:
            st.caption(f"No samples: {error}")
            return "", None
        labels, images = state.photographs(model.image)
        first, what = 0, "a photograph of "
        st.caption(f"The images of {run.dataset} are not on this computer; photographs stand for them.", help=str(error))
    chosen = st.pills(
        "Samples",
        range(len(labels)),
        format_func=lambda index: f"![{plain(labels[index])}]({data_url(images[index])})",
        default=first,
        required=True,
        key=f"sample-{run.id}",
        on_change=_prefer,
        args=("sample",),
    )
    shown = first if chosen is None else chosen
    return what + plain(labels[shown]), images[shown]


def _upload(model: "Model") -> "Tensor | None":
    from core.sources.picture import PictureError, read_picture, to_tensor

    file = st.file_uploader("Your own picture", key="upload", on_change=_prefer, args=("upload",))
    if file is None:
        return None
    try:
        return to_tensor(read_picture(file.getvalue(), name=file.name), model.image)
    except PictureError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


def _prefer(source: str) -> None:
    """Remembers where the image comes from: what was touched last."""
    st.session_state["source"] = source
