"""Answers the pictures of requests, several at a time, as `predict --json` prints them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, stack

from core.datasets.sources.picture import read_picture, to_tensor
from core.evaluation.budget import lam_of_run
from core.explain.model import Model
from core.explain.predict import predict, resolve_lam, thresholds
from core.registry import ConfigError
from core.scale import cost_share, mean_cost_share
from core.store import Run

MAX_PICTURE_NAME = 200  # characters of a picture's name that an answer repeats


@dataclass(frozen=True)
class PictureRequest:
    """A picture (C, H, W) uint8 as the network sees it, its name, and the λ to execute it at, none for a network without one.

    `thresholds`: whether the values of λ at which its route changes are to be found, which takes as long as many answers.
    """

    image: Tensor
    name: str
    lam: float | None
    thresholds: bool = False


@dataclass(frozen=True)
class PictureAnswer:
    """The object that `predict --json` prints for a picture, and its cost as a share of the static network's."""

    content: dict[str, Any]
    cost_share: float


class Predictor:
    """The network of a run, and the λ for each request."""

    def __init__(self, model: Model, run: Run) -> None:
        self.model, self.run = model, run

    def read(self, data: bytes, name: str, lam: float | None, budget: float | None, *, thresholds: bool = False) -> PictureRequest:
        """Return the request for the bytes of a picture. Raises UserError where it is no picture, or the network does not serve this λ."""
        lam = self.lam_of(lam, budget)
        name = name[:MAX_PICTURE_NAME]
        return PictureRequest(to_tensor(read_picture(data, name=name), self.model.image), name, lam, thresholds)

    def lam_of(self, lam: float | None, budget: float | None) -> float | None:
        """Return the λ to execute a picture at: the given one, that of a budget, or the network's own. Raises UserError."""
        if budget is not None:
            if lam is not None or not self.model.graph.tradeoff.every_lam:
                raise ConfigError("budget chooses λ: leave out lam, and serve a run that serves every λ")
            return lam_of_run(self.run, budget)
        return resolve_lam(self.model, self.model.default_lam if lam is None else lam)

    def answer(self, requests: Sequence[PictureRequest]) -> list[PictureAnswer]:
        """Return the answer to each request. All pictures go through the network together, each at its own λ.

        `seconds` is the time that this took. `thresholds` is null unless a request has them found.
        """
        begin = time.perf_counter()
        traces = predict(self.model, stack([one.image for one in requests]), lam=[one.lam for one in requests])
        seconds = time.perf_counter() - begin
        answers = []
        for one, trace in zip(requests, traces, strict=True):
            found = thresholds(self.model, one.image) if one.thresholds else None
            content = {"run": self.model.run, "image": one.name} | trace.to_json() | {"seconds": seconds, "thresholds": found}
            answers.append(PictureAnswer(content, cost_share(trace.macs, trace.macs_static)))
        return answers

    @property
    def description(self) -> dict[str, Any]:
        """The run, its classes, the shape (C, H, W) of its images, its λ, and the budgets that it can serve."""
        every = self.model.graph.tradeoff.every_lam
        rows = (self.run.figures.get("budget") or self.run.figures.get("val") or []) if every else []
        shares = [mean_cost_share(row) for row in rows]
        return {
            "run": self.model.run,
            "classes": list(self.model.classes),
            "image": list(self.model.image),
            "lam": {"lowest": 0, "highest": 1, "default": self.model.default_lam} if every else self.model.lam,
            "budget": {"lowest": min(shares), "highest": max(shares)} if shares else None,
        }
