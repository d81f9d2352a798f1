"""The script that trains LC-Net, D2NN and their rivals on one ResNet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.store import Store

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "reproduce" / "rivals.sh"
ON_BLOCKS_AND_CHANNELS = ("static", "static-on", "lcnet", "fbs", "aig", "blockdrop", "odena")
ON_EXITS = ("exits-static", "d2nn", "branchynet", "decision_gates", "bolukbasi", "l2w")


@pytest.mark.long
def test_all_rivals_train_and_are_compared(tmp_path: Path, scratch_database: str) -> None:
    short = {"DATASET": "digits", "DEPTH": "8", "EPOCHS": "2", "TMPDIR": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run(["bash", SCRIPT], cwd=tmp_path, env=os.environ | short, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    runs = {run.name.removeprefix("rivals-"): run for run in Store(scratch_database).runs.all() if run.name.startswith("rivals-")}
    assert runs.keys() == {*ON_BLOCKS_AND_CHANNELS, *ON_EXITS}
    assert {run.state for run in runs.values()} == {"finished"}
    costs = {name: {row["macs_static"] for row in run.figures["test"]} for name, run in runs.items()}
    assert all(costs[name] == costs["static"] for name in ON_BLOCKS_AND_CHANNELS)
    assert all(costs[name] == costs["exits-static"] for name in ON_EXITS)
    assert all(len(runs[name].figures["test"]) == 11 for name in runs if not name.startswith(("static", "exits")))
    assert "rivals-bolukbasi" in done.stdout
