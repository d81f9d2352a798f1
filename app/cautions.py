"""Say beside a run's name what its figures hold against its gates: that they gain nothing, or never decide. Loads without torch."""

from collections.abc import Sequence

from core.evaluation.report import NO_BETTER_THAN_RANDOM, NO_BETTER_THAN_ROUTES, SAME_FOR_ALL, warnings
from core.store import Run

IN_SHORT = {
    NO_BETTER_THAN_ROUTES: "no gain over fixed routes",
    NO_BETTER_THAN_RANDOM: "no gain over random gates",
    SAME_FOR_ALL: "the gates do the same for every image",
}


def cautions(run: Run, controllers: int) -> tuple[str, Sequence[str]]:
    """Return the warnings about a run of so many controllers, in short and as sentences; both are empty where there are none."""
    if not run.gated:
        return "", ()
    found = warnings(run)
    idle = len(run.figures.get("collapsed", []))
    short = [words for sentence, words in IN_SHORT.items() if sentence in found]
    if idle:
        short.append(f"{idle} of {controllers} controllers never decide" if controllers > 1 else "its controller never decides")
    text = "; ".join(short)
    return text[:1].upper() + text[1:], found
