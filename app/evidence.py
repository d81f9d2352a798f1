"""Say what attributions to pixels mean: the unit and the limit of their scale, and what the colours say. Loads without streamlit."""

from typing import TYPE_CHECKING

from core.graph.node import Node

if TYPE_CHECKING:
    from core.explain.attribution import AttributionMethod
    from core.explain.gate_evidence import GateEvidence
    from core.explain.model import ImageTensor

PATCH_UNIT = "score that is lost if a grey square covers the place"
AREA_UNIT = "score that 1% of the image’s area adds"
ALIKE = 0.005  # scores that differ by less look the same with two decimals
REFERENCES: "dict[AttributionMethod, str]" = {
    "quick": "",
    "occlusion": " Each place is compared with grey.",
    "integrated gradients": " All is compared with a black image, and adds up to the difference from it.",
}


def scale_of(pixels: "ImageTensor", method: "AttributionMethod") -> tuple[str, str]:
    """Return the largest absolute attribution of pixels (H, W) in words, and its unit."""
    largest = float(pixels.abs().max())
    if method == "occlusion":
        return f"{largest:.2g}", PATCH_UNIT
    return f"{largest * pixels.numel() / 100:.2g}", AREA_UNIT


def meaning(control: Node, option: str, method: "AttributionMethod", evidence: "GateEvidence | None") -> list[str]:
    """Say what the colours mean for an option of a controller, or for a gate with the `evidence` of its own score."""
    if evidence is None:
        what = "the score of this option" if len(control.options) == 1 else f"the lead of “{option}” over the best other option"
        return [
            f"Green pixels raised {what}, orange pixels lowered it.{REFERENCES[method]}",
            "The image keeps its route while its pixels are changed. Computed with Captum.",
        ]
    opens = "above 0, so the gate is open" if evidence.score > 0 else "not above 0, so the gate is closed"
    change = evidence.score - evidence.average
    verb = "raise" if change > 0 else "lower"
    effect = "its pixels change nothing in all" if abs(change) < ALIKE else f"its pixels {verb} that by {abs(change):.2f} in all"
    compared = " compared with an average training image" if method == "quick" else ""
    return [
        f"The score of “{option}” is {evidence.score:.2f}: {opens}. An average training image scores {evidence.average:.2f}; {effect}.",
        f"Green pixels raise the score, orange pixels lower it{compared}.{REFERENCES[method]}"
        " An open gate can have orange pixels: then it is open in spite of them.",
    ]
