"""Measure exported runs anew for budgets: their mean cost at each step of the slider, on the images that no module was trained on.

    python -m scripts.measure_budgets FILE...

The files are written in place, with the same weights and all other figures. They hold networks for every λ whose control nodes pick one
option. Runs that are trained now have these figures already.
"""

import argparse
from pathlib import Path

import torch
from safetensors.numpy import load

from core.config import run_config
from core.datasets import Split
from core.evaluation.spending import spending
from core.graph.checkpoint import unpack
from core.store.exchange import HEADER, WEIGHTS, packed, read_exported
from core.store.record import Figures
from core.training.assembly import assemble
from core.training.batches import Batches
from core.training.tabulation import tabulate_data, tabulate_graph, unseen


def main() -> None:
    """Rewrite each file with its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="exported runs")
    for file in parser.parse_args().files:
        header, weights = read_exported(file)
        config = run_config(**header.config)
        data = unseen(config, config.dataset.read())
        graph = assemble(config, data.image, len(data.classes)).eval()
        unpack(weights, graph)
        if frozen := config.architecture.frozen:
            data = tabulate_data(graph, frozen, data)
            graph = tabulate_graph(graph, frozen)
        holdout = Batches(config, data, torch.device("cpu")).holdout_split()
        images, labels = (torch.cat([getattr(data.val, part), getattr(holdout, part)]) for part in ("images", "labels"))
        rows = spending(graph, Split(images, labels))
        figures = Figures.model_validate(header.figures.model_dump(exclude_unset=True) | {"budget": rows})
        own = {name: tensor for name, tensor in load(weights).items() if name.startswith(WEIGHTS)}
        measured = header.model_copy(update={"figures": figures})
        file.write_bytes(packed(own, {HEADER: measured.model_dump_json(exclude_unset=True)}))
        print(f"{file.name}: {len(images)} images spend {min(row['macs_mean'] for row in rows) / 1e6:.2f} M multiply-adds and more")


if __name__ == "__main__":
    main()
