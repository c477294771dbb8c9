"""The studies of a comparison: how each is defined, and what it has found and spent as trials ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from training.comparison.seeds import letters, write_value
from training.config import SHORT
from training.config.fields import OF_THE_MACHINE, choice_of, flatten, name_of, shown_name
from training.config.text import write_inline
from tuning.report.findings import Findings
from tuning.results import RUNNING, read_results, spent
from tuning.space.reading import searched_paths
from tuning.study import Settings, Study

SETTINGS = (*Settings.model_fields, "validation", "seed")
# What a run has of these settings, which are told by themselves, and of its machine.
TOLD = ("seed", "data.validation", "data.validation_seed", "evaluation.each_epoch", *OF_THE_MACHINE)


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
    return tuple(Side(letter, one, define(one.results.folder, one.study)) for letter, one in zip(letters(), found))


def define(folder: Path, study: Study) -> dict[str, str]:
    """Write what decides a study, by name: its settings, the fields of its trials, and what is searched of them."""
    space, searched, given = study.parsed_space, searched_paths(study.space), flatten(study.fields)
    try:
        config = study.config(space.fields(next(space.points(coarse=True))))
    except ValueError as error:
        raise ValueError(f"{folder} cannot be compared: {error}") from error
    fields = flatten(config.model_dump(mode="json"))
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
    images = ("dataset", "data.arrays", "data.train_split", "data.on_bad_image", *split)
    differing = differences(sides)
    return [name for name in images if name in differing]
