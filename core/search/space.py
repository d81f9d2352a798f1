"""The space of a search: options of a run's configuration, with the bounds that the registry knows."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from core.config import RunConfig
from core.registry import ConfigError

VARIED_PARTS = ("architecture", "method", "training")
USUAL = ("training.learning_rate", "training.weight_decay")  # varied besides the architecture's sizes where none are named
NUMBER_SPREAD = 10.0  # a number is varied from a tenth of its value to ten times it
INTEGER_SPREAD = 2.0  # an integer from half of its value to twice it
NEARLY_ZERO = 1e-300  # a lower bound above 0 and below it stands for "above 0"
LOG_FROM = 10.0  # a range whose ends have this ratio is searched on a log scale
FIXED = ("training.epochs", "training.seed")  # what all trials share

Value = float | int | str | bool


@dataclass(frozen=True)
class Dimension:
    """One option that is varied, or one item of a list.

    name     as in `--set`: part.option, or part.option[0] for the first item of a list
    choices  the values to choose from; empty for a number from `low` to `high`, both included
    log      whether numbers are searched on a log scale
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    integer: bool = False
    log: bool = False
    choices: tuple[Value, ...] = ()

    def __str__(self) -> str:
        """Return the name and the values in words."""
        if self.choices:
            return f"{self.name}: {', '.join(map(str, self.choices))}"
        return f"{self.name}: {self.low:g} to {self.high:g}{' on a log scale' if self.log else ''}"


def space_of(config: RunConfig, varied: Sequence[str]) -> list[Dimension]:
    """Return the dimensions of a search around a configuration.

    `varied`: options as part.option, or part.option=LOW:HIGH, or part.option=A,B,C. Without any: the sizes of the architecture, the
    learning rate and the weight decay. Raises ConfigError, which names the option.
    """
    if varied:
        found = [dimension for one in varied for dimension in _named(config, one)]
    else:
        sizes = [f"architecture.{name}" for name, info in type(config.architecture).model_fields.items() if _is_size(info)]
        found = [dimension for name in (*sizes, *USUAL) for dimension in _named(config, name)]
    names = [dimension.name for dimension in found]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"--vary {repeated}: it is named twice")
    return found


def applied(config: RunConfig, values: Mapping[str, Value]) -> dict[str, Any]:
    """Return the choices of a configuration with these values in place of its own, to be validated."""
    choices: dict[str, Any] = config.model_dump(mode="json")
    for name, value in values.items():
        part, option, index = _split(name)
        if index is None:
            choices[part][option] = value
        else:
            choices[part][option][index] = value
    return choices


def values_in(config: Mapping[str, Any], space: Sequence[Dimension]) -> dict[str, Value] | None:
    """Return the values of a stored configuration in a space; None where it lacks one or has one outside of it."""
    values: dict[str, Value] = {}
    for dimension in space:
        part, option, index = _split(dimension.name)
        value = config.get(part, {}).get(option)
        if index is not None:
            value = value[index] if isinstance(value, list) and index < len(value) else None
        inside = value in dimension.choices if dimension.choices else _between(value, dimension)
        if value is None or not inside:
            return None
        values[dimension.name] = value
    return values


def _between(value: Any, dimension: Dimension) -> bool:
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high


def _named(config: RunConfig, text: str) -> list[Dimension]:
    """Return the dimensions of one option; of a list of integers, one for each of its items."""
    name, equals, span = (word.strip() for word in text.partition("="))
    part, option, index = _split(name)
    model = getattr(config, part, None) if part in VARIED_PARTS else None
    info = None if model is None else type(model).model_fields.get(option)
    if info is None or option == "name" or name in FIXED:
        raise ConfigError(
            f"--vary {text}: name an option of {', '.join(VARIED_PARTS)} as part.option; epochs and the seed are the same for all"
        )
    value, kind = getattr(model, option), info.annotation
    bounds = _item_bounds(info)
    if "[" in name and (bounds is None or index is None):
        raise ConfigError(f"--vary {text}: only a list of integers has items, as in architecture.widths[0]")
    if get_origin(kind) is Literal:
        return [_choices(name, get_args(kind), span, text)]
    if kind is bool:
        return [_choices(name, (False, True), span, text)]
    if kind in (int, float):
        return [_number(name, value, info.metadata, span if equals else "", text, integer=kind is int)]
    if bounds is not None and (index is None or index < len(value)):
        items = range(len(value)) if index is None else [index]
        return [_number(f"{part}.{option}[{item}]", value[item], bounds, span if equals else "", text, integer=True) for item in items]
    raise ConfigError(f"--vary {text}: only numbers, choices and lists of integers can be varied")


