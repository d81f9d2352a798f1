"""Run `python -m tests.reproductions [--tree CHECKOUT] [--only WORD]`: one line for each reproduction, status 1 if any failed."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.reproductions import commands, faults, imports, own_files, pages, pictures
from tests.reproductions.reproduction import NotThereError, Reproduction, Result
from tests.reproductions.studio import Studio

ROOT = Path(__file__).parents[2]
REPRODUCTIONS: tuple[Reproduction, ...] = tuple(
    sorted(
        (one for module in (imports, pictures, pages, faults, commands, own_files) for one in module.REPRODUCTIONS),
        key=lambda one: (not one.number.isdecimal(), int(one.number) if one.number.isdecimal() else 0),
    )
)


def reproduced(one: Reproduction, tree: Path) -> Result:
    """Try one reproduction on a checkout, in a fresh folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        studio = Studio(tree, Path(scratch) / "it")
        studio.folder.mkdir()
        began = time.monotonic()
        verdict, reason = "held", ""
        try:
            one.attempt(studio)
        except NotThereError as error:
            verdict, reason = "not there", str(error)
        except Exception as error:  # whatever a checkout does that a reproduction does not expect
            verdict, reason = "failed", f"{'' if isinstance(error, AssertionError) else type(error).__name__ + ': '}{error}"
        return Result(verdict, " ".join(reason.split())[:200], time.monotonic() - began, studio.peak)


def line(one: Reproduction, result: Result) -> str:
    """Return what came of a reproduction as one line."""
    memory = f"{result.peak:5d} MB" if one.memory else " " * 8
    reason = f": {result.reason}" if result.reason else ""
    return f"{one.number:>9}  {result.verdict:9} {result.seconds:5.1f} s {memory}  {one.tried}{reason}"


def main() -> None:
    """Run all reproductions, or those whose number or words are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout of the project (default: this one)")
    parser.add_argument("--only", default="", metavar="WORD", help="those of this number, or with this text in what is tried")
    parser.add_argument("--quick", action="store_true", help="those of the short test")
    given = parser.parse_args()
    tree = given.tree.resolve()
    chosen = [one for one in REPRODUCTIONS if one.quick or not given.quick]
    chosen = [one for one in chosen if given.only == one.number or (not given.only.isdecimal() and given.only in one.tried)]
    failed = 0
    for one in chosen:
        result = reproduced(one, tree)
        print(line(one, result), flush=True)
        failed += result.verdict == "failed"
    print(f"{len(chosen)} tried, {failed} failed.")
    sys.exit(failed > 0 or not chosen)


if __name__ == "__main__":
    main()
