"""The studies of a comparison: how each is defined, and what it has found and spent as trials ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from training.comparison.images import DATA_DIR, Images, name_images, note_of
from training.comparison.seeds import letters, write_value
from training.config import SHORT
from training.config.fields import OF_THE_MACHINE, choice_of, flatten, is_of_files, name_of, shown_name
from training.config.text import write_inline
from training.run_folder import RunFolder
from tuning.report.findings import Findings
from tuning.results import RUNNING, Run, StudyResults, read_results, spent
from tuning.space.reading import searched_paths
from tuning.study import Settings, Study

SETTINGS = (*Settings.model_fields, "validation", "seed")
# What a run has of these settings, which are told by themselves, and of its machine; `read_sides` settles DATA_DIR.
TOLD = {"seed", "data.validation", "data.validation_seed", "evaluation.each_epoch", *OF_THE_MACHINE} - {DATA_DIR}


@dataclass(frozen=True, eq=False)
class Side:
    """A study of a comparison.

    Args:
        letter: str, by which tables and pictures name it.
        findings: Findings.
        definition: dict of texts, what each setting, each field and each searched field is, by name.
    """

    letter: str
    findings: Findings
    definition: dict[str, str]

    @cached_property
    def course(self) -> np.ndarray:
        """What was known as trials ended, by their numbers: array of trials, epochs of training, best score so far.

        The best is that of the trials that can be compared, as the last one is; NaN before the first of them.
        """
        results, rows, epochs, best = self.findings.results, [], 0, np.nan
        compared = {trial.id for trial in self.findings.comparable}
        better = np.fmax if results.study.sign > 0 else np.fmin  # of two, also where one is NaN
        for trial, cost in zip(results.trials, spent(results)):
            epochs += cost.epochs
            if trial.id in compared:
                best = better(best, trial.score)
            if trial.status != RUNNING:
                rows.append((len(rows) + 1, epochs, best))
        return np.array(rows, float).reshape(-1, 3)


def read_sides(folders: Sequence[Path]) -> tuple[Side, ...]:
    """Read the studies of a comparison; a ValueError says why they are none."""
    if len(folders) < 2:
        raise ValueError(f"A comparison is of two studies or more; received {len(folders)}. Name their folders.")
    places = [folder.resolve() for folder in folders]
    if twice := [folder for number, folder in enumerate(folders) if places[number] in places[:number]]:
        raise ValueError(f"{twice[0]} is named twice; name each study once.")
    found = [Findings(read_results(folder)) for folder in folders]
    for one in found[1:]:
        first, other = (f"{side.measure.name} {side.measure.place}" for side in (found[0], one))
        if first != other:
            raise ValueError(
                f"{folders[0]} is decided by {first} and {one.results.folder} by {other}; their scores cannot be "
                "compared. Leave one of them out."
            )
    fields = [fields_of(one.results) for one in found]
    # The place of image files tells which they are, but where they were only moved; of all other data it tells nothing.
    for own, name in zip(fields, name_images([images_of(*both) for both in zip(fields, found)])):
        own[DATA_DIR] = name
    return tuple(Side(letter, one, define(one.study, own)) for letter, one, own in zip(letters(), found, fields))


def fields_of(results: StudyResults) -> dict[str, Any]:
    """Give the fields of a point of a study, by path; a ValueError says why there is none."""
    study, space = results.study, results.study.parsed_space
    try:
        config = study.config(space.fields(next(space.points(coarse=True))))
    except ValueError as error:
        raise ValueError(f"{results.folder} cannot be compared: {error}") from error
    fields = flatten(config.model_dump(mode="json"))
    tested_on = {run.outcome.results.get("split") for run in tested_runs(results)}
    if not study.validation and len(tested_on) == 1:  # the default is whichever split of a few names there is
        fields["data.test_split"] = tested_on.pop()
    return fields


def images_of(fields: Mapping[str, Any], findings: Findings) -> Images:
    """Give the place of a study's image files, and what its trials have noted of them."""
    if not is_of_files(fields["data.dataset"]):
        return Images(None, frozenset())
    notes = (note_of(RunFolder(run.folder), run.outcome.results) for run in tested_runs(findings.results))
    return Images(fields[DATA_DIR], frozenset().union(*notes))


def tested_runs(results: StudyResults) -> list[Run]:
    """List the runs of the trials that have the figures of a test."""
    return [run for trial in results.trials for run in trial.runs if run.outcome and run.outcome.results]


def define(study: Study, fields: Mapping[str, Any]) -> dict[str, str]:
    """Write what decides a study, by name: its settings, the fields of its trials, and what is searched of them."""
    searched, given = searched_paths(study.space), flatten(study.fields)
    told = {*searched, *TOLD}
    fixed = {path: value for path, value in fields.items() if not {path, choice_of(path)} & told}
    # What an option of the same name builds on; the rest of a searched choice is that of one option.
    base = {path: value for path, value in given.items() if choice_of(path) in searched and path not in searched}
    return {
        **{name: write_value(getattr(study, name)) for name in SETTINGS},
        **{shown_name(path): write_value(value) for path, value in {**base, **fixed}.items()},
        **{name_of(SHORT.get(name, name)): f"searched: {write_inline(what)}" for name, what in study.space.items()},
    }


def differences(sides: Sequence[Side]) -> list[str]:
    """Name what differs in the definitions of studies, in their order."""
    names = dict.fromkeys(name for side in sides for name in side.definition)
    return [name for name in names if len({side.definition.get(name) for side in sides}) > 1]


def of_other_images(sides: Sequence[Side]) -> list[str]:
    """Name what differs in the definitions of studies that lets their scores be of other images."""
    split = ("validation", "seed") if any(side.findings.study.validation for side in sides) else ()
    images = ("dataset", "data_dir", "data.arrays", "data.train_split", "test_split", "data.on_bad_image", *split)
    differing = differences(sides)
    return [name for name in images if name in differing]
