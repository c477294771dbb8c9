"""Runs sorted by configuration: those that differ in nothing but the seed are repetitions of one."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.comparison.images import DATA_DIR, SPLITTING, images_of, name_images
from training.config.fields import OF_THE_MACHINE, choice_of, flat_config, is_of_files, shown_name
from training.config.text import write_inline
from training.run_folder import RunFolder
from training.tasks import Task, task_of

# Fields that decide which images are trained and tested on.
OF_THE_IMAGES = ("data.dataset", DATA_DIR, "data.arrays", *SPLITTING)


@dataclass(frozen=True, eq=False)
class Run:
    """A run as far as it has come.

    Args:
        folder: RunFolder.
        seed: int.
        fields: dict of all other fields of its configuration by path, but those of the machine; of image files also
            their place, for it is the data set.
        rows: list of dicts, the metrics of each epoch.
    """

    folder: RunFolder
    seed: int
    fields: dict[str, Any]
    rows: list[dict[str, float]]

    @property
    def epochs(self) -> int:
        """Complete epochs."""
        return int(self.rows[-1]["epoch"])

    @property
    def is_finished(self) -> bool:
        """Whether it has written its report, which comes last."""
        return self.folder.report_file.is_file()

    @property
    def task(self) -> Task:
        """What the labels of its images are."""
        return task_of(self.rows[0])

    def curve(self, name: str) -> np.ndarray:
        """Give a metric of each epoch; "figure" and "val_figure", the error or what else its task shows, in %."""
        if name.endswith("figure"):
            return self.task.shown(self.curve(name.replace("figure", self.task.measure)))
        return np.array([row[name] for row in self.rows])


@dataclass(frozen=True, eq=False)
class Configuration:
    """Runs that differ in nothing but the seed.

    Args:
        letter: str, by which tables and curves name it.
        runs: tuple of Runs, by seed.
        differing: dict of the fields in which it differs from another configuration, by path.
        briefly: dict of the same in a few words each.
    """

    letter: str
    runs: tuple[Run, ...]
    differing: dict[str, Any]
    briefly: dict[str, str]

    @property
    def label(self) -> str:
        """The letter, and in a few words what is special."""
        named = {f"{choice_of(path)}.name" for path in self.differing} & self.differing.keys()
        said = [
            _said(path, self.briefly[path])
            for path, value in self.differing.items()
            # A choice of another name is told without its parameters.
            if value is not None and (path in named or f"{choice_of(path)}.name" not in named)
        ]
        return f"{self.letter}: {', '.join(said) or self.network}"

    @property
    def network(self) -> str:
        """The name of the network, where the configuration has one."""
        return self.runs[0].fields["network.name"] or "network of its weights"

    def last(self, name: str) -> np.ndarray:
        """Give a metric of the last epoch of each run."""
        return np.array([run.curve(name)[-1] for run in self.runs])


def _said(path: str, value: str) -> str:
    """Write a field and its value; a network by its name alone."""
    return value if path == "network.name" else f"{shown_name(path)} {value}"


def in_brief(values: Sequence[Any]) -> list[str]:
    """Write the values of a field for curves; lists of choices by their names alone, where these tell them apart."""
    whole = [write_value(value) for value in values]
    if not all(isinstance(value, tuple) and all(isinstance(one, dict) for one in value) for value in values):
        return whole
    names = ["+".join(choice["name"] for choice in value) or "none" for value in values]
    return names if len(set(names)) == len(set(whole)) else whole


def write_value(value: Any) -> str:
    """Write a value of a field in one line, as a configuration has it; a dash for a field that is not there."""
    plain = list(value) if isinstance(value, tuple) else value
    return "−" if value is None else write_inline(plain)


def read_run(folder: RunFolder) -> Run:
    """Read configuration and metrics of a run, also of version 0.1.0; raise an error where no epoch is complete."""
    fields = flat_config(folder.read_config())
    rows = folder.read_metrics()
    if not rows:
        raise ValueError(f"{folder.path} has no complete epoch yet; leave it out.")
    kept = {path: value for path, value in fields.items() if path not in (*OF_THE_MACHINE, "seed")}
    place = {DATA_DIR: str(fields[DATA_DIR])} if is_of_files(fields["data.dataset"]) else {}
    return Run(folder, fields["seed"], {**kept, **place}, rows)


def name_moved(runs: Sequence[Run]) -> list[Run]:
    """Let image files that lie elsewhere have the place of the first run that is known to be of the same.

    Those that lie where the images of another run did, and are others, have a place of their own.
    """
    names = name_images([images_of(run.folder, run.fields) for run in runs])
    return [replace(run, fields={**run.fields, DATA_DIR: name}) if name else run for run, name in zip(runs, names)]


def sort_by_configuration(runs: Sequence[Run]) -> list[Configuration]:
    """Put runs together that differ in nothing but the seed.

    Args:
        runs: sequence of Runs.

    Returns:
        List of Configurations, in the order of their first runs.

    Raises:
        ValueError: two runs have the same seed too, so that a deviation over seeds would be too small; or their images
            have other numbers of labels.
    """
    for run in runs:
        if run.task is not runs[0].task:
            raise ValueError(
                f"{runs[0].folder.path} is of images with {runs[0].task.labels} of the classes and {run.folder.path} "
                f"of images with {run.task.labels}; their figures cannot be compared. Leave one of them out."
            )
    groups: list[list[Run]] = []
    for run in name_moved(runs):
        own = next((group for group in groups if group[0].fields == run.fields), None)
        if own is None:
            groups.append([run])
            continue
        for other in own:
            if other.seed == run.seed:
                raise ValueError(
                    f"{other.folder.path} and {run.folder.path} have the same configuration and the same seed, "
                    f"{run.seed}; name one of them."
                )
        own.append(run)
    paths = list(_differing(group[0].fields for group in groups))
    differing = [{path: group[0].fields.get(path) for path in paths} for group in groups]
    columns = {path: in_brief([own[path] for own in differing]) for path in paths}
    briefly = [{path: column[place] for path, column in columns.items()} for place in range(len(groups))]
    ordered = (tuple(sorted(group, key=lambda run: run.seed)) for group in groups)
    return [Configuration(*parts) for parts in zip(letters(), ordered, differing, briefly)]


def _differing(configurations: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Name the fields in which configurations differ, in their order."""
    first, *others = configurations
    for path in dict.fromkeys(path for fields in (first, *others) for path in fields):
        if any(fields.get(path) != first.get(path) for fields in others):
            yield path


def letters() -> Iterator[str]:
    """Count A, B, ..., Z, A2, B2, ..."""
    yield from string.ascii_uppercase
    number = 2
    while True:
        yield from (f"{letter}{number}" for letter in string.ascii_uppercase)
        number += 1
