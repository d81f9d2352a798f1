"""The image that the network is asked about: a sample of its dataset, or a picture of the user's."""

import base64
import html
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from app import state
from app.components.sketch import sketch
from app.wording import plain
from core.datasets import DataError
from core.registry import ConfigError, choose
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import Model
    from core.explain.predict import Tensor

OVERLAID = 192  # pixels a side of an image with colours over it
THUMBNAIL = 48
PICTURE = "display:block;width:100%;border-radius:8px;image-rendering:pixelated;outline:1px solid rgba(128,128,128,0.3)"
HARDER = {"noise": "Noise", "blur": "Blur", "turn": "Turn", "cover": "Cover", "fade": "Less contrast"}
MAPS, ACROSS, TILE, GAP = 16, 8, 64, 4  # feature maps that are shown, in a row, and their side and distance in pixels
SHADES = ("#06302c", "#d7f0ec", "#0d6c65")  # of feature maps: least, largest, middle
FOR, AGAINST = (13, 148, 136), (217, 119, 6)


@dataclass(frozen=True)
class Shown:
    """The image that the network is asked about, (C, H, W) uint8; what it is, in words; the part of an address that names it; its class.

    There is no such part for pictures of a person's own: they stay private. Only samples of a dataset have a class that is known.
    """

    image: "Tensor"
    told: str
    query: Mapping[str, str] | None
    label: str | None = None


def choose_image(run: Run, sha256: str, model: "Model") -> Shown | None:
    """Shows the image as the network sees it, and what else there is to choose; none before there is an image."""
    channels, height, width = model.image
    st.caption(f"As the network sees it ({width}×{height}{', grey' if channels == 1 else ''})")
    frame = st.container()
    sample = _sample(run, sha256, model)
    with st.container(key="own-picture"):
        own = _own(run, model)
        strengths = _strengths()
    if own is None and sample is not None and st.session_state.get("source") == "own":
        _prefer("sample", run)  # it was taken away, or cannot be read: the samples show again which of them is seen
        st.rerun()
    chosen = own if own is not None and (st.session_state.get("source") == "own" or sample is None) else sample
    if chosen is None:
        return None
    made = _harder(chosen, strengths)
    with frame:
        show(enlarged(made.image, 1), made.told)
    return made


def show(image: Image.Image, told: str) -> None:
    """A picture as wide as there is room, with words below it that are also read out for it: Streamlit's own pictures say nothing."""
    words = html.escape(told)
    st.html(
        f'<figure style="margin:0"><img src="{_url(image)}" alt="{words}" style="{PICTURE}">'
        f'<figcaption style="text-align:center;padding:6px 0;font-size:14px;opacity:0.75">{words}</figcaption></figure>'
    )


def _harder(chosen: Shown, strengths: Mapping[str, float]) -> Shown:
    """The image, distorted as far as a person wants it to be."""
    from core.datasets.sources.distortion import Distortion, distort

    by = Distortion(**strengths)
    if by.nothing:
        return chosen
    set_to = {name: f"{strength:g}" for name, strength in strengths.items() if strength}
    query = None if chosen.query is None else {**chosen.query, **set_to}
    return Shown(distort(chosen.image, by), f"{chosen.told}, made harder", query, chosen.label)


def _strengths() -> dict[str, float]:
    """How much harder the image is to be made: at first what the address says."""
    asked = {name: _number(st.query_params.get(name)) for name in HARDER}
    for name in HARDER:
        st.session_state.setdefault(f"harder-{name}", round(20 * asked[name]) * 5)
    with st.expander("Make it harder", icon=":material/blur_on:", expanded=any(st.session_state[f"harder-{name}"] for name in HARDER)):
        strengths = {
            name: st.slider(title, 0, 100, step=5, format="%d%%", key=f"harder-{name}", persist_state="session") / 100
            for name, title in HARDER.items()
        }
        st.button("As it was", on_click=_as_it_was, icon=":material/undo:", disabled=not any(strengths.values()))
    return strengths


def _number(text: str | None) -> float:
    """A strength from an address, from 0 to 1; 0 if it is none."""
    try:
        asked = float(text or 0)
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), 1.0) if math.isfinite(asked) else 0.0


