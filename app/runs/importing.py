"""Import in the browser: of exported runs, and of weights that a training begins with."""

import streamlit as st

from app import state
from app.departure import leave
from app.forms import refuse
from app.own_weights import ONNX_SUFFIX, WEIGHT_SUFFIXES, begin_with, only_weights
from app.progress import NEW, SHOW_NEXT
from app.runs.address import choose
from app.runs.transfer import received
from app.wording import plain
from core.errors import UserError

UPLOADS = "runs-uploads"  # key of the session: how often the upload field was emptied


def importer() -> None:
    """Draw the upload of exported runs, or of weights from elsewhere."""
    with st.popover("Import", icon=":material/upload:"):
        st.caption(
            "A run that was exported here or with `python -m core export`, or a zip of several. Weights from elsewhere (.safetensors, "
            ".pth) open the Train page, for a training that begins with them."
        )
        emptied = st.session_state.setdefault(UPLOADS, 0)
        files = st.file_uploader(
            "Exported runs or weights",
            [suffix.removeprefix(".") for suffix in (*WEIGHT_SUFFIXES, ONNX_SUFFIX, ".zip")],
            accept_multiple_files=True,
            key=f"import-{emptied}",
            label_visibility="collapsed",
        )
        name = st.text_input("Name", placeholder="optional; the name in the file", key="import-name", disabled=len(files) != 1)
        if st.button("Import", type="primary", key="import", disabled=not files):
            with st.spinner("Checking the files…"):
                if len(files) == 1 and only_weights(files[0].name, files[0].getvalue()):
                    _train_from(files[0].name, files[0].getvalue())
                    return
                runs, errors = received(state.store(), [(file.name, file.getvalue()) for file in files], name.strip() or None)
            for error in errors:
                st.error(plain(error), icon=":material/error:")
            if runs and not errors:
                st.session_state[UPLOADS] += 1
                choose(run.id for run in runs)
                st.toast(f"{plain(runs[0].name) if len(runs) == 1 else f'{len(runs)} runs'} imported.", icon=":material/check:")
                st.rerun()


def _train_from(name: str, content: bytes) -> None:
    """Open the Train page with a training that begins with these weights, or say why none can."""
    try:
        begin_with(name, content)
    except UserError as error:
        refuse(error)
        return
    st.session_state[UPLOADS] += 1
    st.session_state[SHOW_NEXT] = NEW
    leave("train")
