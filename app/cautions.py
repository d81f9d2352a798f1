"""Say beside a run's name what its figures hold against its gates: that they gain nothing, or never decide. Loads without torch."""

from collections.abc import Sequence

from core.evaluation.report import NO_BETTER_THAN_RANDOM, NO_BETTER_THAN_ROUTES, NO_BETTER_THAN_WIDTHS, SAME_FOR_ALL, warnings
from core.store import Run

IN_SHORT = {
    NO_BETTER_THAN_ROUTES: "no gain over fixed routes",
    NO_BETTER_THAN_RANDOM: "no gain over random gates",
    NO_BETTER_THAN_WIDTHS: "no gain over fixed widths",
    SAME_FOR_ALL: "the gates do the same for every image",
}

ADVICE = {
    NO_BETTER_THAN_ROUTES: "Train for more epochs, or choose images of more varied difficulty: gates gain where some images need more "
    "computation than others.",
    NO_BETTER_THAN_RANDOM: "Train for more epochs. If that does not help, reserve training images for the controllers (Method options).",
    NO_BETTER_THAN_WIDTHS: "Fit the gates on more images (reserved for gates) or for more steps (Method options).",
    SAME_FOR_ALL: "Compare with a static network of the same cost: it answers the same with no gates to compute.",
}
COLLAPSED_ADVICE = "A controller that never decides can be left out. Train for more epochs, or explore more options during the training."


def advice(run: Run) -> list[str]:
    """Return what to do about the warnings on a run, each advice once."""
    found = warnings(run) if run.gated else []
    collapsed = [COLLAPSED_ADVICE] if run.figures.get("collapsed") else []
    return [*collapsed, *(words for sentence, words in ADVICE.items() if sentence in found)]


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
