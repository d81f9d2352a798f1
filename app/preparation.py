"""What is found out about a training before it starts, in the background: its network, the time of a step, and the numbers of images."""

import json
import logging
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from app.cache import SizedCache
from app.computing import SURVEY, TIMING, Computation
from core.config import RunConfig
from core.errors import UserError

if TYPE_CHECKING:
    from core.training.preview import Outline, Pace

KNOWN = 64  # configurations whose preparation is kept
AT_ONCE = 0.4  # seconds that a page waits, so that a small network is there as the page is drawn
WATCHED_SECONDS = 8.0  # seconds after which a preparation rests that no page has looked at


class Preparation:
    """What is known of a configuration; more becomes known while pages look at it.

    missing   why its images are not on this computer, with what to do
    fault     why there can be no such network, with what to do
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.sizes: tuple[int, int, int] | None = None
        self.outline: Outline | None = None
        self.pace: Pace | None = None
        self.missing = self.fault = ""
        self.complete = False
        self._looked = 0.0
        self._computation: Computation[None] | None = None

    def look(self) -> "Preparation":
        """Go on in the background where there is more to find out; return this."""
        self._looked = time.monotonic()
        if not self.complete and (self._computation is None or self._computation.ended.is_set()):
            self._computation = TIMING.add(Computation(self._steps, SURVEY))
            self._computation.ended.wait(AT_ONCE)
        return self

    def seconds(self, config: RunConfig) -> float | None:
        """Return about how many seconds a training with these epochs takes; none until a step has been measured."""
        return None if self.pace is None or self.sizes is None else self.pace.seconds(config, self.sizes)

    def _steps(self) -> Generator[None, None, None]:
        try:
            for _ in self._found():
                if time.monotonic() - self._looked > WATCHED_SECONDS:
                    return
                yield
        except UserError as error:
            self.fault = str(error)
        except Exception:
            logging.getLogger(__name__).exception("A training could not be prepared")
        self.complete = True

    def _found(self) -> Generator[None, None, None]:
        """Find out what is not known yet, in steps. Raises UserError where there can be no such network."""
        from core.explain.model import use_one_thread
        from core.training.preview import check_weights, measure, outline

        use_one_thread()
        if self.outline is None:
            check_weights(self.config)
            self.outline = outline(self.config)
            yield
        if self.sizes is None and not self.missing:
            try:
                self.sizes = self.config.dataset.sizes()
            except UserError as error:
                self.missing = str(error)
            yield
        if self.pace is None:
            self.pace = yield from measure(self.config)


_known: SizedCache[Preparation] = SizedCache(KNOWN, lambda one: 1)


def preparation(config: RunConfig) -> Preparation:
    """Return what is known of a configuration, and find out more. The number of epochs and the seed change nothing of it."""
    chosen = config.model_dump(mode="json")
    for name in ("epochs", "seed"):
        chosen["training"].pop(name)
    return _known.get(json.dumps(chosen, sort_keys=True), lambda: Preparation(config)).look()
