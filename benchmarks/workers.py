"""How much sooner several workers finish a study of small trials than one does.

    python benchmarks/workers.py                    one worker against two, three interleaved rounds
    python benchmarks/workers.py --workers 1 4      on a machine with more cores

Each round runs the same study, a grid of short runs on the embedded digits, once with each number of workers, in a
folder of its own; workers share out the cores. Time is that of the whole command, from its start to its report.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import prepare_process, print_machine
from options import described, in_a_sentence, positive

ROOT = Path(__file__).resolve().parent.parent
STUDY = """
recipe: digits
fields: {network: ResNet8, epochs: EPOCHS}
space: {activation: [relu, elu, gelu, tanh], shortcut: [A, B, C, none]}
tuner: grid
finalists: 0
"""


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = described(__doc__)
    parser.add_argument("--workers", type=positive, nargs="+", default=[1, 2], help="numbers of workers to compare")
    parser.add_argument("--rounds", type=positive, default=3, help="interleaved rounds")
    parser.add_argument("--epochs", type=positive, default=3, help="epochs of each of the 16 trials")
    options = parser.parse_args(arguments)
    prepare_process()
    print_machine()
    seconds: dict[int, list[float]] = {workers: [] for workers in options.workers}
    for number in range(options.rounds):
        for workers in options.workers:
            seconds[workers].append(run_study(workers, options.epochs))
            print(f"round {number + 1}, {workers} workers: {seconds[workers][-1]:.1f} s", flush=True)
    first = options.workers[0]
    for workers in options.workers[1:]:
        ratios = [one / other for one, other in zip(seconds[first], seconds[workers])]
        print(
            f"{workers} workers are {statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f}) as "
            f"fast as {first}"
        )
    return 0


def run_study(workers: int, epochs: int) -> float:
    """Run the study once; give the seconds of the whole command, or raise a ChildProcessError where it failed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        description = Path(folder, "described.yaml")
        description.write_text(STUDY.replace("EPOCHS", str(epochs)), encoding="utf-8")
        number = ["--workers", str(workers)]
        began = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-m", "tuning", "--config", description, "--study-dir", Path(folder, "study"), *number],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
    if process.returncode:
        raise ChildProcessError(f"The study ended with status {process.returncode}: {process.stderr.strip()}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
