"""`export`: write a trained run to a file."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, RunName, opened
from core.cli.output import bar, console, lam_text, print_json, print_table, say
from core.registry import ConfigError

if TYPE_CHECKING:
    from core.explain.model import Model
    from core.store import Store

SCORED_IMAGES = 500  # test images on which a program is measured
SCORED_LAMS = (0.2, 0.5, 0.8)  # of a network that serves every λ


def export(
    run: RunName,
    file: Annotated[
        Path | None,
        typer.Argument(help="File to write: NAME.safetensors with its model card NAME.md beside it, or NAME.onnx, one program."),
    ] = None,
    hub: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write a folder for the Hugging Face Hub instead of a file.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", metavar="NAME", help="Licence of the weights in the Hub's folder (default: mit).")
    ] = None,
    weights: Annotated[
        Literal["float32", "float16", "int8"] | None,
        typer.Option(help="Precision of the weights in an ONNX file (default: float32); int8 is by ONNX Runtime's quantiser."),
    ] = None,
    no_evaluate: Annotated[
        bool, typer.Option("--no-evaluate", help="Do not measure the ONNX file's accuracy and cost on test images.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained run to one file.

    NAME.safetensors holds everything, and can be imported; its model card is written beside it. NAME.onnx runs without this project: one
    ONNX program for one image, with the decisions inside and λ as an input. What is skipped is not computed. A folder written with
    --hub can be imported too.
    """
    if (file is None) == (hub is None):
        raise ConfigError("name the file to write, or a folder with --hub, and not both")
    if (weights is not None or no_evaluate) and (file is None or file.suffix != ".onnx"):
        raise ConfigError("--weights and --no-evaluate are for ONNX files: choose a name that ends in .onnx")
    if licence is not None and hub is None:
        raise ConfigError("--license is written into a folder for the Hub: name one with --hub")
    store = opened(db, run)
    if hub is not None:
        _export_folder(store, run, hub, licence or "mit", force=force, as_json=as_json)
    elif file is not None and file.suffix == ".onnx":
        _export_program(store, run, file, weights or "float32", evaluates=not no_evaluate, force=force, as_json=as_json)
    elif file is not None:
        _export_file(store, run, file, force=force, as_json=as_json)


def _export_folder(store: "Store", run: str, folder: Path, licence: str, *, force: bool, as_json: bool) -> None:
    """Write a run as a folder for the Hugging Face Hub and print what is in it."""
    from core.evaluation.hub import CONFIGURATION, README, export_hub, local_paths
    from core.files import FOLDER_WEIGHTS

    exported = export_hub(store, run, folder, licence=licence, force=force)
    if paths := local_paths(exported.config):
        print(f"The files name {', '.join(paths)}: look at them before you publish the folder.", file=sys.stderr)
    if as_json:
        print_json({"folder": str(folder), "files": [FOLDER_WEIGHTS, CONFIGURATION, README]})
        return
    print(f"Wrote {FOLDER_WEIGHTS}, {CONFIGURATION} and {README} to {folder}.")


def _export_file(store: "Store", run: str, file: Path, *, force: bool, as_json: bool) -> None:
    """Write a run as one file, with its model card beside it, and print their names."""
    from core.evaluation.model_card import card
    from core.store.exchange import export_run
    from core.store.record import Figures

    exported = store.runs.get(run)
    siblings = [Figures.model_validate(sibling.figures).test for sibling in store.runs.siblings(exported)]
    export_run(store, run, file, describe=lambda header: card(header, siblings), force=force)
    if as_json:
        print_json({"file": str(file), "card": str(file.with_suffix(".md"))})
        return
    say(f"Wrote {file} and {file.with_suffix('.md')}.")


def _export_program(
    store: "Store",
    run: str,
    file: Path,
    weights: Literal["float32", "float16", "int8"],
    *,
    evaluates: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a run as an ONNX program and print what it is, and with `evaluates` how it does on test images."""
    from core.explain.model import load_model
    from core.program.file import program, save

    model = load_model(store, run)
    made = program(model, weights)
    save(made, file, force=force)
    size = file.stat().st_size
    rows = _scores(model, {"float32", weights}) if evaluates else []
    said = {one.key: one.value for one in made.metadata_props}
    if as_json:
        print_json({"file": str(file), "bytes": size, "weights": weights, "input": said["input"], "lam": said["lam"], "scores": rows})
        return
    say(f"Wrote {file}: {size / 1e6:.2f} MB, weights {weights}. {said['input']}")
    say(f"{said['lam']}.")
    if rows:
        table = Table("weights", "λ", "accuracy", "multiply-adds", "share of static", title=f"{model.run}: {rows[0]['images']} test images")
        for row in rows:
            cost = (f"{row['macs_mean'] / 1e6:.2f} M", f"{row['cost_share']:.1%}")
            table.add_row(row["weights"], lam_text(row["lam"]), f"{row['accuracy']:.4f}", *cost)
        print_table(table)


def _scores(model: "Model", forms: set[Any]) -> list[dict[str, Any]]:
    """Return the accuracy and the cost of a run's program for each form of its weights, none where its images are not at hand."""
    from core.datasets import DataError
    from core.program.file import program
    from core.program.session import Program, score

    try:
        images, _ = model.config.dataset.samples(SCORED_IMAGES)
    except DataError:
        console(errors=True).print("The images of the run's dataset are not on this computer, so the file was not measured on them.")
        return []
    lams: tuple[float | None, ...] = SCORED_LAMS if model.graph.tradeoff.every_lam else (None,)
    with bar() as progress:
        task = progress.add_task("evaluating", total=len(forms) * len(lams) * len(images))
        return [
            asdict(one)
            for form in sorted(forms)
            for one in score(Program(program(model, form).SerializeToString()), images, lams, lambda done: progress.advance(task, done))
        ]
