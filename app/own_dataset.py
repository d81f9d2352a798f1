"""Pictures of a person's own on the Train page: a zip or a folder by upload, the classes that were found, and how they are split."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from app import state
from app.charts.splits import splits_chart
from app.form_state import group, key
from app.wording import plain
from core.errors import UserError
from core.registry import choose

if TYPE_CHECKING:
    from core.datasets.folder import Folder

PATH = key(group("datasets", "folder"), "path")
MAX_MEGABYTES = 1000  # of an upload
SHOWN_CLASSES, PER_CLASS, PREVIEW_SIDE = 6, 2, 64  # pictures that are shown, and their side in pixels
FAULT = "own-dataset-fault"  # key of the session


def own_dataset() -> None:
    """Draw the upload of pictures, and what is in the folder that the form names."""
    zipped, foldered = st.tabs(["Upload a zip", "Upload a folder"])
    for place, name, kind in ((zipped, "own-zip", "zip"), (foldered, "own-folder", "directory")):
        with place:
            st.file_uploader(
                "One folder of pictures for each class, at least two classes and three pictures each",
                type="zip" if kind == "zip" else None,
                accept_multiple_files=cast(Any, "directory" if kind == "directory" else False),
                max_upload_size=MAX_MEGABYTES,
                key=name,
                on_change=_arrived,
                args=(name,),
            )
    if fault := st.session_state.get(FAULT):
        st.warning(plain(fault), icon=":material/folder_off:")
    if path := st.session_state.get(PATH):
        _contents(path)
    else:
        st.caption("Pictures on this computer need no upload: name their folder in “Data folder”, among the dataset’s options.")


def _arrived(name: str) -> None:
    """Keep what was uploaded beside the weights, and name its folder in the form."""
    from core.datasets.sources.unpacking import Arrived, unpack_zip, write_folder

    given = st.session_state.get(name)
    st.session_state[FAULT] = ""
    if not given:
        return
    folder = state.store().weights.folder / "pictures"
    try:
        zipped = name == "own-zip"
        made = unpack_zip(given, folder) if zipped else write_folder([Arrived(one.name, one) for one in given], folder)
    except UserError as error:
        st.session_state[FAULT] = str(error)
        return
    st.session_state[PATH] = str(made)


def _contents(path: str) -> None:
    """Draw the classes of a folder, how many pictures of each are in each split, and a few of them."""
    try:
        counts, pictures = _read(path, _newest(path))
    except UserError as error:
        st.warning(plain(error), icon=":material/folder_off:")
        return
    st.plotly_chart(splits_chart(counts), key="own-splits", config={"displayModeBar": False})
    with st.container(horizontal=True, key="own-pictures"):
        for name, files in pictures.items():
            st.image(files, caption=[plain(name)] * len(files), width=PREVIEW_SIDE)


def _newest(path: str) -> float:
    """Return when a folder was last changed, 0 where it is not there."""
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0.0


@st.cache_data(max_entries=8, show_spinner="Looking at the pictures…")
def _read(path: str, newest: float) -> tuple[Mapping[str, Mapping[str, int]], Mapping[str, list[Any]]]:
    """Return the number of pictures in each split, of each class, and some pictures of some classes. Raises DataError, PictureError."""
    from core.datasets.sources.class_folders import list_folder
    from core.datasets.sources.picture import read_picture

    folder = cast("Folder", choose("datasets", {"name": "folder", "path": path}))
    counts = folder.per_class()
    listing = list_folder(Path(folder.path))
    pictures: dict[str, list[Any]] = {}
    for name in listing.classes[:SHOWN_CLASSES]:
        files = [file for classes in listing.files.values() for file in classes.get(name, ())][:PER_CLASS]
        pictures[name] = []
        for file in files:
            picture = read_picture(file).convert("RGB")
            picture.thumbnail((2 * PREVIEW_SIDE, 2 * PREVIEW_SIDE))
            pictures[name].append(picture)
    return cast(Mapping[str, Mapping[str, int]], counts), pictures
