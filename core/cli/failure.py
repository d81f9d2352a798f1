"""Failures of a command that a person can do something about, each as one line."""

from typer.exceptions import TyperException

from core.errors import UserError

MAX_LINE = 1000  # characters of a line; what is left out of a longer one is its middle


def sentence(error: BaseException) -> str | None:
    """Return a failure as one printable line; none for an error in the program itself, whose traceback tells more."""
    text = _reason(error)
    if text is None:
        return None
    line = " ".join(text.split())
    line = printable(line)
    if len(line) > MAX_LINE:
        line = f"{line[: MAX_LINE // 2]}…{line[-MAX_LINE // 2 :]}"
    return line if line.endswith((".", "?", ")")) else f"{line}."


def printable(text: str) -> str:
    """Return a text with its control characters escaped, so that it moves no cursor and gives a terminal no order."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _reason(error: BaseException) -> str | None:
    match error:
        case UserError():
            return str(error)
        case TyperException():
            return error.format_message()
        case OSError():
            return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        case MemoryError():
            return _memory()
        case RuntimeError() if "allocate" in str(error) or "out of memory" in str(error):  # of torch
            return _memory()
        case _:
            return None


def _memory() -> str:
    return "this needs more memory than the computer has free: choose a smaller network, smaller images or a smaller batch"
