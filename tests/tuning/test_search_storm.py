"""A search in a storm ends as one in peace: every trial once, the same leaderboard, no process left over."""

import json
import os
import subprocess
import sys

import pytest

from tests.shared import ROOT
from tuning.results import COMPLETED, read_results

TRIALS = 40


def searched(folder, seed: int, every: int) -> list[str]:
    """Run the search; return what happened to its processes."""
    command = [sys.executable, "-m", "tests.tuning.storm", str(folder), str(seed), str(every)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    happened, left = (line.split() for line in made.stdout.splitlines()[-2:])
    assert left == ["left"]
    return happened[1:]


def leaderboard(folder) -> list[tuple[str, float, dict]]:
    results = read_results(folder)
    assert [trial.status for trial in results.trials] == [COMPLETED] * TRIALS
    state = json.loads((folder / "oracle/oracle.json").read_text(encoding="utf-8"))
    assert sorted(state["end_order"]) == sorted({trial.id for trial in results.trials})  # each once
    assert not list(folder.glob("trials/*/attempt-*/beats.txt"))
    return [(trial.id, trial.score, trial.values) for trial in results.ranked()]


@pytest.mark.slow
def test_storm_changes_nothing(tmp_path):
    assert searched(tmp_path / "peace", 0, 0) == []
    expected = leaderboard(tmp_path / "peace")
    assert len({score for _, score, _ in expected}) == TRIALS
    happened = searched(tmp_path / "storm", 1, 3)
    assert len(happened) >= TRIALS // 4
    assert leaderboard(tmp_path / "storm") == expected
