"""The samples of Explore: all test images at hand, marked where λ matters and where the answer is wrong."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from app import address, own_picture, state
from app.background import Background, background_survey
from app.cache import SizedCache
from app.components.samples import StripView, Thumbnail, page_of, sample_strip
from app.images import ShownImage
from app.rendering import to_picture, url
from app.wording import plain
from core.errors import UserError
from core.registry import choose, title
from core.store import Run

if TYPE_CHECKING:
    from core.explain.model import ImageTensor, Model
    from core.explain.survey import Survey, Surveyed

STRIP = "sample-strip"  # key of the component
VIEW = "samples-view"  # key of the session
PER_PAGE = 60  # pictures on a page of the strip
THUMB = 48  # side of a small picture in pixels, at most
THUMB_BYTES = 16 << 20  # of the small pictures that are kept in memory
MAX_SAMPLES = 2000  # test images at hand
MAX_BYTES = 48_000_000  # of the test images at hand
POLL_SECONDS = 1.5  # seconds between looks at a survey that grows
ALL, ROUTES, WRONG, ALWAYS_WRONG, CLASS = "all", "routes", "wrong", "always-wrong", "class "
SHOWS = [(ALL, "All images"), (ROUTES, "Route changes"), (WRONG, "Wrong at some λ"), (ALWAYS_WRONG, "Wrong at every λ")]
ORDERS = [("given", "Class by class"), ("cheapest", "Cheapest first"), ("dearest", "Dearest first"), ("shuffled", "Shuffled")]
_thumbs: SizedCache[str] = SizedCache(THUMB_BYTES, len)
FIRST_VIEW: StripView = {"show": ALL, "order": "given", "page": 0, "seed": 0}


@dataclass(frozen=True)
class Samples:
    """Images (N, C, H, W) to choose from, what each shows in words, and their classes where those are known.

    `outside` is what an image shows where that is known to be none of the network's classes. `replaced` says why pictures stand in for the
    test images, and is empty where these are at hand.
    """

    images: "ImageTensor"
    subjects: list[str]
    labels: list[str | None]
    outside: list[str | None]
    replaced: str = ""


def samples_of(run: Run, model: "Model") -> Samples:
    """Return the test images of a run, or photographs and drawings in their place. Raises UserError where there are neither."""
    from core.datasets.sources.photographs import outside

    try:
        channels, height, width = model.image
        labels, images = state.samples(run, min(MAX_SAMPLES, max(state.SAMPLES, MAX_BYTES // (channels * height * width))))
        if unknown := sorted(set(labels) - set(model.classes)):
            raise UserError(f"they belong to classes that the run does not know: {', '.join(unknown)}")
        return Samples(images, [f"Test image of class {label}" for label in labels], list(labels), [None] * len(labels))
    except (UserError, OSError) as error:
        if model.image[0] == 1:
            raise UserError(str(error)) from error
        pictures, images = state.stand_ins(model.image, model.classes)
        subjects = [f"{one.subject}{'' if one.label else ', which is of none of the classes'}" for one in pictures]
        strange = [outside(one, model.classes) for one in pictures]
        return Samples(images, subjects, [one.label for one in pictures], strange, str(error))


def choose_sample(run: Run, sha256: str, model: "Model", arrived: bool) -> ShownImage | None:
    """Draw the strip; return the chosen sample, or none where there are none. `arrived`: whether it is to be the one in the address."""
    try:
        samples = samples_of(run, model)
    except UserError as error:
        st.caption(f"There are no samples: {plain(error)}")
        return None
    if samples.replaced:
        st.caption(
            f"The images of {plain(title('datasets', run.dataset))} are not on this computer. These pictures replace them.",
            help=plain(samples.replaced),
        )
    count = len(samples.subjects)
    key = sample_key(run)
    first = address.whole(st.query_params.get("sample", ""), count)
    known: int | None = None if arrived and first is not None else st.session_state.get(key)
    if known is None or known >= count:
        known = state.most_varied(run, sha256, samples.images[: state.SAMPLES]) if first is None else first
        st.session_state[key] = known
    job = background_survey(run, sha256, samples.images, samples.labels)
    st.fragment(_strip, run_every=POLL_SECONDS if job.growing else None)(run, samples, job, job.growing)
    return ShownImage(samples.images[known], samples.subjects[known], {"sample": str(known)}, samples.labels[known], samples.outside[known])


def sample_key(run: Run) -> str:
    """Return a key that runs with the same samples share, so that the sample stays when the run changes."""
    return f"sample-{json.dumps(choose('datasets', run.config['dataset']).model_dump(mode='json'), sort_keys=True)}"


def _strip(run: Run, samples: Samples, job: "Background[Survey]", polling: bool) -> None:
    """Draw one page of the strip with the marks that are known."""
    if st.session_state.pop("sample-chosen", False):
        st.rerun()
    survey = job.look()
    view: StripView = {**FIRST_VIEW, **st.session_state.get(VIEW, {})}
    rows = arranged(samples.labels, survey, view)
    shown, page, pages = page_of(rows, view["page"], PER_PAGE)
    classes = sorted({label for label in samples.labels if label is not None})
    sample_strip(
        {
            "items": [thumbnail(samples, survey, row) for row in shown],
            "chosen": None if own_picture.shown() else st.session_state[sample_key(run)],
            "shows": SHOWS + [(CLASS + label, f"Class: {label}") for label in classes],
            "show": view["show"] if view["show"] in _shows(classes) else ALL,
            "orders": ORDERS,
            "order": view["order"],
            "page": page,
            "pages": pages,
            "count": f"{page * PER_PAGE + 1} to {page * PER_PAGE + len(shown)} of {len(rows)}" if shown else "0 images",
            "status": _status(job, survey),
            "growing": job.growing,
        },
        key=STRIP,
        on_choose=lambda index: _choose(run, index, len(samples.subjects)),
        on_view=lambda change: _look(view, change),
    )
    if polling and not job.growing:
        st.rerun()  # the page is drawn once more, without looks at the survey


def _shows(classes: Sequence[str]) -> set[str]:
    return {value for value, _ in SHOWS} | {CLASS + label for label in classes}


def _status(job: "Background[Survey]", survey: "Survey") -> str:
    if job.growing:
        return f"Running the images at a few values of λ: {len(survey.images)} of {survey.total}"
    return "" if len(survey.images) == survey.total else f"Marks are known for the first {len(survey.images)} images."


def _choose(run: Run, index: int, count: int) -> None:
    if 0 <= index < count:
        st.session_state[sample_key(run)] = index
        own_picture.show(False)
        st.session_state["sample-chosen"] = True


def _look(view: StripView, change: dict[str, object]) -> None:
    """Change what the strip shows."""
    wanted: StripView = {**view}
    if change.pop("again", False):
        wanted["seed"] = view["seed"] + 1
    if isinstance(show := change.get("show"), str):
        wanted["show"] = show
    if isinstance(order := change.get("order"), str) and order in dict(ORDERS):
        wanted["order"] = order
    if isinstance(page := change.get("page"), int):
        wanted["page"] = page
    st.session_state[VIEW] = wanted


def arranged(labels: Sequence[str | None], survey: "Survey", view: StripView) -> list[int]:
    """Return the numbers of the images that a view shows, in its order. Images that have not been executed come last."""
    rows = [
        row for row in range(len(labels)) if _belongs(labels[row], survey.images[row] if row < len(survey.images) else None, view["show"])
    ]
    if view["order"] == "shuffled":
        random.Random(view["seed"]).shuffle(rows)
    elif view["order"] in ("cheapest", "dearest"):
        sign = 1 if view["order"] == "cheapest" else -1
        known = survey.images
        rows.sort(key=lambda row: (0, sign * known[row].mean_cost) if row < len(known) else (1, 0.0))
    return rows


def _surveyed(survey: "Survey", row: int) -> "Surveyed | None":
    """Return what is known of an image, or none until it has been executed."""
    return survey.images[row] if row < len(survey.images) else None


def _belongs(label: str | None, one: "Surveyed | None", show: str) -> bool:
    if show.startswith(CLASS):
        return label == show.removeprefix(CLASS)
    if show == ROUTES:
        return one is not None and one.changes_route
    if show == ALWAYS_WRONG:
        return one is not None and one.wrong == len(one.routes)
    return show != WRONG or (one is not None and one.wrong > 0)


def thumbnail(samples: Samples, survey: "Survey", row: int) -> Thumbnail:
    """Return the small picture of a sample with its marks, and these in words."""
    one = _surveyed(survey, row)
    words = [samples.subjects[row]]
    if one is not None:
        words.append("its route changes along λ" if one.changes_route else "the same route at every λ")
        if one.wrong:
            words.append("wrong at every λ" if one.wrong == len(survey.lams) else f"wrong at {one.wrong} of {len(survey.lams)} values of λ")
    wrong = "" if one is None or not one.wrong else "always" if one.wrong == len(survey.lams) else "partly"
    pixels = samples.images[row].numpy()
    small = _thumbs.get((pixels.shape, hashlib.blake2b(pixels.tobytes()).digest()), lambda: _small(samples.images[row]))
    return {"index": row, "url": small, "title": " · ".join(words), "turns": one is not None and one.changes_route, "wrong": wrong}


def _small(image: "ImageTensor") -> str:
    """Return the small picture of an image (C, H, W) as a data URL."""
    small = to_picture(image)
    small.thumbnail((THUMB, THUMB), Image.Resampling.BILINEAR)
    return url(small)