def _as_it_was() -> None:
    for name in HARDER:
        st.session_state[f"harder-{name}"] = 0


def enlarged(image: "Tensor", side: int) -> Image.Image:
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
    grey = np.asarray(enlarged(image, OVERLAID).convert("L").convert("RGB"), dtype=np.float32)
    strength = spoke.numpy() / max(float(spoke.abs().max()), 1e-12)
    wide = np.asarray(Image.fromarray(strength.astype(np.float32)).resize(grey.shape[1::-1], Image.Resampling.BILINEAR))[..., None]
    ink = np.where(wide > 0, np.array(FOR, dtype=np.float32), np.array(AGAINST, dtype=np.float32))
    return Image.fromarray((grey + (ink - grey) * np.abs(wide) * 0.85).clip(0, 255).astype(np.uint8))


def data_url(image: "Tensor") -> str:
    """A small picture of an image as a data URL."""
    return _url(enlarged(image, THUMBNAIL))


def _url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _sample(run: Run, sha256: str, model: "Model") -> Shown | None:
    """The sample that is chosen; none where there is none.

    Where the images of the run's dataset are not at hand, photographs stand for them.
    """
    try:
        labels, images = state.samples(run.config["dataset"])
        if strange := sorted(set(labels) - set(model.classes)):
            raise DataError(f"they are of classes that the run does not know: {', '.join(strange)}")
        first, what, known = state.telling(run, sha256), "a test image of class ", True
    except (DataError, ConfigError, OSError) as error:
        if model.image[0] == 1:
            st.caption(f"No samples: {error}")
            return None
        labels, images = state.photographs(model.image)
        first, what, known = 0, "a photograph of ", False
        st.caption(f"The images of {run.dataset} are not on this computer; photographs stand for them.", help=str(error))
    asked = st.query_params.get("sample", "")
    first = int(asked) if asked in map(str, range(len(labels))) else first
    key = _sample_key(run)
    if st.session_state.get(key) is None and st.session_state.get("source") != "own":
        st.session_state[key] = first
    chosen = st.pills(
        "Samples",
        range(len(labels)),
        format_func=lambda index: f"![{plain(labels[index])}]({data_url(images[index])})",
        required=True,
        key=key,
        on_change=_prefer,
        args=("sample", run),
        persist_state="session",
    )
    shown = first if chosen is None else chosen
    return Shown(images[shown], what + labels[shown], {"sample": str(shown)}, labels[shown] if known else None)


def _sample_key(run: Run) -> str:
    """Runs that know the same images keep the same one of them."""
    return f"sample-{json.dumps(choose('datasets', run.config['dataset']).model_dump(mode='json'), sort_keys=True)}"


def _own(run: Run, model: "Model") -> Shown | None:
    """A picture of the person's own: drawn, pasted, from a file or the camera, whichever came last."""
    from core.datasets.sources.picture import PictureError, read_picture, to_tensor

    ways = ["File", "Camera", "Draw" if model.image[0] == 1 else "Paste"]
    private = "It goes to this server alone and is not stored; links do not hold it."
    way = st.segmented_control("Your own picture", ways, default="File", required=True, key=f"way-{model.image[0]}", help=private)
    name, data = "picture", None
    if way == "File":
        file = st.file_uploader("Your own picture", key="upload", on_change=_prefer, args=("own", run), label_visibility="collapsed")
        name, data = (file.name, file.getvalue()) if file else (name, None)
    elif way == "Camera":
        photo = st.camera_input("Camera", key="camera", on_change=_prefer, args=("own", run), label_visibility="collapsed")
        data = photo.getvalue() if photo else None
    else:
        data = sketch(draws=model.image[0] == 1, key=f"sketch-{model.image[0]}", on_change=lambda: _prefer("own", run))
    if data is None:
        return None
    try:
        return Shown(to_tensor(read_picture(data, name=name), model.image), "your picture", None)
    except PictureError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


def _prefer(source: str, run: Run) -> None:
    """Remembers where the image comes from: what was touched last. No sample is marked while another picture is seen."""
    st.session_state["source"] = source
    if source == "own":
        st.session_state[_sample_key(run)] = None
