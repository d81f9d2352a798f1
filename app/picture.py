"""The image column of Explore: a sample of the run's dataset, or a person's own picture, cropped and distorted if they wish."""

import hashlib
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from app import state
from app.components.crop import crop
from app.components.sketch import sketch
from app.rendering import data_url, enlarged, url
from app.wording import plain
from core.errors import UserError
from core.registry import choose, title
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model

ORIGINAL = 320  # longest side of an uncropped picture as it is shown, in pixels
LISTED_CLASSES = 12  # classes that are listed without a click
PICTURE = "display:block;width:100%;border-radius:8px;image-rendering:pixelated;outline:1px solid rgba(128,128,128,0.3)"
DISTORTIONS = {"noise": "Noise", "blur": "Blur", "turn": "Rotation", "cover": "Covered area", "fade": "Less contrast"}


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


def choose_image(run: Run, sha256: str, model: "Model") -> ShownImage | None:
    """Draw the column; return the chosen image, or none until there is one."""
    channels, height, width = model.image
    frame = st.container(key="picture")
    harder = st.container(key="distortions")
    sample = _sample(run, sha256, model)
    with st.container(key="own-picture"):
        own = _own(run, model)
    with harder:
        strengths = _strengths()
    if own is None and sample is not None and st.session_state.get("source") == "own":
        _prefer("sample", run)  # the picture was removed or cannot be read: mark the sample that is shown instead
        st.rerun()
    chosen = own if own is not None and (st.session_state.get("source") == "own" or sample is None) else sample
    if chosen is None:
        return None
    grain = f"{width}×{height} pixels{', grey' if channels == 1 else ''}"
    with frame, st.container(key="beside-original", horizontal=True, gap="small") if chosen.original else st.container():
        if chosen.original:
            chosen = replace(chosen, image=_cropped(chosen.original, model))
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


def _sample(run: Run, sha256: str, model: "Model") -> ShownImage | None:
    """Draw the samples; return the chosen one, or none where there are none.

    Photographs and drawings replace a dataset whose images are not on this computer.
    """
    from core.datasets.sources.photographs import outside

    try:
        labels, images = state.samples(run.config["dataset"])
        if unknown := sorted(set(labels) - set(model.classes)):
            raise UserError(f"they belong to classes that the run does not know: {', '.join(unknown)}")
        subjects = [f"Test image of class {label}" for label in labels]
        known: list[str | None] = list(labels)
        strange: list[str | None] = [None] * len(labels)
    except (UserError, OSError) as error:
        if model.image[0] == 1:
            st.caption(f"There are no samples: {error}")
            return None
        pictures, images = state.stand_ins(model.image, model.classes)
        known, strange = [one.label for one in pictures], [outside(one, model.classes) for one in pictures]
        subjects = labels = [f"{one.subject}{'' if one.label else ', which is of none of the classes'}" for one in pictures]
        st.caption(
            f"The images of {title('datasets', run.dataset)} are not on this computer. These pictures replace them.", help=str(error)
        )
    first = state.most_varied(run, sha256, images)
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
    return ShownImage(images[shown], subjects[shown], {"sample": str(shown)}, known[shown], strange[shown])


def _sample_key(run: Run) -> str:
    """Return a key that runs with the same samples share, so that the sample stays when the run changes."""
    return f"sample-{json.dumps(choose('datasets', run.config['dataset']).model_dump(mode='json'), sort_keys=True)}"


def _own(run: Run, model: "Model") -> ShownImage | None:
    """Draw the ways to bring a picture of one's own; return it, or none."""
    from core.datasets.sources.picture import read_picture, to_tensor

    sources = ["File", "Camera", "Draw" if model.image[0] == 1 else "Paste"]
    private = "Your picture is sent to this server only and is not stored. Links do not include it."
    source = st.segmented_control("Your own picture", sources, default="File", required=True, key=f"source-{model.image[0]}", help=private)
    name, data = "picture", None
    if source == "File":
        file = st.file_uploader("Your own picture", key="upload", on_change=_prefer, args=("own", run), label_visibility="collapsed")
        name, data = (file.name, file.getvalue()) if file else (name, None)
    elif source == "Camera":
        photo = st.camera_input("Camera", key="camera", on_change=_prefer, args=("own", run), label_visibility="collapsed")
        data = photo.getvalue() if photo else None
    else:
        data = sketch(draws=model.image[0] == 1, key=f"sketch-{model.image[0]}", on_change=lambda: _prefer("own", run))
    if data is None:
        return None
    try:
        picture = read_picture(data, name=name)
        cropped = source != "Draw" and min(picture.size) > 1
        return ShownImage(to_tensor(picture, model.image), "Your picture", None, original=picture if cropped else None)
    except UserError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


def _prefer(source: str, run: Run) -> None:
    """Remember which source was used last. No sample is marked while a person's own picture is shown."""
    st.session_state["source"] = source
    if source == "own":
        st.session_state[_sample_key(run)] = None
