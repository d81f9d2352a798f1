"""Check the ONNX files of all networks that ship against the executor, on images of their datasets at 11 values of λ.

    GATESCOPE_DATA=FOLDER python -m scripts.program_check [--images 200] [NAME …]

For each network: the file passes onnx.checker, its answers, gates, routes and multiply-adds are those of the executor, and `verify` finds
no difference between what it claims and what ONNX Runtime executes. A score that is zero but for rounding may open a gate in one of both
and not in the other: such runs are counted, at most one in a thousand is allowed, and the others are compared. Prints a table; the exit
status is 1 if anything else differs.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor

from core.datasets import DataError, normalised
from core.explain.model import Model, load
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.policy import Greedy
from core.program.file import program, save
from core.program.session import Program
from core.program.verification import random_images, verify
from core.scale import TENTHS
from core.store.references import shipped

CLOSE = 2e-4  # between answers and between gates, relative to the largest: small deviations in lc-digits' batch norms enlarge rounding
MOST_ROUNDED = 1e-3  # share of the runs in which rounding may turn a decision
VERIFIED_IMAGES = 4


@dataclass
class Compared:
    """How far a file and the executor are apart over some runs: answers, gates, routes that differ, and multiply-adds.

    `rounded` runs opened another gate and are left out of the rest.
    """

    runs: int = 0
    rounded: int = 0
    answers: float = 0.0
    gates: float = 0.0
    routes: int = 0
    macs: float = 0.0


def images_of(model: Model, count: int) -> tuple[Tensor, str]:
    """Return test images of a network, (N, C, H, W) uint8, or noise where they are not on this computer, and which of both they are."""
    try:
        return model.config.dataset.samples(count)[0].images, "test images"
    except DataError:
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (count, *model.image), generator=generator, dtype=torch.uint8), "noise"


@torch.no_grad()
def compare(model: Model, ready: Program, images: Tensor) -> Compared:
    """Compare a file with the executor."""
    found = Compared()
    for lam in TENTHS if model.graph.tradeoff.every_lam else [None]:
        expected = execute(model.graph, normalised(images), Greedy(), lam=lam)
        macs, scale = cost(model.graph, expected).used, float(expected.output.abs().max())
        largest = max((float(one.max()) for one in expected.gates.values()), default=1.0)
        for row, pixels in enumerate(images.numpy()):
            outcome = ready(pixels, lam)
            found.runs += 1
            if model.graph.controls:
                gates = torch.cat([expected.gates[control.name][row] for control in model.graph.controls])
                if not torch.equal(gates > 0, torch.from_numpy(outcome.gates) > 0):
                    found.rounded += 1
                    continue
                found.gates = max(found.gates, float((gates - torch.from_numpy(outcome.gates)).abs().max()) / max(largest, 1.0))
            found.answers = max(
                found.answers, float((expected.output[row] - torch.from_numpy(outcome.logits)).abs().max()) / max(scale, 1.0)
            )
            found.routes += [bool(expected.ran[name][row]) for name in ready.nodes] != outcome.ran.tolist()
            found.macs = max(found.macs, abs(float(macs[row]) - outcome.macs))
    return found


def main() -> None:
    """Check every network and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=shipped())
    parser.add_argument("--images", type=int, default=200)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    wrong = False
    print("| network | images | runs | turned by rounding | answers | gates | routes that differ | multiply-adds | verify | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in chosen.names:
        begin, model = time.perf_counter(), load(name)
        made = program(model)
        onnx.checker.check_model(made, full_check=True)
        images, kind = images_of(model, chosen.images)
        found = compare(model, Program(made.SerializeToString()), images)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            save(made, file)
            checks = verify(file, lambda ready: random_images(ready, VERIFIED_IMAGES), TENTHS, lambda done: None)
        agrees = not any(one.differences for one in checks)
        fits = (
            found.rounded <= MOST_ROUNDED * found.runs
            and found.answers < CLOSE
            and found.gates < CLOSE
            and not found.routes
            and found.macs < 0.5
            and agrees
        )
        wrong |= not fits
        figures = f"{found.answers:.1e} | {found.gates:.1e} | {found.routes} | {found.macs:.1e} | {'agrees' if agrees else 'differs'}"
        print(
            f"| {model.run} | {len(images)} {kind} | {found.runs:,} | {found.rounded} | {figures} | {time.perf_counter() - begin:.0f} |",
            flush=True,
        )
    sys.exit(wrong)


if __name__ == "__main__":
    main()
