"""The command line: `python -m tuning` searches, `study` shows what papers claim; others tell of a study or help it."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import Positional, arg

from keras_resnet.interrupts import saying
from keras_resnet.startup import called, start_keras
from training.__main__ import DEFAULT_RECIPE
from training.command_line import option, run
from training.config import load_recipe, make_config, recipe_names
from training.config.fields import flatten, lay_over, shown_name
from training.config.files import read_mapping
from training.hosts.addresses import parse_address
from training.options import read_options
from tuning.claims import ENSEMBLE, Claim, Published, absent
from tuning.engine.access import Access, check_name, read_access, wait_for_access
from tuning.packaged import SIZES, STUDIES, packaged_study
from tuning.space.reading import DECIDED, default_space, parse_space
from tuning.study import Settings, Study, fields_of, make_study, without_decided, without_searched

if TYPE_CHECKING:
    from tuning.results import StudyResults

PROGRAM = called("tuning")
SETTINGS = {"seed", "data.validation"}  # the options of a run that are settings of a study
DEFAULT_SEARCH = "activation,shortcut,placement,optimizer"

DESCRIPTION = f"""Search which choices learn best, and leave a study folder that explains itself.

Recipes: {", ".join(recipe_names())}. Every field of a recipe is an option below, and holds for all trials unless it is
searched. The test set chooses nothing: a validation split of the training set does, and only the best few are tested.
Other commands: {PROGRAM} study NAME, of {", ".join(STUDIES)}; {PROGRAM} status STUDY; {PROGRAM} report STUDY;
{PROGRAM} compare STUDY STUDY; {PROGRAM} export STUDY --to FILE.csv or FILE.db; {PROGRAM} work STUDY, on another host.
Each has its --help."""


@dataclass
class SearchOptions:
    """What a search takes from the command line."""

    settings: Annotated[Settings, arg(name="")]
    recipe: str = DEFAULT_RECIPE
    """Complete set of fields that all trials start from."""
    config: Path | None = None
    """YAML file of a study: its settings, space and fields; a study folder's study.yaml repeats that study."""
    search: str | None = None
    """Fields to search, joined by commas, in the ranges that come with the package; default of no --config:
    activation,shortcut,placement,optimizer."""
    study_dir: Path | None = None
    """Folder of the study, to make or to go on with; default studies/RECIPE-TIME."""
    workers: int = 1
    """Processes on this machine that run trials; they share out cores and GPUs."""
    chief: str | None = None
    """HOST:PORT at which to serve workers of other machines, which must see the study folder."""
    tls: tuple[Path, Path] | None = None
    """Files in PEM, a certificate for the host of --chief and its key, to encrypt the calls of other machines by."""
    verbose: bool = False
    """Show what TensorFlow and others log and warn of."""


@dataclass
class ExportOptions:
    """What an export takes from the command line."""

    study: Positional[Path]
    """Study folder."""
    to: Path
    """File to write: NAME.csv, a row for each run; NAME.db or NAME.sqlite3, a storage of Optuna, for its dashboard."""
    overwrite: bool = False
    """Replace a file that is there."""
    verbose: bool = False
    """Show what TensorFlow and others log and warn of."""


@dataclass
class CompareOptions:
    """What a comparison takes from the command line."""

    studies: Positional[list[Path]]
    """Study folders, two or more; all others are compared with the first."""
    to: Path | None = None
    """Folder for the page with its picture, comparison.md and .html, and for the scores of all points as CSV."""
    verbose: bool = False
    """Show what TensorFlow and others log and warn of."""


@dataclass
class ReportOptions:
    """What a report, or a look at how a study stands, takes from the command line."""

    study: Positional[Path]
    """Study folder."""
    verbose: bool = False
    """Show what TensorFlow and others log and warn of."""


def own_name() -> str:
    """Name this process as a worker."""
    return f"{re.sub('[^A-Za-z0-9.-]', '-', socket.gethostname())[:40] or 'host'}-{os.getpid()}"


@dataclass
class WorkOptions:
    """What a worker takes from the command line."""

    study: Positional[Path]
    """Study folder, seen by the chief too."""
    chief: str | None = None
    """HOST:PORT of the chief; default as it has written into the study folder."""
    name: str = field(default_factory=own_name)
    """Name unlike that of any other worker; default host and process."""
    wait: float = 600.0
    """Seconds to wait for a chief that has not started, or is away."""
    verbose: bool = False
    """Show what TensorFlow and others log and warn of."""