def _split(name: str) -> tuple[str, str, int | None]:
    """Return the part, the option and the item of a dimension's name."""
    part, _, option = name.partition(".")
    option, bracket, item = option.partition("[")
    number = item.removesuffix("]")
    return part, option, int(number) if bracket and number.isdecimal() else None


def _number(name: str, value: float, bounds: Sequence[Any], span: str, text: str, *, integer: bool) -> Dimension:
    """Return the dimension of a number: within the range that is given, or else around its value; always within the option's bounds."""
    low, high = _limits(bounds, integer=integer)
    if span:
        try:
            first, *more = (float(word) for word in re.split("[:,]", span))
        except ValueError:
            raise ConfigError(f"--vary {text}: write the range as LOW:HIGH, or values as A,B") from None
        if not all(low <= number <= high and (number.is_integer() or not integer) for number in (first, *more)):
            kind = "integers" if integer else "numbers"
            raise ConfigError(f"--vary {text}: only {kind} from {low if low > NEARLY_ZERO else 0:g} to {high:g} are possible")
        if ":" not in span:
            return Dimension(name, choices=tuple(int(number) if integer else number for number in dict.fromkeys((first, *more))))
        if len(more) != 1 or "," in span:
            raise ConfigError(f"--vary {text}: write the range as LOW:HIGH, or values as A,B")
        (last,) = more
        if last < first:
            raise ConfigError(f"--vary {text}: LOW must not exceed HIGH")
    elif value > 0:
        spread = INTEGER_SPREAD if integer else NUMBER_SPREAD
        first, last = max(low, value / spread), min(high, value * spread)
    elif math.isfinite(low) and math.isfinite(high):
        first, last = low, high
    else:
        raise ConfigError(f"--vary {text}: it has no upper bound: write a range as {name}=LOW:HIGH")
    if integer:
        first, last = math.ceil(first), math.floor(last)
    return Dimension(name, first, last, integer, log=first > 0 and last / first >= (INTEGER_SPREAD if integer else LOG_FROM))


def _choices(name: str, known: Sequence[Value], span: str, text: str) -> Dimension:
    spelled = {json.dumps(one).strip('"'): one for one in known}
    chosen = [word.strip() for word in span.split(",")] if span else list(spelled)
    if unknown := [word for word in chosen if word not in spelled]:
        raise ConfigError(f"--vary {text}: {unknown[0]} is not one of {', '.join(spelled)}")
    return Dimension(name, choices=tuple(spelled[word] for word in chosen))


def _limits(bounds: Sequence[Any], *, integer: bool) -> tuple[float, float]:
    """Return the lowest and the highest value that an option may have."""
    low, high = -math.inf, math.inf
    for bound in bounds:
        match bound:
            case annotated_types.Ge():
                low = float(bound.ge)  # type: ignore[arg-type]
            case annotated_types.Gt():
                low = float(bound.gt) + 1 if integer else math.nextafter(float(bound.gt), math.inf)  # type: ignore[arg-type]
            case annotated_types.Le():
                high = float(bound.le)  # type: ignore[arg-type]
            case annotated_types.Lt():
                high = float(bound.lt) - 1 if integer else math.nextafter(float(bound.lt), -math.inf)  # type: ignore[arg-type]
    return low, high


def _is_size(info: FieldInfo) -> bool:
    """Return whether an option is an integer or a list of integers."""
    return info.annotation is int or _item_bounds(info) is not None


def _item_bounds(info: FieldInfo) -> Sequence[Any] | None:
    """Return the bounds of a list's items; None if the option is not a list of integers."""
    arguments = get_args(info.annotation)
    if get_origin(info.annotation) is not tuple or not arguments or get_origin(arguments[0]) is not Annotated:
        return None
    kind, *more = get_args(arguments[0])
    return [bound for one in more if isinstance(one, FieldInfo) for bound in one.metadata] if kind is int else None
