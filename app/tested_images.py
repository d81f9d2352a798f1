"""Which networks of a sweep were tested on the same images."""

from collections.abc import Sequence

from app.charts.averages import ImageSets
from app.charts.tradeoff import Series
from core.evaluation.report import same_images
from core.registry import title
from core.store import Run


def image_sets(shown: Sequence[Series]) -> tuple[list[Run], ImageSets]:
    """Return a run for each set of images that networks were tested on, and the sets with their titles."""
    firsts: list[Run] = []
    of: dict[str, int] = {}
    for run in (run for series in shown for run in series.runs):
        number = next((number for number, first in enumerate(firsts) if same_images(run, first)), len(firsts))
        firsts += [run] if number == len(firsts) else []
        of[run.name] = number
    titles: list[str] = []
    for run in firsts:
        name = title("datasets", run.dataset)
        repeats = sum(one == name or one.startswith(f"{name} (") for one in titles)
        titles.append(f"{name} ({repeats + 1})" if repeats else name)
    return firsts, ImageSets(tuple(titles), of)


def static_networks(runs: Sequence[Run], firsts: Sequence[Run], tested: ImageSets) -> tuple[list[Run], ImageSets]:
    """Return the static networks that were tested on the same images, and the sets of images with theirs added."""
    of = dict(tested.of or {})
    found = []
    for run in runs:
        if not run.gated and run.status == "finished" and run.figures:
            number = next((number for number, first in enumerate(firsts) if same_images(run, first)), None)
            if number is not None:
                found.append(run)
                of[run.name] = number
    return found, ImageSets(tested.titles, of)
