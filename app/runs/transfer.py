"""Exported runs as bytes: one as a .safetensors file, several as one zip, and both back. Loads without torch and without streamlit."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import UserError
from core.store import Run, Store
from core.store.exchange import export_run, import_run, is_exported

FAILED = "not exported.txt"  # the file of a zip that says which runs are missing, and why
MAX_UNPACKED = 4 << 30  # bytes of all runs in a zip
MAX_FILES = 1000  # files in a zip


def exportable(run: Run) -> bool:
    """Return whether a run can be exported: it is trained and its row is sound."""
    return run.status == "finished"


def file_name(run: Run) -> str:
    """Return the name of a run's exported file: slashes and what file systems do not take become underscores."""
    return "".join(letter if letter.isalnum() or letter in "-.= " else "_" for letter in run.name).strip(". ") or f"run-{run.id}"


def packed_run(store: Store, run: Run) -> bytes:
    """Return the exported file of a run. Raises StoreError."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "run.safetensors"
        export_run(store, run.id, file)
        return file.read_bytes()


def packed_runs(store: Store, runs: Sequence[Run]) -> bytes:
    """Return a zip with the exported files of runs. Runs that cannot be exported are named in a text within."""
    content, failed, used = io.BytesIO(), [], set[str]()
    with zipfile.ZipFile(content, "w") as archive:  # weights do not shrink
        for run in runs:
            name = file_name(run)
            name = name if name not in used else f"{name}-{run.id}"
            used.add(name)
            try:
                archive.writestr(f"{name}.safetensors", packed_run(store, run))
            except UserError as error:
                failed.append(f"{run.name}: {error}")
        if failed:
            archive.writestr(FAILED, "\n".join(failed) + "\n")
    return content.getvalue()


def received(store: Store, files: Sequence[tuple[str, bytes]], name: str | None) -> tuple[list[Run], list[str]]:
    """Add the runs in uploaded files, given as (name, content); return them, and a line for each that could not be added.

    `name`: of the run, where there is one file.
    """
    runs, errors = [], []
    for title, content in files:
        try:
            several = _members(title, content) if title.lower().endswith(".zip") else [(title, content)]
        except UserError as error:
            errors.append(str(error))
            continue
        for member, inner in several:
            try:
                runs.append(_added(store, member, inner, name))
            except UserError as error:
                errors.append(str(error))
    return runs, errors


def _added(store: Store, title: str, content: bytes, name: str | None) -> Run:
    from core.explain.incoming import check_run

    shown = Path(title.replace("\\", "/")).name
    with TemporaryDirectory() as folder:
        file = Path(folder) / "upload.safetensors"
        file.write_bytes(content)
        try:
            if not is_exported(content):
                raise UserError(f"{shown}: is not an exported run: import it alone if it holds weights, to begin a training with them")
            return import_run(store, file, name, check=lambda header, weights: check_run(header, weights, shown))
        except UserError as error:
            text = str(error).replace(str(file), shown).replace("choose another with --name", "choose another under Name")
            raise UserError(text if shown in text else f"{shown}: {text}") from None


def _members(title: str, content: bytes) -> list[tuple[str, bytes]]:
    """Return the exported files in a zip, as (name, content). Raises UserError for a zip that cannot be read or is too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = [one for one in archive.infolist() if one.filename.lower().endswith(".safetensors")]
            if not found:
                raise UserError(f"{title}: holds no .safetensors file")
            if len(found) > MAX_FILES or sum(one.file_size for one in found) > MAX_UNPACKED:
                raise UserError(f"{title}: is too large: import its files in smaller parts")
            return [(one.filename, archive.read(one)) for one in found]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise UserError(f"{title}: cannot be read as a zip: {error}") from None