def run_search(arguments: list[str]) -> None:
    """Search."""
    config = option(arguments, "--config")
    described = read_mapping(Path(config)) if config else {}
    options, study = read_search(described, arguments, config)
    folder = options.study_dir or Path("studies", f"{options.recipe}-{time.strftime('%Y%m%d-%H%M%S')}")
    results = carry_out(study, folder, options)
    if not results.ranked():
        raise ValueError(f"No trial of {folder} has a score; its report.md says why.")
    print(f"report {folder / 'report.html'}")
    if study.validation:
        print(f"train the best: {called('training')} --config {shlex.quote(str(folder / 'best.yaml'))}")


def run_packaged(arguments: list[str]) -> None:
    """Carry out a study that comes with the package, or go on with it."""
    sizes = {f"--{size}": size for size in SIZES}
    if not arguments or arguments[0].startswith("-"):
        print(f"{PROGRAM} study NAME [{' or '.join(sizes)}], with the options of {PROGRAM}, of:")
        print("\n".join(f"  {name:15} {packaged_study(name)['title']}" for name in STUDIES))
        return
    name, *others = arguments
    if config := option(others, "--config"):
        raise ValueError(
            f"--config {config} would be lost: study {name} has a file of its own. Leave it out; or leave out study "
            f"{name}, to search as the file says."
        )
    asked = [sizes[word] for word in others if word in sizes]
    size = max(asked, key=SIZES.index, default=None)
    described = packaged_study(name, size)
    options, study = read_search(described, [word for word in others if word not in sizes])
    folder = options.study_dir or Path("studies", f"{name}-{size}" if size else name)
    carry_out(study, folder, options)
    print(f"report {folder / 'report.html'}")


def read_search(
    described: dict[str, Any], arguments: list[str], config: str | None = None
) -> tuple[SearchOptions, Study]:
    """Read the options of a search, which lie over what is described in a file."""
    written = described.pop("recipe", None)  # also where another takes its place
    recipe = option(arguments, "--recipe") or written or (None if config else DEFAULT_RECIPE)
    # The fields that the options lie over: those of the recipe and of the study file.
    own = {"seed": described.get("seed", 0), "validation": described.get("validation", 0.1)}
    base = lay_over(lay_over(load_recipe(recipe) if recipe else {}, fields_of(described, config or "the study")), own)
    settings = Settings(**{name: described[name] for name in Settings.model_fields if name in described})
    shown = make_config({}, config or f"recipe {recipe!r}", base)
    own = SearchOptions(settings, recipe or "study", Path(config) if config else None)
    options, changes = read_options(own, arguments, shown, PROGRAM, DESCRIPTION)
    return options, study_of(options, described, changes, base)


def carry_out(study: Study, folder: Path, options: SearchOptions) -> StudyResults:
    """Run a study in its folder."""
    from tuning.engine.jobs import processes

    if options.tls and not options.chief:
        raise ValueError("--tls encrypts the calls of other machines; give --chief, at which to serve them, too.")
    processes()
    start_keras()
    from tuning.engine.service import Outside
    from tuning.search import run_study

    outside = Outside(options.chief, *(options.tls or ())) if options.chief else None
    with saying(lambda: how_to_go_on(folder)):
        return run_study(study, folder, options.workers, outside)


def how_to_go_on(folder: Path) -> str:
    """Say what is left of a study that is stopped, and how to go on with it; nothing where it has not begun."""
    if not (folder / "study.yaml").is_file():
        return ""
    again = shlex.join(["--config", str(folder / "study.yaml"), "--study-dir", str(folder)])
    return f"\nStopped. {folder} holds all trials that have ended. Go on with: {PROGRAM} {again}\n"


def study_of(
    options: SearchOptions, described: Mapping[str, Any], changes: Mapping[str, Any], base: Mapping[str, Any]
) -> Study:
    """Make the study that the command line describes, over the settings of its file; `changes` are the fields given."""
    space = described.get("space") or {}
    if options.search is not None or not described:
        named = DEFAULT_SEARCH if options.search is None else options.search
        space = default_space([name.strip() for name in named.split(",") if name.strip()])
    given, config = flatten(changes), make_config(changes, base=base)
    if both := given.keys() - without_searched(given, space).keys():
        names = " and ".join(sorted({"--" + shown_name(path).replace("_", "-") for path in both}))
        raise ValueError(f"{names} would be lost: this study searches it. Leave it out, or search something else.")
    for path in sorted(given.keys() & DECIDED.keys() - SETTINGS):
        raise ValueError(f"--{path.replace('_', '-')} would be lost: {DECIDED[path]}. Leave it out.")
    common = without_decided(without_searched(flatten(config.model_dump(mode="json")), space))
    fields = {path: value for path, value in common.items() if value is not None}
    own = {"seed": config.seed, "validation": config.data.validation, "fields": fields, "space": space}
    settings = {**described, **options.settings.model_dump(), **own}
    if options.search is not None:
        settings |= statements_about(space, described)
    return make_study(settings, str(options.config or "options"))


