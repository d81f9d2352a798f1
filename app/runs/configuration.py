"""The configuration of a run beside the defaults of its components. Loads without torch and without streamlit."""

import json
from typing import Any, NamedTuple

from app.comparison import PARTS, flat, models, setting_label, written_value
from app.fields import fields
from core.store import Run


class Setting(NamedTuple):
    """A setting: its label, its value and its default in words, and whether they differ. The default is empty where it is not known."""

    label: str
    value: str
    default: str
    differs: bool
    heads: bool = False  # whether it names the component of its part


def settings_table(run: Run) -> list[Setting]:
    """Return the settings of a run, part by part; within a part, those that differ from the defaults first."""
    config, found = run.config, []
    known = defaults(run)
    for name, value in flat(config).items():
        part, _, option = name.partition(".")
        label, text = setting_label(name, [config]), written_value(name, flat(config), config)
        if part in PARTS and option == "name":
            found.append((part, Setting(label, text, "", differs=False, heads=True)))
        elif name in known:
            default = written_value(name, known, config)
            found.append((part, Setting(label, text, default, differs=value != known[name])))
        else:
            found.append((part, Setting(label, text, "", differs=False)))
    order = [*dict.fromkeys(part for part, _ in found)]
    return [setting for part, setting in sorted(found, key=lambda one: (order.index(one[0]), not one[1].heads, not one[1].differs))]


def defaults(run: Run) -> dict[str, Any]:
    """Return the defaults of all settings of a run whose components are there, by part and name, as they are stored."""
    found: dict[str, Any] = {}
    for part in (*PARTS, "training"):
        for model in models(part, [run.config]):
            found |= {f"{part}.{field.name}": json.loads(json.dumps(field.default, default=list)) for field in fields(model)}
    return found
