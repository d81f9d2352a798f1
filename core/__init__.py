"""Gatescope's engine: networks that decide, for each image, which of their own parts to run.

`from core import …` provides the main names. Each is imported on first use, so that `import core` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.explain.classify import predict
    from core.explain.model import load
    from core.graph.builder import Builder
    from core.graph.cost import cost
    from core.graph.execution import execute
    from core.graph.policy import Greedy

__version__ = "0.2.0"
__all__ = ["Builder", "Greedy", "cost", "execute", "load", "predict"]

HOMES = {
    "Builder": "core.graph.builder",
    "Greedy": "core.graph.policy",
    "cost": "core.graph.cost",
    "execute": "core.graph.execution",
    "load": "core.explain.model",
    "predict": "core.explain.classify",
}


def __getattr__(name: str) -> Any:
    """Import a name on its first use."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the names that a console completes."""
    return sorted([*globals(), *HOMES])
