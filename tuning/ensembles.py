"""Ensembles of a study: the networks of several points, of the same seed, tested together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from training.config import FIELDS
from training.config.fields import flatten
from tuning.claims import ENSEMBLE, Ensemble, has
from tuning.results import (
    COMPLETED,
    ENSEMBLES,
    Outcome,
    Run,
    TrialResult,
    read_outcome,
    read_results,
    with_untried,
    write_outcome,
    write_trial,
)
from tuning.space.reading import PLACE
from tuning.study import Study


def members_of(ensemble: Ensemble, trials: Sequence[TrialResult]) -> list[TrialResult]:
    """Find the trials whose networks answer together; none where one of them has not ended, or not well.

    `trials` are those of all points, also of such as have not begun.
    """
    members = [trial for trial in trials if any(has(trial.values, where) for where in ensemble.of)]
    complete = all(any(has(trial.values, where) for trial in members) for where in ensemble.of)
    return members if complete and all(trial.status == COMPLETED for trial in members) else []


def run_ensembles(study: Study, folder: Path) -> None:
    """Test the ensembles of a study, once for each seed; what was tested before stays.

    Args:
        study: Study.
        folder: Path of its folder, in which the trials have ended.

    Raises:
        ValueError: a network cannot be read.
        OSError: a file cannot be written.
    """
    trials = with_untried(read_results(folder))
    for number, ensemble in enumerate(study.ensembles):
        members, place = members_of(ensemble, trials), folder / ENSEMBLES / f"{number:04d}"
        if not members:
            print(f"ensemble {ensemble.name}: not tested, for not all of its networks are trained", flush=True)
            continue
        seeds = [run.seed for run in members[0].runs]
        write_trial(place, {"values": {ENSEMBLE: ensemble.name}, "fields": {}, "epochs": 0, "seeds": seeds})
        for seed in seeds:
            before = read_outcome(place / f"seed-{seed}")
            if before is not None and before.status == COMPLETED:
                continue
            runs = [run for trial in members for run in trial.runs if run.seed == seed]
            outcome = tested_together(runs, study)
            write_outcome(place / f"seed-{seed}", outcome)
            print(f"ensemble {ensemble.name}, seed {seed}: {study.objective} {outcome.score:.4f}", flush=True)


def tested_together(runs: Sequence[Run], study: Study) -> Outcome:
    """Test networks on their test split, where the mean of their probabilities is the answer.

    Data and devices are where the study has them now, which may be elsewhere than when the networks were trained.

    Source: arXiv 1512.03385, Table 5, an ensemble of networks of different depth.
    """
    from training.evaluation.candidates import open_run
    from training.evaluation.ensembles import evaluate_together
    from training.run_folder import RunFolder

    began, common = time.perf_counter(), flatten(study.fields)
    place = {path: common.get(path, FIELDS[path].default) for path in PLACE}
    results = evaluate_together(open_run(RunFolder(run.folder), place) for run in runs)
    return Outcome(
        COMPLETED,
        score=results["ensemble"][study.objective],
        results={**results["ensemble"], "split": results["split"], "examples": results["examples"]},
        seconds=time.perf_counter() - began,
        parameters=sum(run.outcome.parameters for run in runs),
        multiply_adds=sum(run.outcome.multiply_adds for run in runs),
    )
