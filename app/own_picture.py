"""A picture of a person's own: from a file, the camera, a drawing or the clipboard. It is kept until it is removed or the tab is closed."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from app.components.keeper import keeper
from app.components.sketch import drawn, sketch
from app.images import ShownImage
from app.rendering import url
from app.wording import plain
from core.errors import UserError
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import Model

KEPT, SOURCE, ASKED = "own-picture", "source", "own-picture-asked"  # keys of the session
OWN_SOURCE = "own"  # the source that is a person's own picture; an address that names it shows the picture only to those who have it
DRAWING = "drawing"  # name of a picture that was drawn here
KEEPER = "keeper"  # key of the component
SIDE = 640  # longest side of a large picture that is kept, in pixels
SMALL = 300_000  # bytes of a file that is kept as it is
ICON = 40  # side of the small picture beside the buttons, in pixels
PRIVATE = (
    "Your picture is sent to this server only, which forgets it. Your browser keeps it until you close this tab. Links do not include it."
)


@dataclass(frozen=True)
class OwnPicture:
    """The bytes of a picture's file, what the file is called, and whether the bytes can be read.

    `drawing`: whether it was drawn here. A drawing is not cropped.
    """

    data: bytes
    name: str
    readable: bool
    drawing: bool = False


def shown() -> bool:
    """Return whether the person's own picture is shown, and not a sample."""
    return bool(st.session_state.get(SOURCE) == OWN_SOURCE)


def show(own: bool) -> None:
    """Show the person's own picture from now on, or a sample."""
    st.session_state[SOURCE] = OWN_SOURCE if own else "sample"


def choose(run: Run, model: "Model") -> ShownImage | None:
    """Draw the ways to bring a picture; return the kept one as the network's input, or none."""
    channels = model.image[0]
    st.session_state.setdefault(ASKED, st.query_params.get("sample") in (None, OWN_SOURCE))  # by the address with which the visit began
    sources = ["File", "Camera", "Draw" if channels == 1 else "Paste"]
    source = st.segmented_control("Your own picture", sources, default="File", required=True, key=f"source-{channels}", help=PRIVATE)
    if source == "File":
        st.file_uploader("Your own picture", key="upload", on_change=_taken, args=("upload",), label_visibility="collapsed")
    elif source == "Camera":
        st.camera_input("Camera", key="camera", on_change=_taken, args=("camera",), label_visibility="collapsed")
    else:
        key = f"sketch-{channels}"
        sketch(draws=channels == 1, key=key, on_change=lambda: _keep(drawn(key), DRAWING if channels == 1 else "picture"))
    kept: OwnPicture | None = st.session_state.get(KEPT)
    found = None if kept is None else _read(kept, model)
    _offer(kept, found)
    readable = kept is not None and kept.readable
    keeper(
        data=kept.data if kept is not None and readable else None,
        name=kept.name if kept is not None and readable else "",
        shown=shown(),
        removed=bool(st.session_state.get("own-picture-removed")) or (kept is not None and not readable),
        key=KEEPER,
        on_return=_returned,
    )
    return found


def _offer(kept: OwnPicture | None, found: ShownImage | None) -> None:
    """Draw what can be done with the kept picture."""
    if kept is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="own-kept"):
        if found is not None and not shown():
            st.markdown(f"![{plain(kept.name)}]({_icon(kept)})", width="content")
            st.button("Show your picture", on_click=show, args=(True,), icon=":material/image:")
        st.button(
            "Remove", on_click=_keep, args=(None, ""), icon=":material/delete:", help="Forget your picture, here and in this browser."
        )


def _icon(kept: OwnPicture) -> str:
    from core.datasets.sources.picture import read_picture

    small = read_picture(kept.data, name=kept.name)
    small.thumbnail((ICON, ICON))
    return url(small)


def _read(kept: OwnPicture, model: "Model") -> ShownImage | None:
    from core.datasets.sources.picture import SCALED, read_picture, to_tensor

    try:
        picture = read_picture(kept.data, name=kept.name)
        if note := picture.info.get(SCALED):
            st.caption(f"In this picture, {note}.")
        cropped = not kept.drawing and min(picture.size) > 1
        return ShownImage(to_tensor(picture, model.image), "Your picture", None, original=picture if cropped else None)
    except UserError as error:
        st.error(plain(error), icon=":material/broken_image:")
        return None


def _taken(key: str) -> None:
    """Keep the picture of an uploader or of the camera, or forget it where it was taken away."""
    file = st.session_state[key]
    _keep(file.getvalue() if file else None, file.name if file else "")


def _returned(data: bytes, name: str, own: bool) -> None:
    """Take back the picture that the browser kept over a reload."""
    if KEPT not in st.session_state:
        _keep(data, name)
        show(own and st.session_state[ASKED])


def _keep(data: bytes | None, name: str) -> None:
    """Keep a picture and show it; or forget it."""
    st.session_state["own-picture-removed"] = data is None
    show(data is not None)
    if data is None:
        st.session_state.pop(KEPT, None)
    else:
        st.session_state[KEPT] = kept_form(data, name)


def kept_form(data: bytes, name: str) -> OwnPicture:
    """Return a picture in the form in which it is kept: a large one is made smaller, so that a browser's tab can hold it.

    So is one that takes long to decode, since it is decoded at every change of the page.
    """
    from core.datasets.sources.picture import DECODED_APART, read_picture

    try:
        picture = read_picture(data, name=name, detail=SIDE)
    except UserError:
        return OwnPicture(data, name, readable=False)
    if len(data) <= SMALL and not picture.info.get(DECODED_APART):
        return OwnPicture(data, name, readable=True, drawing=name == DRAWING)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return OwnPicture(file.getvalue(), name, readable=True)
