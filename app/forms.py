"""The form of the Train page, made from the configuration: the registry lists the choices, and each choice's fields are its options."""

from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from app.fields import Field, fields, parsed
from app.form_state import EVERY, ONE, SEVERAL, apply_recipe, begin, group
from app.form_state import prefill as prefill
from app.wording import plain
from core.config import RunConfig, Training, read_lams, read_seeds, run_config
from core.errors import UserError
from core.recipes import RECIPES, recipe
from core.registry import ComponentKind, ConfigError, OptionError, component, names, title

FIRST: dict[ComponentKind, str] = {"architectures": "cascade", "datasets": "digits", "methods": "d2nn"}
TITLES: dict[ComponentKind, str] = {"architectures": "Architecture", "datasets": "Dataset", "methods": "Method"}
KEPT: Literal["session"] = "session"  # a value stays when the page is left
FORESEEN = ("epochs", "seed")  # training options that are always visible; the others are folded away


@dataclass(frozen=True)
class Plan:
    """What the form describes: one run, or a sweep over several λ and seeds. A λ of none is one network for every λ."""

    config: RunConfig
    lams: tuple[float | None, ...] = ()
    seeds: tuple[int, ...] = ()
    statics: bool = False


def plan() -> Plan | None:
    """Draw the form; return its plan, or none and show one line that says why."""
    chosen = {kind: _choose(kind) for kind in TITLES}
    st.session_state.setdefault("form-lam-choice", EVERY)
    scope = st.segmented_control(
        "Which λ to train for",
        [EVERY, ONE, SEVERAL],
        required=True,
        key="form-lam-choice",
        persist_state=KEPT,
        help="λ weighs accuracy against cost. One network for every λ gives Explore a slider. A network for one λ is what the papers "
        "train. A sweep trains several networks, which wait in a queue for their turn.",
    )
    lam_help = "0: only low cost counts. 1: only accuracy counts."
    st.session_state.setdefault("form-lam", 0.6)
    lam = st.slider("λ", 0.0, 1.0, step=0.05, key="form-lam", help=lam_help, persist_state=KEPT) if scope == ONE else None
    lams, seeds, statics = _sweep() if scope == SEVERAL else ("", "", False)
    _recipe()
    training_fields = {field.name: field for field in fields(Training)}
    training = {}
    for column, name in zip(st.columns(len(FORESEEN)), FORESEEN, strict=True):
        with column:
            training[name] = draw(training_fields[name], "training")
    problems: list[str] = []
    options = {kind: _options(kind, name, problems) for kind, name in chosen.items()}
    with st.expander("Training options"):
        training |= _draw_all([field for field in training_fields.values() if field.name not in FORESEEN], "training", problems)
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
        if scope != SEVERAL:
            return Plan(config)
        return Plan(config, read_lams(lams), read_seeds(seeds), statics)
    except UserError as error:
        refuse(error)
        return None


def refuse(error: Exception) -> None:
    """Show an error in the words of the form."""
    text = error.in_form if isinstance(error, OptionError) else str(error)
    st.error(plain(text if text.startswith("λ") else text[:1].upper() + text[1:]), icon=":material/error:")


def _sweep() -> tuple[str, str, bool]:
    """Draw the fields of a sweep; return its λ, its seeds, and whether static networks are trained too."""
    left, right = st.columns(2)
    st.session_state.setdefault("form-lams", "every, 0.2, 0.4, 0.6, 0.8")
    st.session_state.setdefault("form-seeds", "0")
    lams = left.text_input(
        "Values of λ",
        persist_state=KEPT,
        key="form-lams",
        help="Separated by commas. “every” stands for one network that serves every λ.",
    )
    seeds = right.text_input(
        "Seeds", key="form-seeds", persist_state=KEPT, help="Separated by commas. Each λ is trained once with each seed."
    )
    statics = st.toggle(
        "Also train every route as a static network",
        key="form-statics",
        persist_state=KEPT,
        help="Static networks are the baselines that a gated network has to beat.",
    )
    return lams, seeds, statics


def draw(field: Field, where: str) -> Any:
    """Draw one option's widget; return its value. Raises ValueError for a list that cannot be read.

    Numbers have no bounds here, because the browser would silently replace one out of bounds. The configuration refuses it instead.
    """
    key, label, hint = begin(where, field), field.label, field.help or None
    match field.kind:
        case "flag":
            return st.toggle(label, help=hint, key=key, persist_state=KEPT)
        case "choice":
            return st.selectbox(label, field.choices, format_func=field.shown, help=hint, key=key, persist_state=KEPT)
        case "integer":
            return st.number_input(label, None, None, None, 1, help=hint, key=key, placeholder="none", persist_state=KEPT)
        case "number":
            small = step(field)
            return st.number_input(label, None, None, None, small, format="%g", help=hint, key=key, placeholder="none", persist_state=KEPT)
        case "list":
            return parsed(field, st.text_input(label, help=hint, key=key, persist_state=KEPT))
        case "groups":
            hint = f"{field.help}. Separate groups by semicolons."
            return parsed(field, st.text_input(label, help=hint, key=key, persist_state=KEPT))
        case _:
            return st.text_input(label, help=hint, key=key, persist_state=KEPT)


def _choose(kind: ComponentKind) -> str:
    known = [name for name in names(kind) if component(kind, name).by_form]
    st.session_state.setdefault(f"form-{kind}", FIRST[kind] if FIRST[kind] in known else known[0])
    box, explanation = st.columns([0.45, 0.55], vertical_alignment="bottom")
    name = box.selectbox(
        TITLES[kind], known, format_func=lambda name: title(kind, name), key=f"form-{kind}", on_change=_fill, persist_state=KEPT
    )
    explanation.caption(f"{' '.join((component(kind, name).__doc__ or '').split())} On the command line: `{name}`.")
    return name


def _recipe() -> None:
    """Draw the choice of a recipe and the sentence on it."""
    box, explanation = st.columns([0.45, 0.55], vertical_alignment="bottom")
    name = box.selectbox(
        "Recipe",
        ["", *(one.name for one in RECIPES)],
        format_func=lambda name: recipe(name).title if name else "None",
        key="form-recipe",
        help="A recipe fills in the options below. You can still change each of them.",
        on_change=_fill,
        persist_state=KEPT,
    )
    if name:
        explanation.caption(f"{plain(recipe(name).summary)} On the command line: `--recipe {name}`.")


def _fill() -> None:
    """Fill in the options of the chosen recipe, and undo what the recipe before it filled in."""
    name, former = st.session_state.get("form-recipe", ""), st.session_state.get("form-filled", "")
    apply_recipe(recipe(name) if name else None, recipe(former) if former else None, st.session_state["form-methods"])
    st.session_state["form-filled"] = name


def _options(kind: ComponentKind, name: str, problems: list[str]) -> dict[str, Any]:
    known = fields(component(kind, name))
    if not known:
        return {}
    with st.expander(f"{TITLES[kind]} options"):
        return _draw_all(known, group(kind, name), problems)


def _draw_all(known: list[Field], where: str, problems: list[str]) -> dict[str, Any]:
    """Draw options in two columns; return their values, and add to `problems` what cannot be read."""
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
    """Return the step of a number's buttons: the largest power of ten that does not exceed the default."""
    default = abs(field.default or 1.0)
    step = 10.0
    while step > default:
        step /= 10
    return step
