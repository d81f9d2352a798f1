"""Passes the progress of a training on to a tracker. A service that fails during the training does not end it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from core.scale import cost_share
from core.store import Run
from core.trackers import Ending, Tracker, one_sentence, open_run
from core.training.train import Progress


@contextmanager
def tracked(name: str | None, run: Run, tell: Callable[[str], None]) -> Iterator[Callable[[Progress], None]]:
    """Open a run in the tracker of this name, yield what passes a training's progress on to it, and close the run in the end.

    Without a name, progress is passed on to nobody. `tell` receives a sentence if the service fails; nothing more is sent then. What the
    service prints goes to the standard error output. Raises TrackerError if the run cannot be opened.
    """
    if not name:
        yield lambda progress: None
        return
    with redirect_stdout(sys.stderr):
        passing = Passing(name, open_run(name, run), tell)
    ending: Ending = "failed"
    try:
        yield passing
        ending = "stopped" if passing.final is None else "finished"
    except KeyboardInterrupt:
        ending = "stopped"
        raise
    finally:
        passing.close(ending)


class Passing:
    """Passes the metrics of each epoch on to a tracker, until it fails."""

    def __init__(self, name: str, tracker: Tracker, tell: Callable[[str], None]) -> None:
        self.final: dict[str, Any] | None = None
        self._name, self._tracker, self._tell = name, tracker, tell
        self._epoch = 0
        self._failed = False

    def __call__(self, progress: Progress) -> None:
        """Pass one step of the progress on."""
        self.final = progress.final
        if progress.figures:
            self._epoch = round(progress.epoch)
            self._attempt(lambda: self._tracker.log(self._epoch, progress.figures))

    def close(self, ending: Ending) -> None:
        """Close the run, with its test figures if it is finished."""
        self._attempt(lambda: self._tracker.end(ending, self._epoch, figures_of(self.final or {})))

    def _attempt(self, send: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            with redirect_stdout(sys.stderr):
                send()
        except Exception as error:  # a service's package may raise anything
            self._failed = True
            self._tell(f"{self._name} failed after epoch {self._epoch}: {one_sentence(error)}. The training goes on without it.")


def figures_of(final: Mapping[str, Any]) -> dict[str, float]:
    """Return the test figures of a trained network by name, at each λ."""
    figures: dict[str, float] = {}
    for row in final.get("test", ()):
        at = "" if row["lam"] is None else f" at λ={row['lam']:g}"
        figures |= {
            f"test accuracy{at}": row["accuracy"],
            f"test cost share{at}": cost_share(row["macs_mean"], row["macs_static"]),
            f"test multiply-adds{at}": row["macs_mean"],
        }
    return figures
