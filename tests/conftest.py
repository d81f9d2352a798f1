"""What all tests share: the same answer each time, one thread each, and a database of their own, never the one at the top level."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("gatescope", derandomize=True, deadline=None)
settings.load_profile("gatescope")


@pytest.fixture(autouse=True)
def scratch_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, which is also the default one while a test runs."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("GATESCOPE_DB", url)
    return url