def statements_about(space: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Pick the claims of a study, and what is published, that are about a space that took the place of its own."""
    kinds = {name: kind for name, kind in (("claims", Claim), ("published", Published)) if described.get(name)}
    ensembles = [{ENSEMBLE: ensemble["name"]} for ensemble in described.get("ensembles", ())]
    points = [*parse_space(space).points(coarse=True), *ensembles] if kinds else []
    picked = {
        name: [one for one in described[name] if absent(kind(**one), points) is None] for name, kind in kinds.items()
    }
    if left := sum(len(described[name]) - len(kept) for name, kept in picked.items()):
        print(f"{left} claims and published errors are about what --search does not name, and are left out.")
    return picked


def report(arguments: list[str]) -> None:
    """Write the report of a study, complete or not."""
    options = tyro.cli(ReportOptions, prog=f"{PROGRAM} report", description=report.__doc__, args=arguments)
    start_keras()
    from tuning.report.tables import found_text
    from tuning.report.writing import write_report
    from tuning.results import read_results

    write_report(options.study)
    print(found_text(read_results(options.study)))
    print(f"report {options.study / 'report.html'}")


def status(arguments: list[str]) -> None:
    """Say how a study stands: what has ended, what runs where, what is best so far, how long it still takes."""
    options = tyro.cli(ReportOptions, prog=f"{PROGRAM} status", description=status.__doc__, args=arguments)
    start_keras()
    from tuning.status import read_status, status_text

    print(status_text(read_status(options.study)))


def compare(arguments: list[str]) -> None:
    """Compare studies: what they found at what cost, what differs between them, and the points that they share."""
    options = tyro.cli(CompareOptions, prog=f"{PROGRAM} compare", description=compare.__doc__, args=arguments)
    start_keras()
    from tuning.comparison.comparing import compare_studies

    print(compare_studies(options.studies, options.to))
    if options.to:
        print(f"\ncomparison {options.to / 'comparison.html'}")


def export(arguments: list[str]) -> None:
    """Write a study for other programs: all runs as CSV, or the study as a storage of Optuna, for its dashboard."""
    options = tyro.cli(ExportOptions, prog=f"{PROGRAM} export", description=export.__doc__, args=arguments)
    start_keras()
    from tuning.exporting import export_study

    what, left_out = export_study(options.study, options.to, options.overwrite)
    print(f"{what} {options.to}")
    if left_out:
        print(left_out)


def work(arguments: list[str]) -> None:
    """Run trials for the chief of a study on another machine."""
    options = tyro.cli(WorkOptions, prog=f"{PROGRAM} work", description=work.__doc__, args=arguments)
    from tuning.engine.jobs import Share, processes
    from tuning.study import read_study

    access = access_to(options)  # whose chief has written the study
    study = read_study(options.study)
    processes()
    start_keras()
    from tuning.data_record import check_data
    from tuning.engine import workers

    source = workers.data_of(study)
    planned = workers.planned_epochs(study, source)
    check_data(options.study, source)

    def find() -> Access:
        found = read_access(options.study)
        return found._replace(address=options.chief or found.address) if found.address else found

    own = {"share": Share(), "patience": options.wait, "find": find}
    workers.work(options.study, planned, access, options.name, **own)


def access_to(options: WorkOptions) -> Access:
    """Find how to reach the chief of a study, and wait for it; a ValueError says what is wrong, or not there."""
    if options.chief:
        parse_address(options.chief, "--chief")
    check_name(options.name)
    access = wait_for_access(options.study, options.wait)
    return access._replace(address=options.chief or access.address)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "compare": compare,
    "export": export,
    "report": report,
    "status": status,
    "study": run_packaged,
    "work": work,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; whatever goes wrong ends in one sentence."""
    return run(COMMANDS, run_search, arguments, "train,tune")


if __name__ == "__main__":
    sys.exit(main())
