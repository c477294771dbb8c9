"""Enter a run of `python -m training` as a result of a row, or print the command that makes such a run.

    python benchmarks/reproduce/enter.py resnet20 --print-command --data-dir DIR --seed 0
    python benchmarks/reproduce/enter.py resnet20 runs/resnet20-0 --device "AMD EPYC 7B13, 2 cores"
    python benchmarks/reproduce/enter.py resnet20 runs/resnet20-0 --device "NVIDIA H100" --precision tf32

A run is entered when it is finished, and its configuration that of the row in every field that decides the result. Its
error is that of its last test, whose figures it leaves in test.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results import RESULTS, Result, append, current_commit
from rows import FOLDER, Row, pick, read_all

if TYPE_CHECKING:
    from training.config import RunConfig
    from training.run_folder import RunFolder

ROOT = FOLDER.parents[1]
# Fields that leave the recipe as it is, beside those of the machine: which run it is; how it computes, for the
# precision is a column of the results; and whether it was tested before its last epoch too, which teaches it nothing.
FREE = (
    "seed",
    "deterministic",
    "hardware.dtype",
    "hardware.jit_compile",
    "hardware.steps_per_execution",
    "evaluation.each_epoch",
)


def command_of(row: Row, data_dir: str = "DIR", seed: int = 0) -> str:
    """Write the command line that trains a row.

    Args:
        row: Row.
        data_dir: str, where TFDS keeps its data.
        seed: int.

    Returns:
        str, to be run in the root of the repository.
    """
    from training.config.fields import SHORT, name_of

    is_file = row.recipe.endswith(".yaml")
    recipe = str((FOLDER / row.recipe).relative_to(ROOT)) if is_file else row.recipe
    words = ["python", "-m", "training", "--config" if is_file else "--recipe", recipe]
    for name, value in {**row.fields(), "data_dir": data_dir, "seed": seed}.items():
        flag = "--" + name_of(SHORT.get(name, name)).replace("_", "-")
        words += [flag, *words_of(name, value)]
    return shlex.join([*words, "--run-dir", f"runs/{row.key}-{seed}"])


def words_of(name: str, value: Any) -> list[str]:
    """Write the value of a field as words of a command line: a choice as YAML, a list as its items."""
    from training.config.text import write_inline

    if isinstance(value, Mapping) or name == "augmentation":
        return [write_inline(value)]
    return list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value)]


def result_of(row: Row, folder: RunFolder, device: str, commit: str, precision: str | None = None) -> Result:
    """Read a finished run as a result.

    Args:
        row: Row that the run is of.
        folder: RunFolder.
        device: str, what it computed on.
        commit: str, of this repository.
        precision: str, as of `precision_of`.

    Returns:
        Result.

    Raises:
        ValueError: the folder holds no run, a run of another recipe, or one that is not finished or was not tested; or
            its precision is not known.
    """
    config = folder.read_config()
    if differences := differing(row.config(), config):
        raise ValueError(f"{folder.path} is no run of row {row.key!r}: {', '.join(differences)}.")
    check_finished(folder, config)
    return Result(
        row=row.key,
        seed=config.seed,
        error=error_of(folder),
        device=device,
        precision=precision_of(config.hardware.dtype, device, precision),
        seconds=round(sum(epoch["seconds"] for epoch in folder.read_times()), 1),
        commit=commit,
        engine="training",
    )


def precision_of(dtype: str, device: str, said: str | None) -> str:
    """Tell in which numbers a run computed, by its dtype policy, its device, and what the user says of float32.

    Unless they are told otherwise, TensorFlow and JAX compute convolutions and products of matrices in TF32 on GPUs
    that have it. A run notes nothing of its device.
    """
    if dtype != "float32":
        if said:
            raise ValueError(f"--precision is for runs in float32, and this one is in {dtype}; leave it out.")
        return dtype
    is_cpu = re.search(r"\b(cpus?|cores?)\b", device, re.I) and not re.search(r"\b(gpus?|nvidia)\b", device, re.I)
    if said is None and not is_cpu:
        raise ValueError(
            f"Whether {device} computed float32 in TF32 is not known: pass --precision tf32 if it is a GPU of NVIDIA "
            "from Ampere on, where TensorFlow and JAX do so unless they are told otherwise; else --precision float32."
        )
    return said or "float32"


def error_of(folder: RunFolder) -> float:
    """Read the error of a run's last test, in %, from the figures that it leaves."""
    file = folder.test_file
    remedy = (
        f"python -m training --run-dir {folder.path} --resume tests the finished run once more and writes it; nothing "
        "is trained."
    )
    if not file.is_file():
        raise ValueError(
            f"{folder.path} has no test.json, the figures of its last test: it was stopped before, or an earlier "
            f"version made it. {remedy}"
        )
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))
        return round(100 * (1 - figures["accuracy"]), 4)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged. {remedy}") from error


