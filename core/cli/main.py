"""All commands, and the place where an error that the user can correct becomes one line and exit status 2."""

import io
import signal
import sys

import typer
from typer.exceptions import Abort

from core.cli.bench import bench
from core.cli.cascade import cascade
from core.cli.command import Command, TrainCommand
from core.cli.copy_store import copy_store
from core.cli.describe import describe
from core.cli.evaluate import evaluate
from core.cli.export import export
from core.cli.failure import sentence
from core.cli.import_ import import_file
from core.cli.list import list_choices
from core.cli.predict import predict
from core.cli.report import report
from core.cli.resume import resume
from core.cli.runs import runs
from core.cli.search import search
from core.cli.serve import serve
from core.cli.stop import stop
from core.cli.sweep import sweep
from core.cli.train import train
from core.cli.verify import verify

app = typer.Typer(
    name="python -m core",
    help="Train, explore and measure networks that decide, for each image, which of their own parts to run.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)
app.command("list", cls=Command)(list_choices)
app.command("train", cls=TrainCommand)(train)
for command in (cascade, resume, stop, sweep, search, runs, describe, predict, evaluate, report, bench, serve, export, verify):
    app.command(command.__name__, cls=Command)(command)
app.command("import", cls=Command)(import_file)
app.command("copy-store", cls=Command)(copy_store)


def main() -> None:
    """Run one command. A failure that a person can do something about ends it with one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # the default encoding of Windows has no λ, and file names need not be text
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a request to end works like Ctrl-C and leaves nothing running
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (KeyboardInterrupt, Abort):
        sys.exit(130)
    except Exception as error:
        line = sentence(error)
        if line is None:
            raise
        print("error:", line, file=sys.stderr)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
