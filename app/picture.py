"""The image column of Explore: a sample of the run's dataset, or a person's own picture, cropped and distorted if they wish."""

import hashlib
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from app import own_picture
from app.components.crop import crop
from app.images import ShownImage
from app.rendering import enlarged, url
from app.samples import choose_sample
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model

ORIGINAL = 320  # longest side of an uncropped picture as it is shown, in pixels
OTHER_GROUND = 0.4  # difference in brightness of two borders, from 0 to 1, of which one is light and the other dark
LISTED_CLASSES = 12  # classes that are listed without a click
PICTURE = "display:block;width:100%;border-radius:8px;image-rendering:pixelated;outline:1px solid rgba(128,128,128,0.3)"
DISTORTIONS = {"noise": "Noise", "blur": "Blur", "turn": "Rotation", "cover": "Covered area", "fade": "Less contrast"}


def choose_image(run: Run, sha256: str, model: "Model", arrived: bool) -> ShownImage | None:
    """Draw the column; return the chosen image, or none until there is one. `arrived`: whether it is to be the one in the address."""
    if arrived:
        own_picture.show(st.query_params.get("sample") == own_picture.OWN_SOURCE)
        for name in DISTORTIONS:
            st.session_state.pop(f"distortion-{name}", None)
    channels, height, width = model.image
    frame = st.container(key="picture")
    harder = st.container(key="distortions")
    with st.container(key="samples"):
        sample = choose_sample(run, sha256, model, arrived)
    with st.container(key="own-picture"):
        own = own_picture.choose(run, model)
    with harder:
        strengths = _strengths()
    if own is None and sample is not None and own_picture.shown():
        own_picture.show(False)  # the picture was removed or cannot be read: mark the sample that is shown instead
        st.rerun()
    chosen = own if own is not None and (own_picture.shown() or sample is None) else sample
    if chosen is None:
        return None
    grain = f"{width}×{height} pixels{', grey' if channels == 1 else ''}"
    with frame, st.container(key="beside-original", horizontal=True, gap="small") if chosen.original else st.container():
        if chosen.original:
            chosen = replace(chosen, image=_cropped(chosen.original, model))
        if chosen is not sample and sample is not None and channels == 1:
            chosen = _as_samples(chosen, sample)
        distorted = _distorted(chosen, strengths)
        show(enlarged(distorted.image, 1), "What the network sees" if chosen.original else distorted.description)
        st.caption(f"{grain}. Move the frame, or size it by its corner." if chosen.original else f"What the network sees: {grain}")
    with frame:
        _classes(model.classes)
    return distorted


def _cropped(original: Image.Image, model: "Model") -> "ImageTensor":
    """Draw a person's own picture with the frame that they move; return the part in it as the network's input."""
    from core.datasets.sources.picture import to_tensor

    channels, height, width = model.image
    small = original.copy()
    small.thumbnail((ORIGINAL, ORIGINAL))
    address = url(small)
    key = f"crop-{hashlib.sha256(address.encode()).hexdigest()[:16]}-{width / height:.3f}"
    box = crop(address, small, (width, height), key=key).box(original.size, (width, height))
    return to_tensor(original, (channels, height, width), box)


def _as_samples(own: ShownImage, sample: ShownImage) -> ShownImage:
    """Return a person's own grey picture; where it is dark on light and a sample light on dark, or the reverse, offer to invert it."""
    ground, usual = border(own.image), border(sample.image)
    if abs(ground - usual) < OTHER_GROUND:
        return own
    now, learned = ("dark on light", "light on dark") if ground > usual else ("light on dark", "dark on light")
    inverts = st.toggle("Invert light and dark", key="invert", persist_state="session")
    if inverts:
        return replace(own, image=255 - own.image, description=f"{own.description}, inverted")
    words = f"Your picture is {now}. The network learned from images that are {learned}: its answer may mean nothing."
    st.caption(f":orange[:material/warning: {words}]")
    return own


def border(image: "ImageTensor") -> float:
    """Return how bright the border of an image (C, H, W) uint8 is: the median of its outermost pixels, from 0 to 1."""
    edges = (image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1])
    return float(np.median(np.concatenate([edge.flatten().numpy() for edge in edges]))) / 255


def _classes(classes: Sequence[str]) -> None:
    """List the classes that a network knows; many of them are listed on a click."""
    names = ", ".join(map(html.escape, classes))
    known = f"It knows {len(classes)} classes"
    few = len(classes) <= LISTED_CLASSES
    st.html(f'<p class="classes">{known}: {names}</p>' if few else f'<details class="classes"><summary>{known}</summary>{names}</details>')


def show(image: Image.Image, caption: str) -> None:
    """Show a picture at full width with a caption that screen readers read too: `st.image` has no alternative text."""
    words = html.escape(caption)
    st.html(
        f'<figure style="margin:0"><img src="{url(image)}" alt="{words}" style="{PICTURE}">'
        f'<figcaption style="text-align:center;padding:6px 0;font-size:14px;opacity:0.75">{words}</figcaption></figure>'
    )


def _distorted(chosen: ShownImage, strengths: Mapping[str, float]) -> ShownImage:
    """Return the image with these distortions."""
    from core.datasets.sources.distortion import Distortion, distort

    by = Distortion(**strengths)
    if by.nothing:
        return chosen
    parameters = {name: f"{strength:g}" for name, strength in strengths.items() if strength}
    query = None if chosen.query is None else {**chosen.query, **parameters}
    return replace(chosen, image=distort(chosen.image, by), description=f"{chosen.description}, distorted", query=query)


def _strengths() -> dict[str, float]:
    """Draw the distortion sliders; return their values from 0 to 1. They begin at those of the address."""
    first = {name: _strength(st.query_params.get(name)) for name in DISTORTIONS}
    for name in DISTORTIONS:
        st.session_state.setdefault(f"distortion-{name}", round(20 * first[name]) * 5)
    distorts = any(st.session_state[f"distortion-{name}"] for name in DISTORTIONS)
    with st.expander("Make it harder", icon=":material/blur_on:", expanded=distorts):
        strengths = {
            name: st.slider(label, 0, 100, step=5, format="%d%%", key=f"distortion-{name}", persist_state="session") / 100
            for name, label in DISTORTIONS.items()
        }
        st.button("Undo all", on_click=_undo, icon=":material/undo:", disabled=not any(strengths.values()))
    return strengths


def _strength(text: str | None) -> float:
    """Return a strength in an address, from 0 to 1; 0 where it is not a number."""
    try:
        strength = float(text or 0)
    except ValueError:
        return 0.0
    return min(max(strength, 0.0), 1.0) if math.isfinite(strength) else 0.0


def _undo() -> None:
    for name in DISTORTIONS:
        st.session_state[f"distortion-{name}"] = 0
