"""What a search costs beside its training: seconds of the chief and of the report, and memory, by number of trials.

    python benchmarks/many_trials.py                    125, 250 and 500 trials, each number in a process of its own
    python benchmarks/many_trials.py --trials 1000

A trial computes nothing: it is asked for, its files are written with made-up curves and scores, and it ends, all
through the chief that serves workers, without the network between. What is measured is keeping the state, which is
written whole twice a trial, and the report of all trials with its pictures. If both are linear, the time a trial takes
stays the same.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import prepare_process, print_machine
from options import described, in_a_sentence, positive

EPOCHS, SEEDS = 20, 3
SPACE = {
    "activation": ["relu", "elu", "gelu", "tanh"],
    "shortcut": ["A", "B", "none"],
    "learning_rate": {"low": 0.01, "high": 0.5, "scale": "log"},
}


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = described(__doc__)
    parser.add_argument("--trials", type=positive, nargs="+", default=[125, 250, 500], help="numbers of trials")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # what the processes of their own are told
    options = parser.parse_args(arguments)
    prepare_process()
    if options.one:
        measure(options.one)
        return 0
    print_machine()
    print("\n| trials | chief, s | ms a trial | report, s | ms a trial | memory, MiB |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    for trials in options.trials:
        subprocess.run([sys.executable, __file__, "--one", str(trials)], check=True)
    return 0


def measure(trials: int) -> None:
    """Search with so many trials, write the report, and print a row of the table."""
    from tuning.report.writing import write_report

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        search(Path(folder), trials)
        searched = time.perf_counter()
        write_report(Path(folder))
        ended = time.perf_counter()
    chief, report = searched - began, ended - searched
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # of kilobytes, on Linux
    row = (trials, f"{chief:.1f}", f"{1000 * chief / trials:.0f}", f"{report:.1f}", f"{1000 * report / trials:.0f}")
    print(f"| {' | '.join(map(str, row))} | {memory:.0f} |", flush=True)


def search(folder: Path, trials: int) -> None:
    """Take trials from a chief, and end each at once, as a worker does."""
    from tuning.engine.access import Caller
    from tuning.engine.chief import Chief
    from tuning.engine.tuners import make_oracle
    from tuning.study import STUDY_FILE, make_study

    fields = {"network": "ResNet20", "dataset": "digits", "epochs": EPOCHS}
    described = {"fields": fields, "space": SPACE, "trials": trials, "repeats": SEEDS}
    study = make_study(described, "the benchmark")
    (folder / STUDY_FILE).write_text(study.to_yaml(), encoding="utf-8")
    chief, caller = Chief(make_oracle(study, EPOCHS), folder), Caller("host", "session", 0)
    while True:
        trial, attempt = chief.create(caller)
        if trial.status != "RUNNING":
            return
        holder, score = caller._replace(attempt=attempt), write_runs(folder, study, trial)
        chief.update(holder, trial.trial_id, {study.objective: score})
        chief.end(holder, trial.trial_id, "COMPLETED")


def write_runs(folder: Path, study, trial) -> float:
    """Write the files of a trial whose score follows from its point; return the score."""
    from tuning.results import COMPLETED, TRIALS, Outcome, write_outcome, write_trial

    values = study.parsed_space.active(trial.hyperparameters.values)
    place, fields = folder / TRIALS / trial.trial_id, study.parsed_space.fields(values)
    write_trial(place, {"values": values, "fields": fields, "epochs": EPOCHS, "seeds": list(range(SEEDS))})
    score = 0.5 + 0.2 * (values["activation"] == "gelu") + 0.1 * values["learning_rate"]
    for seed in range(SEEDS):
        own = score + 0.01 * seed
        results = {"split": "validation of train", "accuracy": own, "loss": 1 - own}
        facts = {"epochs": EPOCHS, "seconds": 10.0, "parameters": 270_000, "multiply_adds": 41_000_000}
        write_outcome(place / f"seed-{seed}", Outcome(COMPLETED, own, results, **facts))
        write_curve(place / f"seed-{seed}" / "metrics.csv", own)
    return score + 0.01


def write_curve(file: Path, end: float) -> None:
    """Write a learning curve that comes near a score."""
    with open(file, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"])
        for epoch in range(1, EPOCHS + 1):
            now = end * (1 - 0.8**epoch)
            writer.writerow([epoch, now, 1 - now, now, 1 - now, 0.1])


if __name__ == "__main__":
    sys.exit(main())
