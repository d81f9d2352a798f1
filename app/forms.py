"""The form of the Train page, made from the configuration: the registry lists the choices, and each choice's fields are its options."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from app.fields import Field, fields, parsed
from app.form_state import EVERY, ONE, SEVERAL, apply_recipe, begin, group, suitable
from app.option_groups import COMMON, MORE, OPTION_GROUPS, WEIGHTS_GROUP, found, group_of
from app.own_weights import own_weights
from app.wording import plain
from core.config import RunConfig, Training, run_config
from core.errors import UserError
from core.recipes import RECIPES, recipe
from core.registry import ComponentKind, OptionError, component, names, title
from core.sweep_values import read_lams, read_seeds

FIRST: dict[ComponentKind, tuple[str, ...]] = {"architectures": ("cascade",), "datasets": ("digits",), "methods": ("d2nn", "lcnet")}
TITLES: dict[ComponentKind, str] = {"architectures": "Architecture", "datasets": "Dataset", "methods": "Method"}
KEEP_IN_SESSION: Literal["session"] = "session"  # a value stays when the page is left


@dataclass(frozen=True)
class Plan:
    """What the form describes: one run, or a sweep over several λ and seeds. A λ of none is one network for every λ."""

    config: RunConfig
    lams: tuple[float | None, ...] = ()
    seeds: tuple[int, ...] = ()
    statics: bool = False


@dataclass(frozen=True)
class Part:
    """The options of one part of a configuration. `where`: their group of keys."""

    part: str
    where: str
    options: list[Field]


def plan() -> Plan | None:
    """Draw the form; return its plan, or none and show one line that says why."""
    chosen = {kind: _choose(kind) for kind in TITLES}
    scope, lam, lams, seeds, statics = _scope(component("methods", chosen["methods"]).model_validate({"name": chosen["methods"]}))
    parts = [Part(kind[:-1], group(kind, name), fields(component(kind, name))) for kind, name in chosen.items()]
    parts.append(Part("training", "training", fields(Training)))
    for part in parts:
        for option in part.options:
            begin(part.where, option)
    _draw_options(parts)
    try:
        values = {part.part: {option.name: read(option, part.where) for option in part.options} for part in parts}
        config = run_config(
            **{kind[:-1]: {"name": name, **values[kind[:-1]]} for kind, name in chosen.items()}, lam=lam, training=values["training"]
        )
        if scope != SEVERAL:
            return Plan(config)
        return Plan(config, read_lams(lams), read_seeds(seeds), statics)
    except (UserError, ValueError) as error:
        refuse(error)
        return None


def read(field: Field, where: str) -> Any:
    """Return the value of an option, whether its widget is drawn or not. Raises ValueError for a list that cannot be read."""
    value = st.session_state[begin(where, field)]
    return parsed(field, value) if field.kind in ("list", "groups") else value


def refuse(error: Exception) -> None:
    """Show an error in the words of the form."""
    text = error.in_form if isinstance(error, OptionError) else str(error)
    st.error(plain(text if text.startswith("λ") else text[:1].upper() + text[1:]), icon=":material/error:")


def _scope(method: Any) -> tuple[str, float | None, str, str, bool]:
    """Draw which λ to train for; return it with its λ, and for a sweep with its values of λ, its seeds and whether to add static networks.

    A method that trains no gates has no λ.
    """
    gated = method.decides is not None
    st.session_state.setdefault("form-lam-choice", EVERY)
    choices = [EVERY, ONE, SEVERAL] if gated else [EVERY, SEVERAL]
    if st.session_state["form-lam-choice"] not in choices:
        st.session_state["form-lam-choice"] = EVERY
    scope = st.segmented_control(
        "Which λ to train for" if gated else "How many to train",
        choices,
        required=True,
        format_func=lambda choice: choice if gated else {EVERY: "One network", SEVERAL: "One for each of several seeds"}[choice],
        key="form-lam-choice",
        persist_state=KEEP_IN_SESSION,
        help="λ weighs accuracy against cost. One network for every λ gives Explore a slider. A network for one λ is what the papers "
        "train. A sweep trains several networks, which wait in a queue for their turn."
        if gated
        else "A static network runs all of its modules for every image, so it has no λ.",
    )
    lam = None
    if scope == ONE:
        st.session_state.setdefault("form-lam", 0.6)
        lam_help = "0: only low cost counts. 1: only accuracy counts."
        lam = st.slider("λ", 0.0, 1.0, step=0.05, key="form-lam", help=lam_help, persist_state=KEEP_IN_SESSION)
    return (str(scope), lam, *(_sweep(gated) if scope == SEVERAL else ("", "", False)))


def _sweep(gated: bool) -> tuple[str, str, bool]:
    """Draw the fields of a sweep; return its λ, its seeds, and whether static networks are trained too."""
    st.session_state.setdefault("form-lams", "every, 0.2, 0.4, 0.6, 0.8")
    st.session_state.setdefault("form-seeds", "0")
    left, right = st.columns(2)
    seeds_help = "Separated by commas. Each λ is trained once with each seed."
    seeds = right.text_input("Seeds", key="form-seeds", persist_state=KEEP_IN_SESSION, help=seeds_help)
    if not gated:
        return "every", seeds, False
    lams = left.text_input(
        "Values of λ",
        key="form-lams",
        persist_state=KEEP_IN_SESSION,
        help="Separated by commas. “every” stands for one network that serves every λ.",
    )
    statics = st.toggle(
        "Also train every route as a static network",
        key="form-statics",
        persist_state=KEEP_IN_SESSION,
        help="Static networks are the baselines that a gated network has to beat.",
    )
    return lams, seeds, statics


def _draw_options(parts: list[Part]) -> None:
    """Draw the common options, and the others in groups; or, where some are sought, those that are found."""
    training = parts[-1]
    common = {option.name: option for option in training.options if option.name in COMMON}
    for column, name in zip(st.columns(len(COMMON)), COMMON, strict=True):
        with column:
            _draw(common[name], training.where)
    _recipe()
    sought = st.text_input(
        "Find an option", key="form-search", placeholder="Find an option", label_visibility="collapsed", icon=":material/search:"
    )
    rest = [(part, [option for option in part.options if part is not training or option.name not in COMMON]) for part in parts]
    if sought.strip():
        matches = [(part, found(options, sought)) for part, options in rest]
        if not any(options for _, options in matches):
            st.caption("No option of this architecture, dataset or method matches these words.")
        for part, options in matches:
            _draw_all(options, part.where)
        return
    for part, options in rest[:2]:
        if options:
            with st.expander(f"{TITLES['architectures' if part.part == 'architecture' else 'datasets']} options"):
                _draw_all(options, part.where)
    for heading in (*OPTION_GROUPS, MORE):
        members = [(part, [option for option in options if group_of(option.name) == heading]) for part, options in rest[2:]]
        if any(options for _, options in members):
            with st.expander(heading):
                for part, options in members:
                    _draw_all(options, part.where)
                if heading == WEIGHTS_GROUP:
                    own_weights()


def draw(field: Field, where: str) -> Any:
    """Draw one option's widget; return its value. Raises ValueError for a list that cannot be read.

    Numbers have no bounds here, because the browser would silently replace one out of bounds. The configuration refuses it instead.
    """
    key, label, hint = begin(where, field), field.label, field.help or None
    match field.kind:
        case "flag":
            return st.toggle(label, help=hint, key=key, persist_state=KEEP_IN_SESSION)
        case "choice":
            return st.selectbox(label, field.choices, format_func=field.shown, help=hint, key=key, persist_state=KEEP_IN_SESSION)
        case "integer":
            return st.number_input(label, None, None, None, 1, help=hint, key=key, placeholder="none", persist_state=KEEP_IN_SESSION)
        case "number":
            small = step(field)
            return st.number_input(
                label, None, None, None, small, format="%g", help=hint, key=key, placeholder="none", persist_state=KEEP_IN_SESSION
            )
        case "list":
            return parsed(field, st.text_input(label, help=hint, key=key, persist_state=KEEP_IN_SESSION))
        case "groups":
            hint = f"{field.help}. Separate groups by semicolons."
            return parsed(field, st.text_input(label, help=hint, key=key, persist_state=KEEP_IN_SESSION))
        case _:
            return st.text_input(label, help=hint, key=key, persist_state=KEEP_IN_SESSION)


def _choose(kind: ComponentKind) -> str:
    """Draw the choice of a component; of methods, only those that can train the architecture."""
    known = [name for name in names(kind) if component(kind, name).by_form]
    if kind == "methods":
        known = suitable(st.session_state["form-architectures"], known)
    first = next(name for name in (*FIRST[kind], *known) if name in known)
    if st.session_state.setdefault(f"form-{kind}", first) not in known:
        st.session_state[f"form-{kind}"] = first
    name = st.selectbox(
        TITLES[kind],
        known,
        format_func=lambda name: title(kind, name),
        key=f"form-{kind}",
        on_change=_fill,
        persist_state=KEEP_IN_SESSION,
        help="Only methods that can train this architecture are listed." if kind == "methods" else None,
    )
    st.caption(f"{' '.join((component(kind, name).__doc__ or '').split())} On the command line: `{name}`.")
    return name


def _recipe() -> None:
    """Draw the choice of a recipe and the sentence on it."""
    name = st.selectbox(
        "Recipe",
        ["", *(one.name for one in RECIPES)],
        format_func=lambda name: recipe(name).title if name else "None",
        key="form-recipe",
        help="A recipe fills in the options below. You can still change each of them.",
        on_change=_fill,
        persist_state=KEEP_IN_SESSION,
    )
    if name:
        st.caption(f"{plain(recipe(name).summary)} On the command line: `--recipe {name}`.")


def _fill() -> None:
    """Fill in the options of the chosen recipe, and undo what the recipe before it filled in."""
    name, former = st.session_state.get("form-recipe", ""), st.session_state.get("form-filled", "")
    if name or former:
        apply_recipe(recipe(name) if name else None, recipe(former) if former else None, st.session_state["form-methods"])
    st.session_state["form-filled"] = name


def _draw_all(known: list[Field], where: str) -> None:
    """Draw options in two columns."""
    if known:
        columns = st.columns(2)
        for index, field in enumerate(known):
            with columns[index % 2]:
                _draw(field, where)


def _draw(field: Field, where: str) -> None:
    """Draw one option's widget; what cannot be read is said at the end of the form."""
    with suppress(ValueError):
        draw(field, where)


def step(field: Field) -> float:
    """Return the step of a number's buttons: the largest power of ten that does not exceed the default."""
    default = abs(field.default or 1.0)
    step = 10.0
    while step > default:
        step /= 10
    return step
