"""`bench`: time a gated network beside its static one."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, RunOrArchitecture, Settings, network_of_run
from core.cli.output import NOTHING, bar, print_json, print_table
from core.cli.settings import refuse_unused, untrained
from core.registry import ConfigError, names

if TYPE_CHECKING:
    from torch import Tensor

    from core.explain.model import Model
    from core.graph.graph import Graph

BAR = 24  # characters for the static network's time
BENCH_IMAGES = 256  # images
LARGE_IMAGES = 64  # images of a size that was chosen, which may be large
MAX_SIDE = 4096  # pixels
MAX_BATCH, MAX_THREADS = 4096, 256
MAX_CASES = 100  # numbers in a list


def bench(
    what: RunOrArchitecture,
    batch: Annotated[str, typer.Option(help=f"Batch sizes from 1 to {MAX_BATCH}, separated by commas.")] = "1,64",
    threads: Annotated[str, typer.Option(help=f"Numbers of threads from 1 to {MAX_THREADS}, separated by commas.")] = "1,2",
    lams: Annotated[str, typer.Option(help="Values of λ from 0 to 1, separated by commas, for a run that serves every λ.")] = "0.2,0.5,0.8",
    random: Annotated[
        str, typer.Option(help="Rates from 0 to 1 at which random gates are open, drawn for each image, separated by commas.")
    ] = "0.5",
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds spent on each case.")] = 3.0,
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="Dataset that gives an architecture its image size and its classes.")
    ] = "cifar10",
    size: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_SIDE, help="Side of the images in pixels, for an architecture with random weights (default: the dataset's)."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NODE", help="Compare with this node's network in place of the static network, e.g. a cascade's largest member."
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Instead: the time of each node, at the first λ, batch size and number of threads.")
    ] = False,
    slider: Annotated[
        bool, typer.Option("--slider", help="Instead: the time of one image at all values of λ, for a run that serves every λ.")
    ] = False,
    sets: Settings = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Time the gated network beside its static one.

    Both run in their fastest form, in turn, in one process. The static network's form is the fastest of the engine's, one ONNX program and
    torch.onnx's export, measured in the same run. The time of the gated network includes its gates.
    """
    from core import malloc
    from core.fast.bench import bench as measure
    from core.fast.bench import profile as node_times
    from core.machine import machine

    sizes, counts = _counts(batch, "--batch", MAX_BATCH), _counts(threads, "--threads", MAX_THREADS)
    rates, values = _shares(random, "--random"), _shares(lams, "--lams")
    if slider:
        _slide(what, counts, db, as_json=as_json)
        return
    graph, images, along = _network(what, values, dataset, sets, size, db)
    malloc.keep_freed_memory()
    if profile:
        import torch

        torch.set_num_threads(counts[0])
        at = (along[0] if along else 0.5) if graph.tradeoff.every_lam else None
        times = node_times(graph, images, lam=at, batch=sizes[0])
        if as_json:
            print_json(times)
            return
        _print_profile(times, {control.name for control in graph.controls}, what, at, sizes[0])
        return
    with bar() as progress:
        task = progress.add_task("timing", total=1.0)
        found = measure(
            what,
            graph,
            images,
            lams=along,
            rates=rates,
            batches=sizes,
            threads=counts,
            seconds=seconds,
            against=against,
            report=lambda share: progress.update(task, completed=share),
        )
        rows = [asdict(timing) for timing in found]
    if as_json:
        print_json(rows)
        return
    _print_timings(rows, what, against or "the static network")
    print(f"Machine: {machine()}.")


def _print_timings(rows: Iterable[dict[str, Any]], what: str, rival: str) -> None:
    headings = ("gates", "λ", "batch", "threads", "multiply-adds", "time", "skip efficiency", "gated", "static", "time (| is static)")
    table = Table(*headings, title=f"{what}: gated network relative to {rival}, float32")
    for row in rows:
        lam = NOTHING if row["lam"] is None or row["gates"] != "learned" else f"{row['lam']:g}"
        figures = (f"{row['macs_ratio']:.1%}", f"{row['time_ratio']:.1%}", f"{row['skip_efficiency']:.2f}")
        times = (f"{row['gated_ms']:.2f} ms", f"{row['static_ms']:.2f} ms")
        table.add_row(row["gates"], lam, str(row["batch"]), str(row["threads"]), *figures, *times, _bar(row["time_ratio"]))
    print_table(table)
    for (batch, threads), row in {(row["batch"], row["threads"]): row for row in rows}.items():
        at = f"Batch {batch}, {threads} thread{'s' * (threads > 1)}"
        print(f"{at}: gated as {row['gated_form']}; static as {row['static_form']}.")


