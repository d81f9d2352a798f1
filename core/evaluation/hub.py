"""A trained run as a folder that the Hugging Face Hub takes as a model: weights, configuration, and a card with its metadata.

The metadata are those of https://huggingface.co/docs/hub/model-cards. `model.safetensors` is the exported run, so that the folder is read
wherever an exported file is; `config.json` and `README.md` repeat what is in it for people and for the Hub.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.bibliography import Paper
from core.config import RunConfig, run_config
from core.evaluation.model_card import card, plain
from core.files import FOLDER_WEIGHTS
from core.registry import title
from core.store import Run, Store, StoreError
from core.store.exchange import Header, content_of, reason
from core.store.folder import write_all
from core.store.record import Figures, Row

LIBRARY = "gatescope"
TASK = {"type": "image-classification", "name": "Image classification"}
TAGS = ("image-classification", "dynamic-neural-network", "conditional-computation")
ARXIV = re.compile(r"https://arxiv\.org/abs/([\w.]+)")
LICENCE = re.compile(r"[a-z0-9][a-z0-9.\-]{0,49}")  # the Hub's identifiers
CONFIGURATION, README = "config.json", "README.md"
USAGE = """
## Use

```sh
python -m core predict FOLDER photo.jpg --lam 0.5     # FOLDER is the folder of this file
python -m core import FOLDER                          # adds the run to the studio
```

In Python, `core.load(FOLDER)` returns the network. Nothing is downloaded.
"""


def export_hub(store: Store, id_or_name: int | str, folder: Path, *, licence: str = "mit", force: bool = False) -> Run:
    """Write a trained run to a folder, which is made if it is not there, and return the run.

    `licence`: the Hub's identifier of the licence of the weights. `force`: overwrite existing files. Raises StoreError if the run is not
    trained, files exist and `force` is not set, or the folder cannot be written.
    """
    if not LICENCE.fullmatch(licence):
        raise StoreError(f"{licence!r} is not a licence of the Hub: write its identifier in small letters, for example mit or cc-by-4.0")
    run = store.runs.get(id_or_name)
    existing = [path for path in (folder / name for name in (FOLDER_WEIGHTS, CONFIGURATION, README)) if path.exists()]
    if existing and not force:
        raise StoreError(f"{existing[0]} exists already: choose another folder, or overwrite it with --force")
    header, content = content_of(store, run)
    siblings = [Figures.model_validate(sibling.figures).test for sibling in store.runs.siblings(run)]
    config = json.dumps(configuration(header), indent=2, ensure_ascii=False) + "\n"
    readme = hub_card(header, siblings, licence)
    try:
        folder.mkdir(exist_ok=True)
        write_all({folder / FOLDER_WEIGHTS: content, folder / CONFIGURATION: config.encode(), folder / README: readme.encode()})
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {reason(error)}") from error
    return run


def local_paths(config: Mapping[str, Any]) -> list[str]:
    """Return the absolute paths of this computer that a stored configuration names: of pictures, of initial weights, of a teacher."""
    texts = (text for part in config.values() if isinstance(part, dict) for text in part.values() if isinstance(text, str))
    return [text for text in texts if Path(text).is_absolute()]


def configuration(header: Header) -> dict[str, Any]:
    """Return what config.json holds: the architecture, the images, the classes and the options of the training."""
    config = run_config(**header.config)
    return {
        "model_type": LIBRARY,
        "architectures": [header.architecture],
        "image_size": list(header.image),  # (C, H, W)
        "num_labels": len(header.classes),
        "id2label": {str(number): name for number, name in enumerate(header.classes)},
        "label2id": {name: number for number, name in enumerate(header.classes)},
        "serves_every_lam": config.gated and config.lam is None,
        LIBRARY: header.config,
    }


def hub_card(header: Header, siblings: Sequence[Sequence[Row]] = (), licence: str = "mit") -> str:
    """Return README.md: the metadata between lines of dashes, the model card, how to use the folder, and the papers."""
    found = papers(run_config(**header.config))
    lines = ["---", *yaml(metadata(header, licence)), "---", "", card(header, siblings).rstrip(), USAGE.rstrip()]
    if found:
        lines += ["", "## Papers", "", *(f"- [{plain(str(paper))}]({paper.url})" for paper in found)]
    return "\n".join(lines) + "\n"


def metadata(header: Header, licence: str) -> dict[str, Any]:
    """Return the metadata of a card: licence, library, tags, datasets, and the test figures at each λ."""
    config = run_config(**header.config)
    links = [found[1] for paper in papers(config) if (found := ARXIV.fullmatch(paper.url))]
    tags = [*TAGS, header.architecture, header.method, *(f"arxiv:{link}" for link in links)]
    return {
        "license": licence,
        "library_name": LIBRARY,
        "pipeline_tag": TASK["type"],
        "tags": list(dict.fromkeys(tags)),
        **({"datasets": [config.dataset.hub]} if config.dataset.hub else {}),
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": header.name, "results": [_result(row, config) for row in header.figures.test]}],
    }


def papers(config: RunConfig) -> list[Paper]:
    """Return the papers that describe the architecture, the method and the dataset of a run."""
    return list(dict.fromkeys(paper for part in (config.architecture, config.method, config.dataset) for paper in part.papers))


def yaml(value: dict[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of a value in YAML. Texts and numbers are written as in JSON, which YAML includes."""
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        start = f"{indent}- " if key is None else f"{indent}{key}:"
        if isinstance(item, dict | list) and item:
            inner = list(yaml(item, f"{indent}  "))
            if key is None:  # the first line stands behind the dash
                yield start + inner.pop(0).removeprefix(f"{indent}  ")
            else:
                yield start
            yield from inner
        else:
            yield f"{start}{'' if key is None else ' '}{_scalar(item)}"


def _scalar(value: Any) -> str:
    """Return a value as JSON, with letters that cannot be shown as escapes that YAML reads too."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in text)


def _result(row: Row, config: RunConfig) -> dict[str, Any]:
    """Return an entry of the model index: the test figures at one λ."""
    at = "" if row.lam is None else f" at λ = {row.lam:g}"
    dataset = {
        "name": f"{title('datasets', config.dataset.name)}{at}",
        "type": config.dataset.hub or config.dataset.name,
        "split": "test",
        **({} if row.lam is None else {"config": f"lambda-{row.lam:g}", "args": {"lam": row.lam}}),  # the Hub's library tells entries by it
    }
    figures = (
        ("accuracy", "Accuracy", row.accuracy),
        ("f1", "F1", row.f1),
        ("multiply-adds", "Multiply-adds per image", row.macs_mean),
        ("cost-share", "Share of the static network's multiply-adds", row.cost_share),
    )
    return {
        "task": TASK,
        "dataset": dataset,
        "metrics": [{"type": kind, "name": f"{name}{at}", "value": value} for kind, name, value in figures],
    }
