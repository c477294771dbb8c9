"""How long a command takes to begin: helps, imports, and the first answer of a prediction.

    python benchmarks/startup.py
    python benchmarks/startup.py --rounds 9

Each is a process of its own, in a folder that is not the checkout; all of a round run one after another, and the times
of a round are compared with that of its `import tensorflow`. What a command prints for no user counts as noise: lines
on its standard error. The first round only fills the caches of the disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from machine import prepare_process, print_machine
from options import described, in_a_sentence, positive

ROOT = Path(__file__).resolve().parent.parent
BASE = "import tensorflow"
PHOTO = "photo.png"
CASES = {
    BASE: ["-c", BASE],
    "import keras_resnet": ["-c", "import keras_resnet"],
    "keras_resnet --help": ["-m", "keras_resnet", "--help"],
    "training --help": ["-m", "training", "--help"],
    "tuning --help": ["-m", "tuning", "--help"],
    "training predict cifar10 photo.png": ["-m", "training", "predict", "cifar10", PHOTO, "--network", "ResNet20"],
}


class Start(NamedTuple):
    """What one process took."""

    seconds: float  # until its first line, or its end where it prints none
    noise: int  # lines on its standard error


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = described(__doc__)
    parser.add_argument("--rounds", type=positive, default=5, help="rounds that count; default 5")
    options = parser.parse_args(arguments)
    prepare_process()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder) / PHOTO)
        rounds = [{name: start(case, folder) for name, case in CASES.items()} for _ in range(options.rounds + 1)]
    print("\n".join(table(rounds[1:])))
    return 0


def write_photo(path: Path) -> None:
    """Write an image of noise."""
    import numpy as np
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), "uint8")).save(path)


def start(case: list[str], folder: str) -> Start:
    """Start a process, and time it until it says something."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *case], cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}, **pipes
    ) as process:
        process.stdout.readline()
        seconds = time.perf_counter() - began
        _, errors = process.communicate()
    if process.returncode:
        raise ChildProcessError(f"{' '.join(case)} ended with status {process.returncode}: {errors.strip()}")
    return Start(seconds, len(errors.splitlines()))


def table(rounds: list[dict[str, Start]]) -> list[str]:
    """Write medians over the rounds, each beside that of `BASE` in its own round."""
    lines = [
        "",
        f"| to the first line of | s | beside {BASE} (range) | lines of noise |",
        "|---|---:|---:|---:|",
    ]
    for name in CASES:
        ratios = [one[name].seconds / one[BASE].seconds for one in rounds]
        seconds = statistics.median(one[name].seconds for one in rounds)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {name} | {seconds:.2f} | {spread} | {max(one[name].noise for one in rounds)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
