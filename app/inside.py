"""What is inside a module, in words: its blocks and layers, and how its weights are distributed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app.graph_view.payload import InsideModule, LayerRow, ModuleBlock
from app.wording import counted, percent
from core.scale import cost_share

if TYPE_CHECKING:
    from core.explain.layers import Layer, LayerGroup
    from core.explain.model import Model

MAX_MODULES = 256  # modules whose insides are kept in memory


def inside_of(model: "Model", sha256: str, node: str) -> InsideModule:
    """Return what the module of a node holds, read once for these weights."""
    return _inside_of(sha256, node, model)


@st.cache_resource(max_entries=MAX_MODULES, show_spinner=False)
def _inside_of(sha256: str, node: str, _model: "Model") -> InsideModule:
    from core.explain.layers import inside

    found = inside(_model.graph, node)
    layers, total = sum(len(block.layers) for block in found.blocks), sum(block.macs for block in found.blocks)
    many = len(found.blocks) > 1
    weights = found.histogram
    mean = "" if weights is None else f"{weights.mean:.2g}".replace("-", "−")
    return {
        "title": f"Inside: {len(found.blocks)} blocks, {layers} layers" if many else f"Inside: {layers} layer{'s' * (layers != 1)}",
        "blocks": [_block(block, total) for block in found.blocks],
        "weights": None
        if weights is None
        else {
            "limit": f"{weights.limit:.2g}",
            "counts": weights.counts,
            "caption": f"{sum(weights.counts):,} weights: mean {mean}, standard deviation {weights.deviation:.2g}",
        },
    }


def _block(block: "LayerGroup", total: int) -> ModuleBlock:
    share = cost_share(block.macs, total) if total else 0.0
    figures = [f"output {_sides(block.shape)}", f"{counted(block.parameters)} parameters", f"{counted(block.macs)} multiply-adds"]
    return {
        "name": block.name,
        "summary": ", ".join(figures) + (f", {percent(share)} of the module" if block.name else ""),
        "cost_share": share,
        "layers": [_layer(layer) for layer in block.layers],
    }


def _layer(layer: "Layer") -> LayerRow:
    words = [f"{layer.kind} {_sides(layer.kernel)}".strip()]
    if layer.stride and max(layer.stride) > 1:
        words.append(f"stride {layer.stride[0] if len(set(layer.stride)) == 1 else _sides(layer.stride)}")
    if layer.groups > 1:
        words.append(f"{layer.groups} groups")
    parameters = f"{layer.parameters:,}" if layer.parameters else "–"
    return {"layer": layer.name, "what": ", ".join(words), "output": _sides(layer.shape), "parameters": parameters}


def _sides(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
