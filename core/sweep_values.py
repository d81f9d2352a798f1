"""The values of λ and the seeds of a sweep, as a person writes them. Loads without torch."""

from core.registry import ConfigError

MAX_LISTED = 1_000  # values of λ, or seeds, of one sweep


def read_lams(text: str) -> tuple[float | None, ...]:
    """Parse values of λ separated by commas; "every" becomes None, one network for every λ. Raises ConfigError."""
    words = _words(text, "λ")
    try:
        return tuple(dict.fromkeys(None if word == "every" else float(word) for word in words))
    except ValueError:
        raise ConfigError(f"λ must be numbers from 0 to 1, or every, separated by commas; not {text!r}") from None


def read_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds separated by commas. Raises ConfigError."""
    words = _words(text, "the seed")
    try:
        return tuple(dict.fromkeys(int(word) for word in words))
    except ValueError:
        raise ConfigError(f"seeds must be whole numbers separated by commas; not {text!r}") from None


def _words(text: str, what: str) -> list[str]:
    """Split a text at its commas. Raises ConfigError if nothing is left."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not 1 <= len(words) <= MAX_LISTED:
        raise ConfigError(f"give from 1 to {MAX_LISTED} values of {what}")
    return words
