"""The command line: `python -m training` trains; `evaluate`, `inspect` and others use what was trained."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import Positional, arg

from keras_resnet.interrupts import saying
from keras_resnet.startup import called
from training.arguments import WEIGHTS, Best, DataDir, Download, Network, Verbose, given
from training.command_line import option, run, start_training
from training.config import load_recipe, make_config, read_fields, recipe_names
from training.config.fields import lay_over
from training.config.text import read_choice
from training.exporting import export
from training.hosts.addresses import hosts_of
from training.hosts.supervisor import supervise
from training.hosts.worker import joined
from training.image_commands import explain, predict
from training.inspect_command import inspect
from training.options import read_options
from training.serving import serve

if TYPE_CHECKING:
    from training.run_folder import RunFolder

PROGRAM = called("training")
DEFAULT_RECIPE = "digits"

DESCRIPTION = f"""Train a residual network, and leave a run folder that explains itself.

Recipes: {", ".join(recipe_names())}. Every field of a recipe is an option below; its default shown is that of the
recipe chosen by --recipe, or of the YAML file given by --config. A choice of another name, as in --optimizer muon,
starts from its own defaults. Other commands:
{PROGRAM} evaluate RUN ...; {PROGRAM} compare RUN ...; {PROGRAM} inspect RUN; {PROGRAM} export RUN;
{PROGRAM} predict RUN IMAGE ...; {PROGRAM} explain RUN IMAGE ...; {PROGRAM} serve RUN --to DIR.
Each has its --help."""


@dataclass
class TrainOptions:
    """What a training run takes from the command line."""

    recipe: str = DEFAULT_RECIPE
    """Complete set of fields to start from."""
    config: Path | None = None
    """YAML file of fields that override the recipe's; a run folder's config.yaml repeats that run."""
    run_dir: Path | None = None
    """Folder to make for the run; default runs/RECIPE-TIME."""
    resume: bool = False
    """Go on with the interrupted run in --run-dir, as its config.yaml says."""
    overwrite: bool = False
    """Replace an earlier run in --run-dir."""
    export: bool = False
    """Write a SavedModel into the run folder at the end."""
    hosts: str | None = None
    """Hosts that share the run, as in node1:29400,node2:29400, the same list on each; or auto, under Slurm and in
    Kubernetes. Needs KERAS_BACKEND=jax. The first one writes the run."""
    host_index: int | None = None
    """Place of this host in --hosts, from 0 on; not with auto, which finds it."""
    host_timeout: float = 45
    """Seconds to wait at the start for the other hosts."""
    verbose: Verbose = False


@dataclass
class EvaluateOptions:
    """What an evaluation takes from the command line."""

    runs: Positional[
        Annotated[
            list[str],
            arg(
                metavar="RUN ...",
                help=f"Run folders; or weights, with --dataset: {WEIGHTS}. Of several, the ensemble is evaluated too: "
                "the mean of their probabilities.",
            ),
        ]
    ]
    network: Network = None
    dataset: str | None = None
    """Data set, registered with TFDS, or image_folder; default the run's."""
    data_dir: DataDir = None
    download: Download = False
    label_separator: str | None = None
    """What parts the labels in a CSV file; '' for a file with one label an image or a column for each class."""
    test_split: str | None = None
    """Another split than the run's."""
    views: str | None = None
    """What the network is shown of an image: single, flip, ten_crop or multi_scale, or a mapping with parameters as in
    '{name: multi_scale, sides: [32, 40]}'; default the run's."""
    batch_size: int | None = None
    """Images in a step, or views of them."""
    best: Best = False
    to: Path | None = None
    """Folder for all figures, tables and pictures: evaluation.json, classes.csv, confusion.csv and .png,
    reliability.png, mistakes.png."""
    json: bool = False
    """Print JSON."""
    verbose: Verbose = False


@dataclass
class CompareOptions:
    """What a comparison takes from the command line."""

    runs: Positional[Annotated[list[Path], arg(metavar="RUN ...")]]
    """Run folders; those that differ in nothing but the seed are one configuration."""
    to: Path | None = None
    """Folder for the curves and for the table as Markdown, CSV and LaTeX: curves.png, comparison.md, .csv and .tex."""
    verbose: Verbose = False


