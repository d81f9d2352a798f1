"""Reads the tensors of weight files as trainings save them: safetensors, or PyTorch's format, of which no code is executed.

The weights often lie in a dictionary beside an optimiser's state, and their names begin with those of wrappers around the network.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from core.errors import UserError
from core.files import MAX_HEADER_BYTES, has_long_header

AVERAGE_KEYS = ("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "model_state_dict_ema", "ema_model", "ema")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "params", "weights", "module")
MAX_NESTING = 6  # dictionaries within each other
AVERAGE_PREFIX = re.compile(r"(?:model_ema|ema_model|ema)\.")
PREFIXES = re.compile(r"(?:(?:module|_orig_mod|model|net|backbone)\.)+")  # repeated in any order
OWN_PREFIX = "graph."  # of exported runs
REFUSED_TYPE = re.compile(r"GLOBAL ([\w.]+)|(?:Unsupported|Got) (?:class|type) ([\w.]+)")
ARCHIVE = b"PK\x03\x04"  # start of what PyTorch writes
SHARING = 2  # times the bytes of a file that tensors may take together, where they share storage
SAVE_AGAIN = "save the weights alone, with torch.save(model.state_dict(), file)"


class CheckpointError(UserError):
    """Raised when weights do not fit the network. The text is one line."""


@dataclass(frozen=True)
class WeightFile:
    """The tensors of a file by name, and in words where they lay in it; empty where nothing was chosen."""

    tensors: dict[str, Tensor]
    found: str = ""


def read_tensors(state: bytes) -> WeightFile:
    """Return the tensors of a safetensors file, or of weights that PyTorch saved, under names without wrappers' prefixes.

    Averaged weights are preferred to those that the optimiser trained. Raises CheckpointError, also for quantised and nested tensors.
    """
    if has_long_header(state):
        raise CheckpointError(f"the header of this safetensors file is longer than {MAX_HEADER_BYTES // 1_000_000} MB: {SAVE_AGAIN}")
    try:
        tensors, found = load(state), ""
    except SafetensorError:
        tensors, found = _saved_by_torch(state)
    if any(name.startswith(OWN_PREFIX) for name in tensors):
        return WeightFile(tensors)
    if averaged := {name: tensor for name, tensor in tensors.items() if AVERAGE_PREFIX.match(name)}:
        found = f"the exponential moving average, {AVERAGE_PREFIX.match(next(iter(averaged)))[0].rstrip('.')}"  # type: ignore[index]
        tensors = {AVERAGE_PREFIX.sub("", name, count=1): tensor for name, tensor in averaged.items()}
    return WeightFile(_without_prefixes(tensors), found)


def check_all_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError if a tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{name} holds NaN or infinity, so these weights cannot be trained: choose another checkpoint")


def _without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    stripped = {PREFIXES.sub("", name, count=1) if PREFIXES.match(name) else name: tensor for name, tensor in tensors.items()}
    if len(stripped) < len(tensors):
        starts = sorted({found[0].rstrip(".") for name in tensors if (found := PREFIXES.match(name))})
        raise CheckpointError(f"these weights hold several networks, named {' and '.join(starts)}: save one of them")
    return stripped


def _saved_by_torch(state: bytes) -> tuple[dict[str, Tensor], str]:
    """Read the weights in a file that PyTorch saved, and where they lay. Raises CheckpointError."""
    if state.startswith(ARCHIVE):
        _check_archive(state)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of tensors that are refused below
            loaded = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes raise almost any exception
        raise CheckpointError(_refusal(error)) from error
    found = _find(loaded, (), set()) if isinstance(loaded, dict) else None
    if found is None:
        raise CheckpointError(f"this PyTorch file holds no state_dict: {SAVE_AGAIN}")
    tensors, path = found
    for name, tensor in tensors.items():
        if reason := _unusual(tensor):
            raise CheckpointError(f"{name} is a {reason} tensor, which cannot be trained: {SAVE_AGAIN} of the network with float32 weights")
        if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
            raise CheckpointError(f"{name} repeats its numbers, so it takes more memory than the file holds: {SAVE_AGAIN}")
    if sum(tensor.numel() * tensor.itemsize for tensor in tensors.values()) > SHARING * len(state):
        raise CheckpointError(f"these tensors share their numbers, so they take more memory than the file holds: {SAVE_AGAIN}")
    averaged = next((key for key in path if key in AVERAGE_KEYS), None)
    return tensors, f"the exponential moving average, {averaged}" if averaged else ".".join(path)


def _check_archive(state: bytes) -> None:
    """Raise CheckpointError if reading a zip archive would take more memory than its bytes, as PyTorch's own never do."""
    try:
        with zipfile.ZipFile(io.BytesIO(state)) as archive:
            entries, comment = archive.infolist(), archive.comment
    except Exception as error:  # damaged bytes raise several
        raise CheckpointError(f"this PyTorch file is damaged: {' '.join(str(error).split())[:200] or type(error).__name__}") from error
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if comment or compressed or sum(entry.file_size for entry in entries) > len(state):  # readers may differ where a comment is
        raise CheckpointError(f"this PyTorch file was packed again, compressed or with parts that overlap: {SAVE_AGAIN}")


def _find(loaded: Mapping[Any, Any], path: tuple[str, ...], seen: set[int]) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
    """Return the weights in a dictionary, and the keys that lead to them; averaged weights first.

    `seen`: the identities of dictionaries that were looked at, since many keys may lead to the same one.
    """
    if id(loaded) in seen:
        return None
    seen.add(id(loaded))
    if len(path) < MAX_NESTING:
        for key in (*AVERAGE_KEYS, *WRAPPERS):
            inner = loaded.get(key)
            if isinstance(inner, Mapping) and (found := _find(inner, (*path, key), seen)):
                return found
    tensors = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    return (tensors, path) if tensors else None


def _unusual(tensor: Tensor) -> str:
    """Return in a word why a tensor is not a plain one; empty if it is."""
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_nested:
        return "nested"
    if tensor.is_complex():
        return "complex"
    return "meta" if tensor.is_meta else "" if tensor.layout == torch.strided else "sparse"


def _refusal(error: Exception) -> str:
    """Return why PyTorch did not read a file, on one line, with the type that it refused."""
    text = " ".join(str(error).split())
    if named := REFUSED_TYPE.search(text):
        return f"PyTorch cannot read safely the type {named[1] or named[2]} in this file, since that can run code: {SAVE_AGAIN}"
    detail = text.split(". ")[0][:200] or type(error).__name__
    return f"this is neither a safetensors file nor weights that PyTorch can read safely: {detail}"
