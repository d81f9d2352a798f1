"""The commands together, and the one place where a user's error becomes one line and exit status 2."""

import io
import signal
import sys

import typer

from core.cli import asking, benching, inspecting, running, sweeping
from core.datasets import DataError
from core.errors import UserError
from core.store import StoreError

app = typer.Typer(
    name="python -m core",
    help="Networks that decide, per image, which of their own parts to run: train them, ask them, measure them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = (
    *(running.train, running.resume, running.stop, sweeping.sweep),
    *(inspecting.runs, inspecting.describe, asking.predict, asking.evaluate, sweeping.report, benching.bench),
)
for command in COMMANDS:
    app.command()(command)
app.command("export")(running.export_command)
app.command("import")(running.import_command)


def main() -> None:
    """Run one command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # Windows would refuse a λ where the output goes to a file
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be asked to end is as good as Ctrl-C: nothing is left running
    try:
        app()
    except (UserError, DataError, StoreError, FloatingPointError) as error:
        _complain(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _complain(error: Exception) -> None:
    print("error:", *str(error).split(), file=sys.stderr)
    sys.exit(2)
