"""Add a network that was trained outside of this repository as a finished run, with figures measured here.

    python -m scripts.import_weights NAME CONFIG.json WEIGHTS [--db URL] [--machine TEXT]

CONFIG.json holds the run configuration: architecture, dataset, method and training, as `core.config.RunConfig` takes them.
"""

import argparse
import json
from pathlib import Path

from core.config import run_config
from core.graph.checkpoint import pack
from core.graph.initialisation import initialise_from
from core.store import Store
from core.store.record import TrainedRecord
from core.training.assembly import assemble
from core.training.train import final_figures


def main() -> None:
    """Read the weights, measure them on the validation and test splits, and add the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name of the run")
    parser.add_argument("config", type=Path, help="JSON file with the run configuration")
    parser.add_argument("weights", type=Path, help="safetensors or PyTorch file")
    parser.add_argument("--db", default=None, help="database of the runs")
    parser.add_argument("--machine", default=None, help="where it was trained, in words")
    given = parser.parse_args()
    config = run_config(**json.loads(given.config.read_text(encoding="utf-8")))
    data = config.dataset.read()
    graph = assemble(config, data.image, len(data.classes))
    found = initialise_from(given.weights.read_bytes(), graph, config.architecture.own_weights).nodes
    lacking = [name for name, part in graph.parts.items() if name not in found and any(True for _ in part.parameters())]
    if lacking:
        raise SystemExit(f"{given.weights} lacks the weights of {', '.join(lacking)}")
    half = config.training.weights_dtype == "float16"
    figures = final_figures(graph.eval(), config, data)
    described = config.record().columns() | {"image": data.image, "classes": list(data.classes), "figures": figures}
    record = TrainedRecord.model_validate(described | {"machine": given.machine})
    run = Store(given.db).imports.add(given.name, record, history={}, tensors=pack(graph, half=half))
    for row in figures["test"]:
        print(f"{run.name}: test accuracy {row['accuracy']:.4f} at {row['macs_mean'] / 1e6:.2f} M multiply-adds")


if __name__ == "__main__":
    main()
