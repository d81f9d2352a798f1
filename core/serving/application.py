"""The web application of one network: /predict, /health, /metrics, and a description at /."""

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from core import __version__
from core.errors import UserError
from core.serving.batching import Batcher, BusyError
from core.serving.body import FORM_BYTES, BodyTooLargeError, Refusal, posted_picture, read_body
from core.serving.hosts import HostCheck
from core.serving.metrics import ServingMetrics
from core.serving.predictor import PictureAnswer, PictureRequest, Predictor
from core.store.models import plain

SERVER_LOG = logging.getLogger("uvicorn.error")
RETRY_AFTER = 1  # seconds
CLIENT_GONE = 499  # status in the metrics of a request whose client did not wait; nginx counts it so


@dataclass(frozen=True)
class ServingLimits:
    """What a server takes: bytes of a picture, seconds of a request, requests at a time, and pictures in a batch.

    `wait`: seconds for which a batch waits for requests that are being read.
    """

    picture_bytes: int = 20_000_000
    seconds: float = 30.0
    requests: int = 64
    batch: int = 32
    wait: float = 0.004


def application(predictor: Predictor, limits: ServingLimits, *, host: str | None = "localhost") -> FastAPI:
    """Return the application. `host`: the name of this computer; requests that name another are refused. None: any is answered."""
    metrics = ServingMetrics()
    batcher: Batcher[PictureRequest, PictureAnswer] = Batcher(
        predictor.answer, size=limits.batch, wait=limits.wait, places=limits.requests, on_batch=metrics.batches.add
    )
    readers = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "pictures")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.work())
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        readers.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(title="Gatescope", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    if host is not None:
        app.add_middleware(HostCheck, host=host)

    @app.get("/")
    async def describe() -> dict[str, Any]:
        """Return what is served: the run, its classes, the shape of its images, its λ and budgets, and the limits."""
        post = (
            "POST /predict with a picture as the body or as the file of a form; options lam, budget and thresholds, in the address or form"
        )
        bounds = {"picture_bytes": limits.picture_bytes, "seconds": limits.seconds, "requests": limits.requests, "batch": limits.batch}
        return {**predictor.description, "limits": bounds, "use": post, "version": __version__}

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return that the network is loaded."""
        return {"status": "ok"}

    @app.get("/metrics")
    async def figures() -> Response:
        """Return the figures for Prometheus."""
        return PlainTextResponse(metrics.text(batcher.taken), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        """Return what the network answers for a picture, what ran for it and at what cost, as `python -m core predict --json` does."""
        begin = time.perf_counter()
        response = await _predicted(request)
        metrics.request(response.status_code, time.perf_counter() - begin)
        return response

    async def _predicted(request: Request) -> Response:
        body: bytes | None = None
        try:
            async with asyncio.timeout(limits.seconds):
                with batcher.arrival():
                    body = await read_body(request, limits.picture_bytes + FORM_BYTES)
                    posted = await posted_picture(request, body)
                    if len(posted.data) > limits.picture_bytes:
                        raise BodyTooLargeError
                    asked = await asyncio.get_running_loop().run_in_executor(
                        readers,
                        lambda: predictor.read(posted.data, posted.name, posted.lam, posted.budget, thresholds=posted.thresholds),
                    )
                answer = await batcher.answer(asked)
        except BusyError:
            return Refusal(503, "too many requests at once; try again in a second", {"retry-after": str(RETRY_AFTER)})
        except BodyTooLargeError:
            return Refusal(413, f"larger than {limits.picture_bytes / 1e6:g} MB; send the picture at a smaller size")
        except UserError as error:
            return Refusal(422, str(error))
        except TimeoutError:
            if body is None:
                return Refusal(408, f"the picture did not arrive within {limits.seconds:g} seconds; send it at a smaller size")
            return Refusal(504, f"no answer within {limits.seconds:g} seconds; try again, or send a smaller picture")
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except Exception:
            SERVER_LOG.exception("a request to /predict failed")
            return Refusal(500, "the server failed on this request; its log says why")
        metrics.cost(answer.cost_share)
        return Response(json.dumps(plain(answer.content), ensure_ascii=False), media_type="application/json")

    return app
