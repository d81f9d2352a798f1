"""Warm-up of a server process, so that the first visitor does not wait for imports and first calls."""

import gc

import torch
import torch._dynamo

import core.explain.attribution  # noqa: F401
from core.config import run_config
from core.explain.model import Model, use_one_thread
from core.explain.predict import sweep_lam
from core.fast.stopwatch import timed_along


def prepare() -> None:
    """Build a small network, run it on an image at every λ, and time it, as a page does."""
    use_one_thread()
    config = run_config(architecture="cascade", dataset="digits", method="d2nn")
    graph = config.method.prepare(config.architecture.build((1, 8, 8), 2, every_lam=True), None).eval().requires_grad_(False)
    model = Model("", config, graph, (1, 8, 8), ("no", "yes"))
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    timed_along(model, image, sweep_lam(model, image, {}), {})
    gc.collect()
    gc.freeze()  # exempt imported objects from garbage collection, which takes place after every page run
