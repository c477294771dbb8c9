"""Folders of made-up studies, with effects that are known."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tuning.results import COMPLETED, TRIALS, Outcome, Run, StudyResults, TrialResult, read_results
from tuning.study import Study, make_study

FIELDS = {"network": "ResNet20", "dataset": "digits", "epochs": 8}
COLUMNS = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate")


def make_trial(values: dict, *scores: float, name: str = "", epochs: int = 8, status: str = COMPLETED) -> TrialResult:
    """Make a trial that lies in no folder, with a run for each score."""
    runs = tuple(Run(Path(), seed, Outcome(status, score, epochs=epochs), []) for seed, score in enumerate(scores))
    return TrialResult(name, values, values, epochs, runs)


def write_study(folder: Path, space: Mapping[str, Any], **settings) -> Study:
    study = make_study({"trials": 100, "fields": FIELDS, "repeats": 3, **settings, "space": space}, "a test")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(study.to_yaml(), encoding="utf-8")
    return study


def write_trial(
    folder: Path,
    study: Study,
    name: str,
    values: Mapping[str, Any],
    scores: list[float | None],
    part: str = TRIALS,
    epochs: int = 8,
    **outcome,
) -> None:
    """Write a trial with a run for each score; a run whose score is None, and without a status, has not ended."""
    place = folder / part / name
    place.mkdir(parents=True)
    facts = {"values": values, "fields": study.parsed_space.fields(values), "epochs": epochs}
    (place / "trial.json").write_text(json.dumps({**facts, "seeds": list(range(len(scores)))}), encoding="utf-8")
    for seed, score in enumerate(scores):
        run = place / f"seed-{seed}"
        run.mkdir()
        write_metrics(run, study.objective, score, outcome.get("epochs_made", epochs))
        if score is not None or "status" in outcome:
            ended = make_outcome(score, epochs, seed, **outcome)
            (run / "outcome.json").write_text(json.dumps(asdict(ended)), encoding="utf-8")


def make_outcome(score: float | None, epochs: int, seed: int, epochs_made: int | None = None, **facts) -> Outcome:
    results = {} if score is None else {"split": "test", "examples": 360, "accuracy": score, "loss": 1.0 - score}
    usual = {"seconds": 10.0 + seed, "parameters": 270_000, "multiply_adds": 2_500_000, "status": COMPLETED}
    made = epochs if epochs_made is None else epochs_made
    return Outcome(**{**usual, **facts, "score": score, "epochs": made, "results": results})


def write_metrics(run: Path, objective: str, score: float | None, epochs: int) -> None:
    """Write a curve whose validation objective ends at the score."""
    if not epochs:
        return
    end = 0.5 if score is None else score
    accuracy = end if objective == "accuracy" else 1 - end
    with open(run / "metrics.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for epoch in range(1, epochs + 1):
            now = accuracy - (accuracy - 0.1) * 0.5**epoch * (epoch < epochs)
            writer.writerow([epoch, now, 1 - now, now, 1 - now, 0.1])


def fill(
    folder: Path, study: Study, points: list[dict], score: Callable[[dict], float], noise: float, seeds: int = 3
) -> StudyResults:
    """Write a trial for each point, its scores spread around the true one."""
    generator = np.random.default_rng(0)
    for number, values in enumerate(points):
        true = score(values)
        scores = [float(true + noise * draw) for draw in generator.standard_normal(seeds)]
        write_trial(folder, study, f"{number:04d}", values, scores)
    return read_results(folder)
