"""Forms made from the configuration: the registry says what can be chosen, each choice's fields say what can be set."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.fields import Field, fields, parsed, written
from core.config import RunConfig, Training, read_lams, read_seeds, run_config
from core.registry import ConfigError, Kind, component, names

FIRST = {"architectures": "cascade", "datasets": "digits", "methods": "d2nn"}
TITLES = {"architectures": "Architecture", "datasets": "Dataset", "methods": "Method"}
FORESEEN = ("epochs", "seed")  # options of the training that stand open; the rest is folded away


EVERY, ONE, SEVERAL = "one network for every λ", "one λ", "a sweep"


@dataclass(frozen=True)
class Plan:
    """What the form asks for: one run, or where there are several λ and seeds a sweep. A λ of none is one network for every λ."""

    config: RunConfig
    lams: tuple[float | None, ...] = ()
    seeds: tuple[int, ...] = ()
    statics: bool = False


def plan() -> Plan | None:
    """The form; none, with one line that says why, as long as it makes no run."""
    chosen: dict[str, Any] = {}
    for column, kind in zip(st.columns(3), TITLES, strict=True):
        with column:
            chosen[kind] = _choose(kind)
    every = st.segmented_control(
        "λ: how accuracy and cost are weighed",
        [EVERY, ONE, SEVERAL],
        default=EVERY,
        required=True,
        key="form-lam-choice",
        help="One network for every λ serves the slider. One λ is the published way: a network for each. A sweep trains several runs.",
    )
    lam = st.slider("λ", 0.0, 1.0, 0.6, 0.05, key="form-lam", help="0: cost alone counts · 1: accuracy alone") if every == ONE else None
    lams, seeds, statics = _several() if every == SEVERAL else ("", "", False)
    training_fields = {field.name: field for field in fields(Training)}
    training = {}
    for column, name in zip(st.columns(len(FORESEEN)), FORESEEN, strict=True):
        with column:
            training[name] = draw(training_fields[name], "training")
    problems: list[str] = []
    options = {kind: _options(kind, name, problems) for kind, name in chosen.items()}
    with st.expander("Training options"):
        training |= _all([field for field in training_fields.values() if field.name not in FORESEEN], "training", problems)
    try:
        if problems:
            raise ConfigError(problems[0])
        config = run_config(
            architecture={"name": chosen["architectures"], **options["architectures"]},
            dataset={"name": chosen["datasets"], **options["datasets"]},
            method={"name": chosen["methods"], **options["methods"]},
            lam=lam,
            training=training,
        )
        if every != SEVERAL:
            return Plan(config)
        return Plan(config, read_lams(lams), read_seeds(seeds), statics)
    except ConfigError as error:
        st.error(str(error), icon=":material/error:")
        return None


def _several() -> tuple[str, str, bool]:
    """The fields of a sweep: its λ, its seeds, and whether static networks are trained beside it."""
    left, right = st.columns(2)
    lams = left.text_input(
        "λ of the sweep", "every, 0.2, 0.4, 0.6, 0.8", key="form-lams", help="with commas; “every” is one network for every λ"
    )
    seeds = right.text_input("Seeds of the sweep", "0", key="form-seeds", help="with commas; each λ is trained with each seed")
    statics = st.toggle("Also train every path as a static network", False, key="form-statics", help="what a gated network has to beat")
    return lams, seeds, statics


def draw(field: Field, where: str) -> Any:
    """One option's widget; returns its value. Raises ValueError for a list that cannot be read.

    Numbers have no bounds here: the browser would put another in place of one out of bounds, without a word. The configuration refuses it.
    """
    key, title, hint = f"form-{where}-{field.name}", field.title, field.help or None
    match field.kind:
        case "flag":
            return st.toggle(title, field.default, help=hint, key=key)
        case "choice":
            return st.selectbox(title, field.choices, index=field.choices.index(field.default), help=hint, key=key)
        case "integer":
            return st.number_input(title, None, None, field.default, 1, help=hint, key=key, placeholder="none")
        case "number":
            return st.number_input(title, None, None, field.default, step(field), format="%g", help=hint, key=key, placeholder="none")
        case "list":
            return parsed(field, st.text_input(title, written(field), help=hint, key=key))
        case "groups":
            return parsed(field, st.text_input(title, written(field), help=f"{field.help}; groups with semicolons between them", key=key))
        case _:
            return st.text_input(title, field.default or "", help=hint, key=key)


def _choose(kind: Kind) -> str:
    known = names(kind)
    first = known.index(FIRST[kind]) if FIRST[kind] in known else 0
    name = st.selectbox(TITLES[kind], known, index=first, key=f"form-{kind}")
    st.caption(" ".join((component(kind, name).__doc__ or "").split()))
    return name


def _options(kind: Kind, name: str, problems: list[str]) -> dict[str, Any]:
    known = fields(component(kind, name))
    if not known:
        return {}
    with st.expander(f"{TITLES[kind]} options"):
        return _all(known, f"{kind}-{name}", problems)


def _all(known: list[Field], where: str, problems: list[str]) -> dict[str, Any]:
    values = {}
    columns = st.columns(2)
    for index, field in enumerate(known):
        with columns[index % 2]:
            try:
                values[field.name] = draw(field, where)
            except ValueError as error:
                problems.append(str(error))
    return values


def step(field: Field) -> float:
    """A step of a useful size: a tenth of the default's magnitude."""
    default = abs(field.default or 1.0)
    step = 10.0
    while step > default:
        step /= 10
    return step