def train(arguments: list[str]) -> None:
    """Train a network, as the options of a command line say."""
    if hosts := hosts_of(arguments, os.environ):
        supervise(arguments, hosts)
        return
    worker = joined()
    base, origin = starting_fields(arguments)
    shown = make_config({}, origin, base)
    options, changes = read_options(TrainOptions(), arguments, shown, PROGRAM, DESCRIPTION)
    config = make_config(changes, base=base)
    if worker:
        worker.agree_on_settings(config, vars(options))
    if config.deterministic and os.environ["KERAS_BACKEND"] == "jax":  # before it starts; the user's flags decide
        os.environ.setdefault("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    start_training()
    if worker:
        worker.connect()
    from training.run import RunFolder, default_folder
    from training.run import train as train_network

    folder = RunFolder(options.run_dir) if options.run_dir else default_folder(options.recipe)
    with saying(lambda: how_to_go_on(folder)):
        results = train_network(config, folder, options.resume, options.overwrite, options.export, worker=worker)
    print_results(results)
    print("\n".join(whereabouts(folder)))


def how_to_go_on(folder: RunFolder) -> str:
    """Say what is left of a run that is stopped, and how to go on with it; nothing where it has not begun."""
    if not folder.model_file.is_file():
        return ""
    again = f"{PROGRAM} --run-dir {shlex.quote(str(folder.path))} --resume"
    return f"\nStopped. {folder.path} holds everything up to the last complete epoch. Go on with: {again}\n"


def whereabouts(folder: RunFolder) -> list[str]:
    """Say where the results of a run lie, and what to do with them next."""
    run_dir, exported = shlex.quote(str(folder.path)), folder.savedmodel.is_dir()
    return [
        f"run folder {folder.path}",
        f"  network  {folder.model_file}",
        f"  report   {folder.report_file}",
        *([f"  serving  {folder.savedmodel}"] if exported else []),
        "Next:",
        f"  {PROGRAM} predict {run_dir} IMAGE ...",
        f"  {PROGRAM} {'evaluate' if exported else 'export'} {run_dir}",
    ]


def starting_fields(arguments: list[str]) -> tuple[dict[str, Any], str]:
    """Read the recipe and the YAML file that the options lie over, and say where their fields come from."""
    recipe, config = option(arguments, "--recipe"), option(arguments, "--config")
    if "--resume" in arguments and not (recipe or config) and (run := option(arguments, "--run-dir")):
        config = str(Path(run, "config.yaml"))
    name = recipe or DEFAULT_RECIPE
    fields = load_recipe(name) if recipe or not config else {}
    if not config:
        return fields, f"recipe {name!r}"
    return lay_over(fields, read_fields(Path(config), fields), config), config


def evaluate(arguments: list[str]) -> None:
    """Evaluate the networks of run folders, or of files of weights, on a test split; several also as an ensemble."""
    options = tyro.cli(EvaluateOptions, prog=f"{PROGRAM} evaluate", description=evaluate.__doc__, args=arguments)
    if not options.runs:
        raise ValueError("No run is given: name run folders, or weights with --dataset.")
    start_training()
    from training.evaluation.candidates import open_named
    from training.evaluation.ensembles import evaluate_together

    changes = given(options, ("dataset", "data_dir", "download", "test_split", "batch_size"))
    if options.label_separator is not None:
        changes["data.label_separator"] = options.label_separator or None
    if options.views is not None:
        changes["evaluation.views"] = read_choice("views", options.views)
    progress = sys.stdout.isatty() and not options.json
    candidates = (open_named(run, options.network, changes, options.best) for run in options.runs)
    if len(options.runs) == 1 and options.to is None:
        results = next(candidates).evaluate(progress)
    else:
        results = evaluate_together(candidates, options.to, progress)
    if options.json:
        print(json.dumps(results))
        return
    print_results(results)
    if options.to:
        print(f"files {options.to}")


def compare(arguments: list[str]) -> None:
    """Compare runs: their curves, their test errors over seeds, and what differs between them."""
    options = tyro.cli(CompareOptions, prog=f"{PROGRAM} compare", description=compare.__doc__, args=arguments)
    start_training()
    from training.comparison.comparing import compare_runs
    from training.run_folder import RunFolder

    print(compare_runs([RunFolder(run) for run in options.runs], options.to), end="")


def print_results(results: dict[str, Any], indent: str = "") -> None:
    """Print results, one a line; those of each run of several, and of their ensemble, below its name."""
    for name, value in results.items():
        if name == "runs":
            for own in value:
                print(own["run"])
                print_results({key: figure for key, figure in own.items() if key != "run"}, "  ")
        elif isinstance(value, dict):
            print(name)
            print_results(value, "  ")
        else:
            print(f"{indent}{name} {value:.4f}" if isinstance(value, float) else f"{indent}{name} {value}")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "evaluate": evaluate,
    "compare": compare,
    "inspect": inspect,
    "predict": predict,
    "explain": explain,
    "export": export,
    "serve": serve,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; every error becomes one sentence and an exit status."""
    return run(COMMANDS, train, arguments, "train")


if __name__ == "__main__":
    sys.exit(main())
