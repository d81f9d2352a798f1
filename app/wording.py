"""Say in words and figures what happened to an image. Loads without torch and without streamlit."""

import html
import re
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.fast.stopwatch import Spread

CLEAR = 0.1  # a smaller difference of median times than this share is none
Forced = Literal["on", "off"]
WORD_JOINER = "\u2060"  # takes no space, and is no place to break a line
REPLACED = re.compile(r"(?<=:)(?=\S)|(?<=www)(?=\.)|(?=@)|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE)  # within what Streamlit replaces


def counted(macs: float) -> str:
    """Return multiply-adds with three figures: "940", "12.2 k", "21.5 M", "1.24 G"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= 0.9995 * size:
            value = macs / size
            return f"{value:.2f} {unit}" if value < 9.995 else f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{macs:.0f}"


def percent(share: float) -> str:
    """Return a share as a percentage, with one decimal below 10%."""
    if share <= 0:
        return "0%"
    return "under 0.1%" if share < 0.0005 else f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def clock(seconds: float) -> str:
    """Return a time with at least two figures: "0.48 ms", "12 ms", "1.2 s"."""
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    milliseconds = 1e3 * seconds
    return (
        f"{milliseconds:.2f} ms" if milliseconds < 0.9995 else f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"
    )


def duration(seconds: float) -> str:
    """Return a length of time as a person says it: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 59.5:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours} h {rest} min" if rest else f"{hours} h"


def time_range(spread: "Spread") -> str:
    """Return the bounds of the middle half of several measured times: "0.45 to 0.61 ms"."""
    low, high = clock(spread.low), clock(spread.high)
    same_unit = low.split()[1] == high.split()[1]
    return low if low == high else f"{low.split()[0] if same_unit else low} to {high}"


def time_with_range(spread: "Spread") -> str:
    """Return a median time with the bounds of its middle half: "0.52 ms (0.45 to 0.61 ms)"."""
    return f"{clock(spread.median)} ({time_range(spread)})"


def time_comparison(taken: "Spread", static: "Spread") -> str:
    """Compare a time with the static network's, both measured in turns; say that there is no clear difference where there is none.

    A difference is clear if the middle halves of the measurements do not overlap and the medians are more than CLEAR apart.
    """
    change = taken.median / static.median - 1
    if taken.high < static.low and change < -CLEAR:
        return f"{percent(-change)} less time than the static network"
    if taken.low > static.high and change > CLEAR:
        return f"{percent(change)} more time than the static network: the gates cost more than they save"
    return "No clear difference from the static network: the measurements overlap or lie close together"


def timing_note(times: "Sequence[Spread]") -> str:
    """Return at how many values of λ an image was timed, or nothing if it was timed on every interval of λ."""
    timed = len(set(times))
    return "" if timed == len(times) else f"Measured at {timed} values of λ; in between, the time at the nearest of them is shown."


def scaled(scale: float) -> str:
    """Return the factor of a gate, "×0.83", or nothing for a closed one."""
    return "" if scale <= 0 else f"×{scale:.2f}" if scale >= 0.005 else "under ×0.01"


def lam_name(lam: float | None) -> str:
    """Return the λ that a network was trained for."""
    return "every λ" if lam is None else f"λ = {lam:g}"


def plain(text: object) -> str:
    """Return Markdown that shows a text from outside as it is, on one line: a name, an error, or what an address or a file says.

    Every page passes such texts through here. Streamlit makes links, icons and arrows of "http://", ":material/…:" and "->" after it has
    read the escapes of Markdown, so these get an invisible word joiner inside.
    """
    parted = REPLACED.sub(WORD_JOINER, " ".join(str(text).split()))
    return "".join(f"\\{letter}" if letter in string.punctuation else letter for letter in parted)


def in_chart(text: object) -> str:
    """Return what a chart shows as this text from outside: Plotly reads tags and entities of HTML in names, labels and hovers."""
    return html.escape(str(text), quote=False)
