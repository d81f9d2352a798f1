"""Commands about time: bench."""

import math
import sys
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from core.cli.options import AsJson, Database, Settings, bar, console, opened, print_json, refuse_unused, settings
from core.registry import ConfigError, choose, names

if TYPE_CHECKING:
    from torch import Tensor

    from core.explain.model import Model

BAR = 24  # characters for the static network


def bench(
    what: Annotated[str, typer.Argument(metavar="RUN|ARCHITECTURE", help="A run, or an architecture with random weights.")],
    batch: Annotated[str, typer.Option(help="Images at a time, with commas.")] = "1,64",
    threads: Annotated[str, typer.Option(help="Threads, with commas.")] = "1,2",
    lams: Annotated[str, typer.Option(help="λ of a run that serves every λ, with commas.")] = "0.2,0.5,0.8",
    random: Annotated[str, typer.Option(help="How often gates are open that are drawn for each image, with commas.")] = "0.5",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each case is measured.")] = 3.0,
    dataset: Annotated[str, typer.Option(help="For an architecture: whose image size and number of classes.")] = "cifar10",
    profile: Annotated[
        bool, typer.Option("--profile", help="Where the time goes, node by node, at the first λ, batch size and number of threads.")
    ] = False,
    slider: Annotated[
        bool, typer.Option("--slider", help="Instead: how long one image takes at all values of λ together, for a run that serves every λ.")
    ] = False,
    sets: Settings = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Time of the gated network against its static one: both in their fastest form, in turn, in one process; gates included."""
    import torch

    from core import malloc
    from core.evaluation.evaluate import normalised
    from core.explain.model import load_model
    from core.fast.bench import bench as measure
    from core.fast.bench import profile as look

    if slider:
        _slide(what, [int(one) for one in _numbers(threads, "--threads")], db, as_json=as_json)
        return
    along: list[float | None]
    if what in names("architectures"):
        parts = settings(sets, architecture=what, dataset=dataset)
        refuse_unused(what, parts["method"] | parts["training"])
        architecture: Any = choose("architectures", parts["architecture"])
        source: Any = choose("datasets", parts["dataset"])
        torch.manual_seed(0)
        shape, classes = source.outline()
        graph, along = architecture.build(shape, len(classes), every_lam=True).eval(), []
        images = torch.randn(64, *shape)
    else:
        refuse_unused(what, sets)
        model = load_model(opened(db), what)
        graph, along = model.graph, list(_numbers(lams, "--lams")) if model.graph.every_lam else [model.lam]
        images = normalised(_images(model))
    if not graph.controls:
        raise ConfigError(f"{what} has no gates: there is nothing to compare with its static network")
    malloc.keep_freed_memory()
    sizes, rates = [int(one) for one in _numbers(batch, "--batch")], _numbers(random, "--random")
    numbers = [int(one) for one in _numbers(threads, "--threads")]
    if profile:
        torch.set_num_threads(numbers[0])
        at = (along[0] if along else 0.5) if graph.every_lam else None
        taken = look(graph, images, lam=at, batch=sizes[0])
        if as_json:
            print_json(taken)
            return
        _print_profile(taken, {control.name for control in graph.controls}, what, at, sizes[0])
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
            threads=numbers,
            seconds=seconds,
            report=lambda share: progress.update(task, completed=share),
        )
        rows = [asdict(timing) for timing in found]
    if as_json:
        print_json(rows)
        return
    columns = ("gates", "λ", "batch", "threads", "multiply-adds", "time", "skip efficiency", "gated", "static", "time as a bar, | static")
    table = Table(*columns, title=f"{what}: gated over static, float32")
    for row in rows:
        lam = "–" if row["lam"] is None or row["gates"] != "learned" else f"{row['lam']:g}"
        figures = (f"{row['macs_ratio']:.1%}", f"{row['time_ratio']:.1%}", f"{row['skip_efficiency']:.2f}")
        times = (f"{row['gated_ms']:.2f} ms", f"{row['static_ms']:.2f} ms")
        table.add_row(row["gates"], lam, str(row["batch"]), str(row["threads"]), *figures, *times, _drawn(row["time_ratio"]))
    console().print(table)


def _images(model: "Model") -> "Tensor":
    """Some images of a run's dataset, (N, C, H, W) uint8; noise where they are not at hand."""
    import torch

    from core.datasets import DataError

    try:
        return model.config.dataset.samples(64)[0].images
    except DataError:
        print("the run's images are not at hand: random noise stands for them", file=sys.stderr)
        return torch.randint(0, 256, (64, *model.image), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _slide(what: str, threads: list[int], db: str | None, *, as_json: bool) -> None:
    """Measures and prints how long all values of λ take for one image."""
    import torch

    from core.explain.model import load_model
    from core.fast.bench import slider
    from core.scale import SLIDER_STEPS

    if what in names("architectures") or not (model := load_model(opened(db), what)).graph.every_lam:
        raise ConfigError(f"{what} has one λ or none: --slider needs a run that serves every λ")
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
            f"{what}: one image at {SLIDER_STEPS} values of λ takes {row['ms']:.1f} ms, {row['ms_most']:.1f} at most "
            f"(median of {row['images']} images, {row['threads']} thread{'s' * (row['threads'] > 1)})"
        )


def _drawn(ratio: float) -> str:
    """A time as a bar, with a mark where the static network's ends."""
    length = round(min(ratio, 1.5) * BAR)
    cells = ["█" if cell < length else " " for cell in range(max(length, BAR) + 1)]
    return "".join([*cells[:BAR], "|", *cells[BAR:]]).rstrip()


def _numbers(text: str, option: str) -> list[float]:
    try:
        found = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise ConfigError(f"{option}: {text!r} are no numbers with commas between them") from None
    if not all(math.isfinite(number) and number >= 0 for number in found):
        raise ConfigError(f"{option}: {text!r} must be positive numbers")
    if option in ("--batch", "--threads") and not (found and all(number >= 1 and number == int(number) for number in found)):
        raise ConfigError(f"{option}: {text!r} must be whole numbers from 1 on")
    if option in ("--lams", "--random") and any(number > 1 for number in found):
        raise ConfigError(f"{option}: {text!r} must lie between 0 and 1")
    return found


def _print_profile(taken: dict[str, float], controls: set[str], what: str, lam: float | None, batch: int) -> None:
    total = sum(taken.values())
    deciding = sum(time for name, time in taken.items() if name in controls)
    at = "" if lam is None else f", λ = {lam:g}"
    table = Table("node", "ms", "share", "", title=f"{what}: a batch of {batch}{at}, one node after the other {total:.2f} ms")
    most = max(taken.values())
    for name, time in taken.items():
        label = f"{name} (gates)" if name in controls else name
        table.add_row(label, f"{time:.3f}", f"{time / total:.1%}", "█" * round(BAR * time / most))
    console().print(table)
    print(f"gates take {deciding:.3f} ms, {deciding / total:.1%}; a block's time is that of its branch and what joins it")
    if batch == 1:
        console().print(
            "one image passes several nodes as one program, in less time than one after the other: bench without --profile tells"
        )
