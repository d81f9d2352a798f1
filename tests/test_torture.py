"""A short form of `make torture`, and its bookkeeping."""

import random
from pathlib import Path

import pytest

from core.errors import UserError
from tests.torture.damage import damaged
from tests.torture.kinds import KINDS
from tests.torture.trial import Kind, TooSlowError, attempt


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.short])
def test_random_trials_hold(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    for seed in range(kind.short):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert attempt(kind, seed, folder) is None, f"python -m tests.torture --kind '{name}' --seed {seed}"


@pytest.mark.parametrize("seed", [682, 890, 14685])
def test_damaged_statistics_of_parquet_columns_do_not_end_the_process(seed: int, tmp_path: Path) -> None:
    """PyArrow ends a process that reads the metadata of these columns."""
    assert attempt(KINDS["Parquet files"], seed, tmp_path) is None


def test_what_counts_as_held(tmp_path: Path) -> None:
    def ends_with(error: Exception) -> Kind:
        def trial(chance: random.Random, folder: Path) -> None:
            raise error

        return Kind("any", trial, 1, 0)

    assert attempt(ends_with(UserError("say this")), 0, tmp_path) is None
    assert isinstance(attempt(ends_with(UserError("two\nlines")), 0, tmp_path), UserError)
    assert isinstance(attempt(ends_with(KeyError("rates")), 0, tmp_path), KeyError)


def test_a_trial_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    def forever(chance: random.Random, folder: Path) -> None:
        while True:
            pass

    assert isinstance(attempt(Kind("slow", forever, 1, 0), 0, tmp_path), TooSlowError)


def test_damage_can_be_repeated() -> None:
    data = bytes(range(256))
    assert damaged(data, random.Random(3)) == damaged(data, random.Random(3)) != data
