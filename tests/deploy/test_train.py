"""Launching a run on several hosts: what the files of `deploy/` start, they start here, on local processes."""

import os
import re
import signal
import stat
import subprocess
import sys
import time

import pytest
import yaml

from tests.shared import ROOT

DEPLOY = ROOT / "deploy"
JOB = {part["kind"]: part for part in yaml.safe_load_all((DEPLOY / "train-job.yaml").read_text(encoding="utf-8"))}
POD = JOB["Job"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]

# Runs a command on two hosts of this machine, each with the variables that Slurm gives to a task.
SRUN = """#!{python}
import os, subprocess, sys
command = [word for word in sys.argv[1:] if not word.startswith("--ntasks") and not word.startswith("--kill")]
told = {{"SLURM_STEP_NODELIST": "127.0.0.[1-2]", "SLURM_STEP_NUM_TASKS": "2"}}
told |= {{"SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "0"}}
tasks = [subprocess.Popen(command, env={{**os.environ, **told, "SLURM_PROCID": str(task)}}) for task in range(2)]
sys.exit(max(task.wait() for task in tasks))
"""
# Says what it was called with, in place of Python.
ECHO = '#!/bin/sh\necho "$@"\n'
# Takes as long as the script that called it.
WAITING = (
    '#!/bin/sh\necho "$SRUN_CPUS_PER_TASK" > "$NOTES.ready"\nwhile kill -0 "$PPID" 2> /dev/null; do sleep 0.05; done\n'
)
NOTING = '#!/bin/sh\necho "$0" "$@" >> "$NOTES"\n'


def script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def started(*arguments, **environment):
    """Run the script of a host with a Python that says what it was called with."""
    process = subprocess.run(
        ["sh", DEPLOY / "train.sh", *arguments], env={**os.environ, **environment}, capture_output=True, text=True
    )
    return process.stdout.strip() or process.stderr.strip()


def test_a_host_starts_a_run_and_goes_on_with_one(tmp_path):
    python, folder = script(tmp_path / "python", ECHO), tmp_path / "run"
    told = {"PYTHON": str(python), "RUN_DIR": str(folder)}
    start = f"-m training --hosts auto --run-dir {folder}"
    given = ("--recipe", "digits", "--host-timeout", "600")
    assert started(*given, **told) == f"{start} {' '.join(given)}"
    folder.mkdir()
    (folder / "config.yaml").touch()  # by a run that was ended before there was a checkpoint
    assert started(*given, **told) == f"{start} {' '.join(given)} --overwrite"
    (folder / "checkpoint.weights.h5").touch()
    assert started(*given, **told) == f"{start} {' '.join(given)} --resume"
    assert started("--resume", **told) == started(**told) == f"{start} --resume"
    (folder / "metrics.csv").touch()
    (folder / "checkpoint.weights.h5").unlink()  # by somebody who keeps the network alone
    assert started(*given, **told) == f"{start} {' '.join(given)}"
    assert "RUN_DIR: is to be the folder of the run" in started(PYTHON=str(python), RUN_DIR="")


def test_the_pods_of_the_job_are_as_many_as_they_are_told_and_named_by_the_service():
    job, environment = JOB["Job"]["spec"], {row["name"]: row["value"] for row in CONTAINER["env"]}
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(environment["JOB_COMPLETIONS"]) == 2
    service = JOB["Service"]
    assert service["metadata"]["name"] == POD["subdomain"] == environment["JOB_SERVICE"]
    assert service["spec"]["selector"] == {"job-name": JOB["Job"]["metadata"]["name"]}
    assert service["spec"]["clusterIP"] == "None"  # headless, so that each pod has a name
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert environment["RUN_DIR"].startswith(mounts[POD["volumes"][0]["name"]])


def test_hosts_find_each_other_by_the_names_that_kubernetes_gives_to_pods():
    from training.hosts.addresses import hosts_of

    environment = {row["name"]: row["value"] for row in CONTAINER["env"]}
    pod = {**environment, "JOB_COMPLETION_INDEX": "1", "HOSTNAME": f"{JOB['Job']['metadata']['name']}-1"}
    hosts = hosts_of(["--hosts", "auto"], pod)
    names = [address.rpartition(":")[0] for address in hosts.addresses]
    assert hosts.index == 1 and names == ["keras-resnet-0.keras-resnet", "keras-resnet-1.keras-resnet"]


def test_the_images_install_extras_that_there_are_and_copy_what_is_in_the_repository():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = {extra for listed in re.findall(r'"\.\[(.*?)\]"', text) for extra in listed.split(",")}
    assert extras and all(f'"{extra}": ' in setup for extra in extras)
    copied = [word for line in re.findall(r"^COPY (.*)$", text, re.M) for word in line.split()[:-1]]
    assert copied and all((ROOT / word).exists() for word in copied)
    targets = set(re.findall(r"^FROM source AS (\w+)$", text, re.M))
    assert set(re.findall(r"--target (\w+) -t keras-resnet:(\w+)", text)) == {(target, target) for target in targets}
    search = yaml.safe_load((DEPLOY / "search-job.yaml").read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    for container in (CONTAINER, *search["containers"]):
        name, _, tag = container["image"].partition(":")
        assert name == "keras-resnet" and tag in targets


def warning_of(script) -> signal.Signals:
    """Give the signal that a script asks Slurm for before the end of its time."""
    (name,) = re.findall(r"^#SBATCH --signal=B:(\w+)@\d+$", script.read_text(encoding="utf-8"), re.M)
    return signal.Signals[f"SIG{name}"]


@pytest.mark.parametrize("is_over", [True, False])
def test_a_job_whose_time_is_over_is_put_into_the_queue_again_and_one_that_is_cancelled_is_not(is_over, tmp_path):
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "srun", WAITING)
    scontrol, notes = script(tmp_path / "bin" / "scontrol", NOTING), tmp_path / "notes"
    told = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "NOTES": str(notes)}
    told |= {"SLURM_JOB_ID": "815", "SLURM_CPUS_PER_TASK": "16"}
    process = subprocess.Popen(["bash", DEPLOY / "train.sbatch"], env={**os.environ, **told}, cwd=tmp_path)
    until = time.monotonic() + 60
    while not notes.with_name("notes.ready").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    number = warning_of(DEPLOY / "train.sbatch") if is_over else signal.SIGTERM
    process.send_signal(number)
    assert process.wait(60) in (-number, 128 + number)
    assert notes.with_name("notes.ready").read_text(encoding="utf-8") == "16\n"  # which srun gives to the task
    assert notes.exists() == is_over
    if is_over:
        assert notes.read_text(encoding="utf-8") == f"{scontrol} requeue 815\n"


@pytest.mark.slow
def test_the_slurm_script_trains_on_two_tasks(tmp_path):
    pytest.importorskip("jax", reason="several hosts need JAX: pip install 'keras-resnet-suite[jax]'")
    script(tmp_path / "srun", SRUN.format(python=sys.executable))
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "SLURM_JOB_ID": str(os.getpid()),
        "RUN_DIR": str(tmp_path / "run"),
    }
    options = ["--recipe=digits", "--network=ResNet8", "--iterations=2", "--batch-size=64", "--host-timeout=300"]
    command = ["bash", DEPLOY / "train.sbatch", *options]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "run" / "report.md").is_file()