def _network(
    what: str, lams: list[float], dataset: str, sets: list[str] | None, size: int | None, db: str | None
) -> tuple["Graph", "Tensor", list[float | None]]:
    """Return a network, images for it as networks take them, (N, C, H, W), and the λ at which to time its own gates.

    An architecture with random weights has no gates worth timing, hence no λ. Raises UserError.
    """
    import torch

    from core.datasets import normalised

    along: list[float | None] = []
    if what in names("architectures"):
        torch.manual_seed(0)
        graph = untrained(what, dataset, sets, size).eval()
        images = torch.randn(
            BENCH_IMAGES if size is None else LARGE_IMAGES, *next(graph.shapes[node.name] for node in graph.nodes if node.kind == "input")
        )
    else:
        refuse_unused(what, sets)
        if size is not None:
            raise ConfigError(f"--size is for an architecture with random weights: {what} takes images of the size it was trained on")
        model = network_of_run(db, what)
        graph, images = model.graph, normalised(_images(model))
        along += lams if graph.tradeoff.every_lam else [model.lam]
    if not graph.controls:
        raise ConfigError(f"{what} has no gates, so it cannot be compared with its static network: choose a gated network")
    return graph, images, along


def _images(model: "Model") -> "Tensor":
    """Return images of a run's dataset, (N, C, H, W) uint8, or noise where the dataset is not on this computer."""
    import torch

    from core.datasets import DataError

    try:
        return model.config.dataset.samples(BENCH_IMAGES)[0].images
    except DataError:
        print("The images of the run's dataset are not on this computer; random noise is used instead.", file=sys.stderr)
        return torch.randint(0, 256, (BENCH_IMAGES, *model.image), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _slide(what: str, threads: list[int], db: str | None, *, as_json: bool) -> None:
    """Measure and print how long one image takes at all values of λ. Raises ConfigError for a network that has one λ or none."""
    import torch

    from core.fast.bench import slider
    from core.scale import SLIDER_STEPS

    if what in names("architectures") or not (model := network_of_run(db, what)).graph.tradeoff.every_lam:
        raise ConfigError(f"--slider needs a run that serves every λ, and {what} does not: name another run")
    images = _images(model)
    rows: list[dict[str, Any]] = []
    for number in threads:
        torch.set_num_threads(number)
        taken = slider(model, images)
        rows.append({"run": what, "threads": number, "images": len(taken), "ms": median(taken), "ms_most": max(taken)})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(
            f"{what}: one image at {SLIDER_STEPS} values of λ takes {row['ms']:.1f} ms, at most {row['ms_most']:.1f} ms "
            f"(median of {row['images']} images, {row['threads']} thread{'s' * (row['threads'] > 1)})."
        )


def _bar(ratio: float) -> str:
    """Return a time as a bar, with a mark where the static network's ends."""
    length = round(min(ratio, 1.5) * BAR)
    cells = ["█" if cell < length else " " for cell in range(max(length, BAR) + 1)]
    return "".join([*cells[:BAR], "|", *cells[BAR:]]).rstrip()


def _numbers(text: str, option: str) -> list[float]:
    """Return the numbers between commas. Raises ConfigError naming the option."""
    try:
        found = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is not a list of numbers separated by commas") from None
    if len(found) > MAX_CASES:
        raise ConfigError(f"{option}: give no more than {MAX_CASES} numbers")
    return found


def _counts(text: str, option: str, most: int) -> list[int]:
    found = _numbers(text, option)
    if not found or not all(1 <= number <= most and number == int(number) for number in found):
        raise ConfigError(f"{option}: the numbers in {text!r} must be whole numbers from 1 to {most}")
    return [int(number) for number in found]


def _shares(text: str, option: str) -> list[float]:
    found = _numbers(text, option)
    if not all(0 <= number <= 1 for number in found):
        raise ConfigError(f"{option}: the numbers in {text!r} must lie between 0 and 1")
    return found


def _print_profile(times: dict[str, float], controls: set[str], what: str, lam: float | None, batch: int) -> None:
    """Print the time of each node in milliseconds."""
    total, longest = sum(times.values()), max(times.values())
    deciding = sum(time for name, time in times.items() if name in controls)
    at = "" if lam is None else f", λ = {lam:g}"
    table = Table("node", "ms", "share", "", title=f"{what}: batch of {batch}{at}; the nodes one by one take {total:.2f} ms")
    for name, time in times.items():
        label = f"{name} (gates)" if name in controls else name
        table.add_row(label, f"{time:.3f}", f"{time / total:.1%}", "█" * round(BAR * time / longest))
    print_table(table)
    print(f"Gates take {deciding:.3f} ms, {deciding / total:.1%}. The time of a block includes its branch and the join behind it.")
    if batch == 1:
        print("Without --profile, one image passes several nodes in one program, which takes less time than one by one.")