def differing(expected: RunConfig, actual: RunConfig) -> list[str]:
    """Say which fields that decide a result differ; networks are compared as what they are, not by their names."""
    from training.config.fields import OF_THE_MACHINE, flat_config, name_of
    from training.networks import make_architecture

    wanted, found = flat_config(expected), flat_config(actual)
    free = {*FREE, *OF_THE_MACHINE}
    paths = [path for path in wanted | found if path not in free and not path.startswith("network.")]
    differences = [
        f"{name_of(path)} is {found.get(path)!r} instead of {wanted.get(path)!r}"
        for path in paths
        if wanted.get(path) != found.get(path)
    ]
    networks = [make_architecture(config.network, config.start) for config in (expected, actual)]
    if networks[0] != networks[1]:
        differences.insert(0, f"its network is another, {actual.network.name} with its choices")
    return differences


def check_finished(folder: RunFolder, config: RunConfig) -> None:
    """Refuse a run that lacks a file, or has not made all of its steps, which its checkpoint counts, or epochs."""
    metrics = folder.read_metrics()
    if not metrics or not folder.read_times() or not folder.checkpoint_file.is_file():
        raise ValueError(
            f"{folder.path} lacks metrics.csv, times.csv or checkpoint.weights.h5, which say how it ended. Put back a "
            "copy, or train it to the end."
        )
    length = "epochs" if config.iterations is None else "steps"
    done = int(metrics[-1]["epoch"]) if config.iterations is None else steps_done(folder.checkpoint_file)
    if done != (wanted := config.iterations or config.epochs):
        raise ValueError(
            f"{folder.path} is not finished: it has made {done:,} of {wanted:,} {length}. Go on with it by "
            f"python -m training --run-dir {folder.path} --resume"
        )


def steps_done(checkpoint: Path) -> int:
    """Read off a checkpoint how many steps its optimizer has taken."""
    import h5py

    try:
        with h5py.File(checkpoint) as file:
            return int(file["optimizer/vars/0"][()])  # the first variable of every optimizer of Keras
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{checkpoint} is damaged, or no checkpoint of a run. Put back a copy.") from error


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", metavar="ROW", help="key of a row in rows.yaml or ingredients.yaml")
    parser.add_argument("run", metavar="RUN", nargs="?", type=Path, help="run folder of `python -m training`")
    parser.add_argument("--device", help="what the run computed on, as in 'NVIDIA H100' or 'AMD EPYC 7B13, 2 cores'")
    parser.add_argument(
        "--precision",
        choices=("float32", "tf32"),
        help="of a run in float32; needed unless --device says CPU or cores",
    )
    parser.add_argument("--commit", help="commit that trained the run (default the one that is checked out)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of results (default %(default)s)")
    parser.add_argument("--print-command", action="store_true", help="print the command that trains the row, and end")
    parser.add_argument("--data-dir", default="DIR", help="in that command: where TFDS keeps its data")
    parser.add_argument("--seed", type=int, default=0, help="in that command (default 0)")
    options = parser.parse_args(arguments)
    if not options.print_command and (options.run is None or options.device is None):
        parser.error("give a run folder and --device, or --print-command")
    return options


def run(options: argparse.Namespace) -> str:
    """Do what the options ask for, and say what was done."""
    row = pick(read_all(), options.row)
    if options.print_command:
        return command_of(row, options.data_dir, options.seed)
    from training.run_folder import RunFolder

    commit = options.commit or current_commit()
    result = result_of(row, RunFolder(options.run), options.device, commit, options.precision)
    append(options.results, result)
    return f"{row.key}, seed {result.seed}: {result.error:.2f} % entered into {options.results}."


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = read_options(arguments)
    # The first lines of TensorFlow are not for the user.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = os.environ.get("TF_CPP_MIN_LOG_LEVEL") or "3"
    try:
        print(run(options))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
