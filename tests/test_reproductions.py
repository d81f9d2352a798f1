"""The quick reproductions of faults hold on this checkout; `python -m tests.reproductions` tries all of them."""

from pathlib import Path

import pytest

from tests.reproductions.__main__ import REPRODUCTIONS, ROOT, line, reproduced
from tests.reproductions.reproduction import Reproduction
from tests.reproductions.studio import Studio

QUICK = [one for one in REPRODUCTIONS if one.quick]


@pytest.mark.parametrize("one", QUICK, ids=[one.attempt.__name__ for one in QUICK])
def test_quick_reproductions_hold(one: Reproduction) -> None:
    result = reproduced(one, ROOT)
    assert result.verdict == "held", line(one, result)


def test_every_fault_has_a_reproduction() -> None:
    assert {one.number for one in REPRODUCTIONS} == {*map(str, range(1, 11)), "own files"}
    assert len({one.tried for one in REPRODUCTIONS}) == len(REPRODUCTIONS)


def test_what_does_not_hold_is_said(tmp_path: Path) -> None:
    def taken(studio: Studio) -> None:
        studio.refused("list", "methods")

    def unknown(studio: Studio) -> None:
        studio.command("no-such-command")

    failed = reproduced(Reproduction("1", "a list", taken), ROOT)
    assert (failed.verdict, failed.reason) == ("failed", "list methods: taken, with status 0")
    assert failed.peak > 10
    assert reproduced(Reproduction("1", "a command", unknown), ROOT).verdict == "not there"
    assert reproduced(Reproduction("1", "any", lambda studio: None), tmp_path).verdict == "held"
