"""Time each width of an LC-Net with nested channels against its full width, in the fast engine: `python -m scripts.width_bench`.

The weights are random, since the time does not depend on them. All widths take turns in one process, and the lower quartiles of their
times are compared, since other processes only add to them. With `--deep`, only the blocks of 64 filters and more choose a width. Skip
efficiency is the share of the time that is saved over the share of the multiply-adds that is saved: 1 where time follows cost.
"""

import argparse
import statistics
import time

import torch

from core.architectures import Architecture
from core.fast.engine import Engine
from core.graph.cost import cost
from core.graph.execution import execute
from core.graph.graph import Graph
from core.graph.policy import Replay
from core.methods.static_gates import StaticGates
from core.methods.widths import at_width, nested_parts, width_steps
from core.registry import choose

STAGES = [[24, 1, 1, 1], [40, 3, 2, 3], [80, 4, 2, 4], [160, 3, 2, 4]]
CASES = {
    "resnet18-48m": ({"name": "lc_resnet", "depth": 18, "widths": [16, 40, 80, 160], "layers": False}, 32, 10),
    "mobile-33m": ({"name": "lc_mobile", "stem": 24, "stages": STAGES, "head": 320}, 32, 10),
    "resnet18-224": ({"name": "lc_resnet", "depth": 18, "images": "imagenet", "layers": False}, 224, 1000),
    "resnet50-224": ({"name": "lc_resnet", "depth": 50, "images": "imagenet", "layers": False}, 224, 1000),
}
DEEP = 64  # filters


def main() -> None:
    """Print one line for each case, number of images and width."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--granule", type=int, choices=(8, 16, 32), default=16)
    parser.add_argument("--batch", type=int, action="append", help="images at once; default: 1 and 64, or 1 and 8 at 224×224")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--deep", action="store_true", help="blocks of fewer than 64 filters run at full width")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{'case':14} {'images':>6} {'widths':>6} {'cost':>6} {'time':>6} {'efficiency':>10} {'ms':>8}")
    for name in given.case or CASES:
        shape, side, classes = CASES[name]
        architecture = choose("architectures", {**shape, "channel_order": "nested", "granule": given.granule})
        assert isinstance(architecture, Architecture)
        torch.manual_seed(0)
        graph = architecture.build((3, side, side), classes).eval()
        for images in given.batch or ((1, 64) if side == 32 else (1, 8)):
            _time(name, graph, torch.randn(images, 3, side, side), given.turns, deep=given.deep)


@torch.no_grad()
def _time(name: str, graph: Graph, x: torch.Tensor, turns: int, *, deep: bool) -> None:
    steps = width_steps(graph)
    runs = {step: execute(graph, x, _policy(graph, step, deep=deep)) for step in range(1, steps + 1)}
    replays = {step: Replay(run) for step, run in runs.items()}
    engine, taken = Engine(graph), dict[int, list[float]]()
    for _ in range(turns + 1):
        for step, policy in replays.items():
            start = time.perf_counter()
            engine.run(x, policy)
            taken.setdefault(step, []).append(time.perf_counter() - start)
    quartiles = {step: statistics.quantiles(seconds[1:], n=4)[0] for step, seconds in taken.items()}
    for step, run in runs.items():
        spent, share = float(cost(graph, run).share[0]), quartiles[step] / quartiles[steps]
        efficiency = f"{(1 - share) / (1 - spent):10.2f}" if spent < 1 else " " * 10
        print(f"{name:14} {len(x):6} {step:>4}/{steps} {spent:6.2f} {share:6.2f} {efficiency} {1e3 * quartiles[step]:8.2f}", flush=True)


def _policy(graph: Graph, step: int, *, deep: bool) -> StaticGates:
    """Return a policy that runs every image at a step of the widths; with `deep`, only in blocks of 64 filters and more."""
    policy = at_width(graph, step)
    for name, part in nested_parts(graph).items():
        channels = graph.by_name[name].channels
        if deep and channels is not None and part.ends[-1] < DEEP:
            policy.pattern[channels.control][channels.columns] = 1.0
    return policy


if __name__ == "__main__":
    main()
