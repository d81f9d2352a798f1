"""Keep an atlas in a file beside the weights of its run, so that it is computed once. The file goes when the run is purged."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from core.explain.atlas.atlas import Atlas
from core.store.folder import write_all
from core.store.weights import Weights

ATLAS_FORMAT = "1"  # another number where the arrays of the file mean something else


def atlas_key(sha256: str, images: Tensor, labels: Sequence[str | None]) -> str:
    """Return what names the atlas of weights with this hash on images (N, C, H, W) of these classes: another for any other of these."""
    found = hashlib.sha256(repr((ATLAS_FORMAT, sha256, tuple(images.shape), list(labels))).encode())
    found.update(images.numpy().tobytes())
    return found.hexdigest()[:16]


def read_atlas(weights: Weights, run_id: int, key: str) -> Atlas | None:
    """Return the stored atlas of a run; none where there is none that can be read."""
    try:
        with np.load(_path(weights, run_id, key), allow_pickle=False) as found:
            return Atlas(
                tuple(None if np.isnan(lam) else float(lam) for lam in found["lams"]),
                tuple(map(str, found["nodes"])),
                found["modules"],
                tuple(map(str, found["classes"])),
                len(found["labels"]),
                labels=found["labels"],
                ran=found["ran"],
                computed=found["computed"],
                answers=found["answers"],
                costs=found["costs"],
                seconds=float(found["seconds"]),
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def write_atlas(weights: Weights, run_id: int, key: str, atlas: Atlas) -> None:
    """Keep a complete atlas of a run in place of any other. May raise OSError."""
    names = ("modules", "labels", "ran", "computed", "answers", "costs", "seconds")
    arrays: dict[str, Any] = {name: getattr(atlas, name) for name in names}
    arrays |= {"lams": np.array([np.nan if lam is None else lam for lam in atlas.lams])}
    arrays |= {"nodes": np.array(atlas.nodes, np.str_), "classes": np.array(atlas.classes, np.str_)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    path = _path(weights, run_id, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_all({path: content.getvalue()})
    for other in path.parent.glob("atlas-*.npz"):
        if other != path:
            other.unlink(missing_ok=True)


def _path(weights: Weights, run_id: int, key: str) -> Path:
    return weights.folder / str(run_id) / f"atlas-{key}.npz"
