"""Checks a program's claims: which nodes ran, against ONNX Runtime's own profile of the operators that it executed.

The file runs as it stands, without ONNX Runtime's optimisations, so that each executed operator has a name of the file. Its multiply-adds
are counted anew from the shapes of the values that it took and returned.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from core.files import read_regular
from core.modules.onnx_memory import bounded_options
from core.program.operators import UNCOUNTED, module_of
from core.program.precision import graphs
from core.program.session import Outcome, Pixels, Program, ProgramError

PRODUCTS = ("Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger")
SUFFIX = "_kernel_time"  # of an operator's name in a profile
MACS_TOLERANCE = 0.5  # multiply-adds
RUNS_PER_PROFILE = 50  # a profile holds a million events at most
MOST_NAMED = 3  # nodes that an entry names


@dataclass(frozen=True)
class Executed:
    """What ONNX Runtime executed for one image: the nodes that own an executed operator, and multiply-adds.

    `uncounted`: those of operators that the cost leaves out, such as the scaling of images and the padding of shortcuts.
    """

    nodes: frozenset[str]
    macs: float
    uncounted: float


@dataclass(frozen=True)
class RouteCheck:
    """What a program claims and what was executed at one λ, means over the images. `differences`: a sentence for each that there is."""

    lam: float | None
    images: int
    claimed_nodes: float
    executed_nodes: float
    claimed_macs: float
    executed_macs: float
    uncounted_macs: float
    differences: tuple[str, ...]


def verify(
    file: Path, images: Sequence[Pixels] | Callable[[Program], Sequence[Pixels]], lams: Sequence[float], report: Callable[[int], None]
) -> list[RouteCheck]:
    """Return one check per λ, or one for a network without λ. `images`: (C, H, W) uint8 each, or what makes them for the program.

    `report` is called after some runs with how many. Raises ProgramError.
    """
    with tempfile.TemporaryDirectory() as folder:
        profiled = _Profiled(file, Path(folder))
        given = images(profiled.program) if callable(images) else images
        found = []
        for lam in lams if profiled.program.every_lam else [None]:
            pairs = list(profiled.run(given, lam, report))
            found.append(_check(profiled, lam, pairs))
        return found


def random_images(program: Program, count: int, seed: int = 0) -> list[Pixels]:
    """Return images of noise and of blocks of one colour, in turn, (C, H, W) uint8 each."""
    generator, (channels, height, width) = np.random.default_rng(seed), program.image
    found = []
    for number in range(count):
        side = 1 if number % 2 == 0 else max(1, min(height, width) // int(generator.integers(2, 7)))
        coarse = generator.integers(0, 256, (channels, -(-height // side), -(-width // side)), dtype=np.uint8)
        found.append(np.ascontiguousarray(np.repeat(np.repeat(coarse, side, axis=1), side, axis=2)[:, :height, :width]))
    return found


class _Profiled:
    """A program whose executed operators are recorded."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.program = Program.read(file)
        model = onnx.load_from_string(read_regular(file))
        self.owned = frozenset(module_of(node.name) for graph in graphs(model.graph) for node in graph.node) - {""}
        if not self.owned & set(self.program.nodes):
            raise ProgramError(f"{file}: its operators do not say which node they belong to: export the run again")

    def run(self, images: Sequence[Pixels], lam: float | None, report: Callable[[int], None]) -> Iterator[tuple[Outcome, Executed]]:
        """Run images and yield what the program returned for each, and what was executed."""
        for start in range(0, len(images), RUNS_PER_PROFILE):
            some = images[start : start + RUNS_PER_PROFILE]
            options = bounded_options(1)
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.add_session_config_entry("session.disable_prepacking", "1")  # the profile leaves out the shapes of packed weights
            options.enable_profiling, options.profile_file_prefix = True, str(self.folder / "profile")
            program = Program.read(self.file, options)
            outcomes = [program(pixels, lam) for pixels in some]
            events = json.loads(Path(program.session.end_profiling()).read_text(encoding="utf-8"))
            yield from zip(outcomes, _executions(events), strict=True)
            report(len(some))


def _executions(events: Sequence[dict[str, Any]]) -> Iterator[Executed]:
    """Yield what was executed in each run of a profile."""
    nodes, macs, uncounted = set[str](), 0.0, 0.0
    for event in events:
        name = str(event.get("name", ""))
        if name == "model_run":
            yield Executed(frozenset(nodes - {""}), macs, uncounted)
            nodes, macs, uncounted = set(), 0.0, 0.0
        elif event.get("cat") == "Node" and name.endswith(SUFFIX):
            module, spent = module_of(name), _macs(event["args"])
            nodes.add(module)
            counted = module and UNCOUNTED not in name
            macs, uncounted = (macs + spent, uncounted) if counted else (macs, uncounted + spent)


def _macs(told: dict[str, Any]) -> float:
    """Return the multiply-adds of an executed operator, from the shapes of its values."""
    if told.get("op_name") not in PRODUCTS:
        return 0
    taken = [next(iter(one.values())) for one in told["input_type_shape"]]
    result = next(iter(told["output_type_shape"][0].values()))
    if told["op_name"] == "ConvTranspose":  # each number that it takes is multiplied by the weights that spread it
        result = taken[0]
    each = math.prod(taken[1][1:]) if told["op_name"].startswith("Conv") else taken[0][-1]
    return float(math.prod(result) * each)


def _check(profiled: _Profiled, lam: float | None, pairs: Sequence[tuple[Outcome, Executed]]) -> RouteCheck:
    differences = []
    claims, known = [], set(profiled.program.nodes)
    for number, (outcome, executed) in enumerate(pairs, start=1):
        claimed = {name for name, runs in zip(profiled.program.nodes, outcome.ran, strict=True) if runs} & profiled.owned
        claims.append(len(claimed))
        for what, names in (
            ("executed but not claimed", executed.nodes & known - claimed),
            ("claimed but not executed", claimed - executed.nodes),
        ):
            if names:
                differences.append(f"image {number}: {what}: {', '.join(sorted(names)[:MOST_NAMED])}{' …' * (len(names) > MOST_NAMED)}")
        if abs(outcome.macs - executed.macs) > MACS_TOLERANCE:
            differences.append(f"image {number}: {outcome.macs:,.0f} multiply-adds claimed, {executed.macs:,.0f} executed")
    return RouteCheck(
        lam,
        len(pairs),
        float(np.mean(claims)),
        float(np.mean([len(executed.nodes & known) for _, executed in pairs])),
        float(np.mean([outcome.macs for outcome, _ in pairs])),
        float(np.mean([executed.macs for _, executed in pairs])),
        float(np.mean([executed.uncounted for _, executed in pairs])),
        tuple(differences),
    )
