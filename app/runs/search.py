"""The search field of the Runs page: words, `field:value`, `field>number` and /regular expressions/. Loads without streamlit."""

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.runs.entries import FIELDS, MEASURED, OTHER_NAMES, SECONDS, Entry
from core.errors import UserError

HELP = """All parts must hold. Put text with spaces in double quotes.

- `cascade` · in the name, architecture, dataset, method, sweep, tags or notes
- `state:failed`, `tag:paper`, `dataset:digits` · in one field
- `accuracy>90%`, `macs<20M`, `seconds<2h`, `lam=0.5`, `created>2026-05-01` · numbers and dates
- `learning_rate=0.002` · an option of the configuration
- `starred:yes` · runs with a star
- `/wide-[0-9]+$/` · a regular expression in the name
- `-state:failed` · a minus in front: the opposite
"""
PART = re.compile(r'-?/(?:[^/\\]|\\.)+/(?=\s|$)|(?:[^\s"]|"[^"]*"?)+')
FIELD_CONDITION = re.compile(r"([\w.λ-]+?)(>=|<=|!=|>|<|=|:)(.*)", re.DOTALL)
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}
NUMBER_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9, "%": 0.01}
WRITTEN_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z%]*)", re.IGNORECASE)
LONGEST_PATTERN = 100  # characters of a regular expression

Condition = Callable[[Entry, float], bool]


class SearchError(UserError):
    """Raised for a search that cannot be understood. Its text says what to write."""


@dataclass(frozen=True)
class Search:
    """A search: conditions that must all hold."""

    conditions: Sequence[Condition] = ()

    def found(self, entries: Sequence[Entry], lam: float) -> list[Entry]:
        """Return the entries for which all conditions hold, in their order."""
        return [entry for entry in entries if all(holds(entry, lam) for holds in self.conditions)]


def read(text: str, settings: Sequence[str]) -> Search:
    """Return the search that a person wrote, among runs with these settings. Raises SearchError."""
    return Search([_condition(part, settings) for part in PART.findall(text)])


def number(text: str) -> float | None:
    """Return the number that a person wrote, with %, k, M, G, s, min or h behind it; none for any other text."""
    match = WRITTEN_NUMBER.fullmatch(text.strip())
    factor = {"": 1.0, **NUMBER_UNITS, **SECONDS}.get(match[2].lower()) if match else None
    return None if match is None or factor is None else float(match[1]) * factor


def _condition(part: str, settings: Sequence[str]) -> Condition:
    if part.startswith("-") and len(part) > 1:
        opposite = _condition(part[1:], settings)
        return lambda entry, lam: not opposite(entry, lam)
    if len(part) > 2 and part.startswith("/") and part.endswith("/"):
        return _pattern(part[1:-1])
    match = FIELD_CONDITION.fullmatch(part)
    if match is None or (match[2] == ":" and match[3].startswith("//")):  # an address is a word
        word = part.replace('"', "").casefold()
        return lambda entry, lam: word in entry.text
    name, sign, value = _field(match[1], settings), match[2], match[3].replace('"', "")
    if name == "starred":
        wanted = value.casefold() in ("yes", "true", "1", "") and sign != "!="
        return lambda entry, lam: entry.starred == wanted
    if sign == ":":
        return lambda entry, lam: value.casefold() in _text(entry, name, lam)
    if name == "created" and (value[:4].isdecimal() and len(value) >= 4):
        return _dated(sign, value)
    bound = number(value)
    if bound is None and sign in ("=", "!="):
        return lambda entry, lam: (value.casefold() in _texts(entry, name, lam)) == (sign == "=")
    if bound is None:
        raise SearchError(f"“{part}” needs a number behind {sign}, such as {name}{sign}{'20M' if name == 'macs' else '0.9'}.")
    return _compared(name, COMPARISONS[sign], bound)


def _field(written: str, settings: Sequence[str]) -> str:
    name = OTHER_NAMES.get(written.casefold(), written.casefold())
    if name in FIELDS or name in settings:
        return name
    ending = [setting for setting in settings if setting.partition(".")[2] == name]
    if ending:
        return ending[0]
    raise SearchError(f"There is no field “{written}”. Fields are {', '.join(FIELDS)} and the options, such as learning_rate.")


def _pattern(text: str) -> Condition:
    if len(text) > LONGEST_PATTERN:
        raise SearchError(f"A regular expression has at most {LONGEST_PATTERN} characters.")
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise SearchError(f"/{text}/ is not a regular expression: {error}.") from None
    return lambda entry, lam: pattern.search(entry.run.name) is not None


def _compared(name: str, holds: Callable[[float, float], bool], bound: float) -> Condition:
    def condition(entry: Entry, lam: float) -> bool:
        value = entry.value(name, lam)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return False
        if holds is operator.eq or holds is operator.ne:
            return math.isclose(value, bound, rel_tol=1e-9) == (holds is operator.eq)
        return holds(value, bound)

    return condition


def _dated(sign: str, value: str) -> Condition:
    """Return the condition on when a run was created, at the precision with which the date is written."""

    def condition(entry: Entry, lam: float) -> bool:
        own = entry.run.created.isoformat()[: len(value)]
        return {"=": own == value, "!=": own != value, ">": own > value, "<": own < value, ">=": own >= value, "<=": own <= value}[sign]

    return condition


def _text(entry: Entry, name: str, lam: float) -> str:
    return "\n".join(_texts(entry, name, lam))


def _texts(entry: Entry, name: str, lam: float) -> list[str]:
    """Return all ways in which the value of a field can be written, in small letters."""
    value: Any = entry.value(name, lam)
    own = getattr(entry.run, name, None) if name in ("architecture", "dataset", "method") else None
    if isinstance(value, datetime):
        value = value.isoformat(" ")
    if name in MEASURED and value is not None:
        value = f"{value:g}"
    several = value if isinstance(value, list) else [value]
    return [str(one).casefold() for one in (*several, own) if one is not None]
