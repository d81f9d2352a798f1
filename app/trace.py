"""Write what happened to an image along λ as JSON. Loads without torch and without streamlit."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.scale import lam_at
from core.store.models import plain

if TYPE_CHECKING:
    from core.explain.predict import LamSweep


def trace_json(
    run: str, description: str, query: Mapping[str, str] | None, forced: Mapping[str, bool], sweep: "LamSweep", has_slider: bool
) -> str:
    """Return the trace of each interval of λ with the λ at which it begins. Numbers that JSON cannot express are null."""
    lams = [lam_at(start) if has_slider else None for start in sweep.starts]
    intervals = [{"from_lam": lam, **trace.to_json()} for lam, trace in zip(lams, sweep.traces, strict=True)]
    content = {"run": run, "image": description, "address": query, "forced": forced, "intervals": intervals}
    return json.dumps(plain(content), indent=1)
