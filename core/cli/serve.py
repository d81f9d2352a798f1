"""`serve`: answer pictures over HTTP."""

from typing import Annotated

import typer

from core.cli.options import Database, RunOrFile, network_of
from core.errors import UserError

REQUIREMENTS = "core/serving/requirements.txt"
OPTIONAL = ("fastapi", "uvicorn", "python_multipart")


class MissingPackageError(UserError):
    """Raised where a package that only one command needs is not installed."""


def serve(
    run: RunOrFile,
    host: Annotated[str, typer.Option(help="Address to serve; 0.0.0.0 lets other computers in.")] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any that is free.")] = 8000,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Pictures that go through the network together, at most.")] = 32,
    wait: Annotated[float, typer.Option(min=0, max=1000, help="Milliseconds that a batch waits for requests that are being read.")] = 4.0,
    requests: Annotated[int, typer.Option(min=1, max=10000, help="Requests at a time; more get status 503.")] = 64,
    megabytes: Annotated[float, typer.Option(min=0.1, max=50, help="Size of a picture, at most; a larger one gets status 413.")] = 20.0,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds that a request may take; longer gets status 408 or 504.")
    ] = 30.0,
    db: Database = None,
) -> None:
    """Answer pictures over HTTP, as `predict --json` does. Needs the packages of core/serving/requirements.txt.

    POST /predict takes a picture with lam or budget; GET / describes the network, /health and /metrics are for monitoring.
    """
    _check_installed()
    from core.hosts import is_loopback
    from core.serving.application import ServingLimits, application
    from core.serving.predictor import Predictor
    from core.serving.server import listening, server

    predictor = Predictor(*network_of(db, run))
    limits = ServingLimits(int(megabytes * 1e6), timeout, requests, batch, wait / 1e3)
    with listening(host, port) as connection:
        app = application(predictor, limits, host=host if is_loopback(connection.getsockname()[0]) else None)
        where = f"[{host}]" if ":" in host else host
        print(f"Serving {predictor.model.run} at http://{where}:{connection.getsockname()[1]}. POST a picture to /predict.", flush=True)
        server(app).run(sockets=[connection])


def _check_installed() -> None:
    """Raise MissingPackageError unless the packages of this command are installed."""
    from importlib.util import find_spec

    missing = [name for name in OPTIONAL if find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"serve needs {' and '.join(missing)}: python -m pip install -r {REQUIREMENTS}")
