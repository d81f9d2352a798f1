"""What a run is, in a few words each."""

from datetime import timedelta

from safetensors import SafetensorError, deserialize

from app import state
from app.runs.entries import Entry
from app.runs.table import state_shown
from app.wording import counted, lam_name
from core.errors import UserError
from core.store import Run

PARTS_OF_NETWORK = "graph.parts."  # the names of its tensors begin with it
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # tensors that are no parameters


def facts(run: Run) -> list[tuple[str, str]]:
    """Return the facts of a run, as (name, value); those that are not known are left out."""
    entry = Entry(run)
    found = [
        ("State", state_shown(entry)),
        ("Architecture", entry.titles["architecture"]),
        ("Dataset", entry.titles["dataset"]),
        ("Method", entry.titles["method"]),
        ("λ", lam_name(run.lam).removeprefix("λ = ") if run.gated else "none"),
        ("Epochs", f"{run.epoch:g} of {run.epochs}" if run.epoch < run.epochs else str(run.epochs)),
        ("Seed", str(run.seed)),
    ]
    if run.seconds:
        found.append(("Time to train", lasted(run.seconds)))
    if run.machine:
        found.append(("Machine", run.machine))
    if size := parameters(run):
        found.append(("Parameters", counted(size)))
    if run.sweep:
        found.append(("Sweep", run.series))
    found.append(("Created", f"{run.created:%-d %B %Y, %H:%M} UTC"))
    found.append(("Number", str(run.id)))
    return found


def lasted(seconds: float) -> str:
    """Return a duration: "48 s", "12 min 5 s", "3 h 20 min"."""
    whole = timedelta(seconds=round(seconds))
    minutes, rest = divmod(int(whole.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def parameters(run: Run) -> int | None:
    """Return how many parameters a network has, from the file of its weights; none where that cannot be read."""
    try:
        latest = state.store().checkpoints.read(run.id)
        if latest is None:
            return None
        shapes = [
            tensor["shape"]
            for name, tensor in deserialize(latest[1])  # type: ignore[no-untyped-call]
            if name.startswith(PARTS_OF_NETWORK) and not name.endswith(STATISTICS)
        ]
    except (UserError, OSError, SafetensorError):
        return None
    total = 0
    for shape in shapes:
        size = 1
        for side in shape:
            size *= side
        total += size
    return total
