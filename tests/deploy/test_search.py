"""Launching a search on a cluster: what each member is told, and how it ends when a scheduler tells it to."""

import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.shared import ROOT

MEMBER, SLURM = ROOT / "deploy/search.sh", ROOT / "deploy/search.sbatch"
# Stands for Python: it notes its arguments and, where it is to stay, ends as a worker that was told to.
PYTHON = """#!/bin/bash
echo "$@" >> "$NOTES"
[ -z "$STAYS" ] && exit 0
trap 'sleep 0.3; exit 143' TERM
touch "$NOTES.ready"
while true; do sleep 0.05; done
"""
SCONTROL = """#!/bin/bash
echo scontrol "$@" >> "$NOTES"
"""


@pytest.fixture
def launch(tmp_path):
    """Start a script with a Python and a scontrol that only note how they are called."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("python", PYTHON), ("scontrol", SCONTROL)):
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(stat.S_IRWXU)
    notes = tmp_path / "notes"

    def start(script: Path, *arguments, **variables) -> subprocess.Popen:
        own = {"PATH": f"{tools}:{os.environ['PATH']}", "NOTES": str(notes), "STAYS": "", **variables}
        return subprocess.Popen(["bash", str(script), *arguments], env={**os.environ, **own})

    start.notes = notes
    return start


def test_member_0_is_the_chief_and_all_others_are_workers(launch):
    for number in ("0", "7"):
        assert launch(MEMBER, number, "study.yaml", "STUDY", CHIEF_HOST="10.0.0.1").wait(60) == 0
    chief, worker = launch.notes.read_text(encoding="utf-8").splitlines()
    assert chief == "-m tuning --config study.yaml --study-dir STUDY --workers 0 --chief 10.0.0.1:7000"
    assert worker == "-m tuning work STUDY --wait 3600"


def ended_by_the_scheduler(process: subprocess.Popen, notes: Path, number: int = signal.SIGTERM) -> int:
    ready = notes.with_name("notes.ready")
    deadline = time.monotonic() + 60
    while not ready.is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    return process.wait(60)


def test_member_that_is_told_to_end_waits_for_its_worker(launch):
    assert ended_by_the_scheduler(launch(MEMBER, "1", "study.yaml", "STUDY", STAYS="1"), launch.notes) == 143


def test_task_of_slurm_whose_time_is_over_goes_back_into_the_queue_and_no_other(launch):
    task = {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "815"}
    (name,) = re.findall(r"^#SBATCH --signal=B:(\w+)@\d+$", SLURM.read_text(encoding="utf-8"), re.M)
    called, requeued = "-m tuning work STUDY --wait 3600", "scontrol requeue 815_3"
    for number, said in ((signal.Signals[f"SIG{name}"], [called, requeued]), (signal.SIGTERM, [called])):
        process = launch(SLURM, "study.yaml", "STUDY", STAYS="1", **task)
        assert ended_by_the_scheduler(process, launch.notes, number) == 143
        assert launch.notes.read_text(encoding="utf-8").splitlines() == said
        for path in (launch.notes, launch.notes.with_name("notes.ready")):
            path.unlink()
    assert launch(SLURM, "study.yaml", "STUDY", **task).wait(60) == 0
    assert launch.notes.read_text(encoding="utf-8").splitlines() == [called]


def test_job_of_kubernetes_starts_the_same_script_and_forgives_those_that_were_told_to_end():
    job = yaml.safe_load((ROOT / "deploy/search-job.yaml").read_text(encoding="utf-8"))["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed" and job["completions"] == job["parallelism"] == 9
    assert container["command"] == ["bash", "deploy/search.sh"]
    assert container["args"][0] == "$(JOB_COMPLETION_INDEX)"
    assert {variable["name"] for variable in container["env"]} == {"JOB_COMPLETION_INDEX", "CHIEF_HOST"}
    codes = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert codes == [{"containerName": container["name"], "operator": "In", "values": [143]}]
