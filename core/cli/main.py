"""The commands together, and the one place where a user's error becomes one line and exit status 2."""

import sys

import typer

from core.cli import inspecting, running, sweeping
from core.datasets import DataError
from core.registry import ConfigError
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
    *(inspecting.runs, inspecting.describe, inspecting.predict, inspecting.evaluate, sweeping.baselines),
)
for command in COMMANDS:
    app.command()(command)
app.command("export")(running.export_command)
app.command("import")(running.import_command)


def main() -> None:
    """Run one command."""
    try:
        app()
    except (ConfigError, DataError, StoreError, FloatingPointError) as error:
        _complain(error)
    except ValueError as error:  # GraphError, PictureError, CheckpointError: their modules load torch, so they are known by name
        if type(error).__name__ not in ("GraphError", "PictureError", "CheckpointError"):
            raise
        _complain(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _complain(error: Exception) -> None:
    print("error:", *str(error).split(), file=sys.stderr)
    sys.exit(2)
