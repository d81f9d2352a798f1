"""Import of exported runs in the browser."""

import streamlit as st

from app import state
from app.runs.address import choose
from app.runs.transfer import received
from app.wording import plain

UPLOADS = "runs-uploads"  # key of the session: how often the upload field was emptied


def importer() -> None:
    """Draw the upload of exported runs."""
    with st.popover("Import", icon=":material/upload:"):
        st.caption("A run that was exported here or with `python -m core export`, or a zip of several.")
        emptied = st.session_state.setdefault(UPLOADS, 0)
        files = st.file_uploader(
            "Exported runs", ["safetensors", "zip"], accept_multiple_files=True, key=f"import-{emptied}", label_visibility="collapsed"
        )
        name = st.text_input("Name", placeholder="optional; the name in the file", key="import-name", disabled=len(files) != 1)
        if st.button("Import", type="primary", key="import", disabled=not files):
            with st.spinner("Checking the files…"):
                runs, errors = received(state.store(), [(file.name, file.getvalue()) for file in files], name.strip() or None)
            for error in errors:
                st.error(plain(error), icon=":material/error:")
            if runs and not errors:
                st.session_state[UPLOADS] += 1
                choose(run.id for run in runs)
                st.toast(f"{plain(runs[0].name) if len(runs) == 1 else f'{len(runs)} runs'} imported.", icon=":material/check:")
                st.rerun()
