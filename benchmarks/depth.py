"""What the depth of a CIFAR network costs: time to build, predict, train, save, load and export, and peak memory.

    python benchmarks/depth.py                              20 to 1202 layers: about ten minutes on two CPU cores
    python benchmarks/depth.py --depths 20 56 --rounds 3    a look, not a measurement

Each depth runs in a process of its own, at Python's default recursion limit and as `python -m training` runs it: in
the scope of its strategy, by its SGD with momentum and L2. The first training step holds the tracing of the step;
later steps are a median over the rounds. Peak memory is that of the process up to the last training step.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import load, prepare_process, print_machine
from options import described, in_a_sentence, positive

DEPTHS = (20, 56, 110, 164, 1001, 1202)

# Heading, and width and format of each column, by the name of the figure.
COLUMNS: dict[str, tuple[str, str]] = {
    "depth": ("depth", "7"),
    "parameters": ("parameters", "12,"),
    "build": ("build s", "10.1f"),
    "predict": ("predict s", "11.1f"),
    "first_step": ("first step s", "14.1f"),
    "later_steps": ("later ms", "10.0f"),
    "peak": ("peak GB", "9.2f"),
    "save": ("save s", "8.1f"),
    "load": ("load s", "8.1f"),
    "export": ("export s", "10.1f"),
}


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    prepare_process()
    if options.alone:
        print(json.dumps(measure(options.depths[0], options.batch, options.rounds)))
        return 0
    machine = print_machine()
    print(
        f"{'command':10}{' '.join(['python', *sys.argv])}\n\nbatch {options.batch}, float32\n\n{heading()}", flush=True
    )
    results = []
    for depth in options.depths:
        results.append(measure_alone(depth, options.batch, options.rounds))
        print(row(results[-1]), flush=True)
    print(f"\nload after: {load()}. Timing on a CPU is noisy, above all on a shared machine.")
    if options.json:
        from keras_resnet.files import write_text  # imports a backend

        text = json.dumps({"machine": machine, "results": results}, indent=2) + "\n"
        write_text(options.json, text)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = described(__doc__)
    parser.add_argument("--depths", nargs="+", type=positive, default=DEPTHS, help=f"default: {DEPTHS}")
    parser.add_argument("--batch", type=positive, default=8, help="images in a step (default 8)")
    parser.add_argument("--rounds", type=positive, default=5, help="training steps after the first (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number to FILE")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure_alone(depth: int, batch: int, rounds: int) -> dict[str, Any]:
    """Measure a depth in a process of its own, so that the peak of its memory is its own.

    Args:
        depth: int.
        batch: int, images in a step.
        rounds: int, training steps after the first.

    Returns:
        Dict of figures, as of `measure`.
    """
    command = [sys.executable, __file__, "--alone", "--depths", depth, "--batch", batch, "--rounds", rounds]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(depth: int, batch: int, rounds: int) -> dict[str, Any]:
    """Take a network of a depth through its life.

    Args:
        depth: int.
        batch: int, images in a step.
        rounds: int, training steps after the first.

    Returns:
        Dict of figures: seconds, but milliseconds for `later_steps` and gigabytes for `peak`.
    """
    import keras
    import numpy as np

    import keras_resnet
    from keras_resnet.formats.savedmodel import export_savedmodel
    from keras_resnet.preprocessing import Preprocessing
    from training.distribution.mirrored import choose_devices, strategy
    from training.optimization.rules import L2SGD

    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((batch, 32, 32, 3), dtype="float32"), generator.integers(0, 10, batch)
    with strategy(choose_devices(None)).scope():
        build, model = timed(lambda: keras_resnet.ResNet(f"ResNet{depth}", input_shape=(32, 32, 3)))
        model.compile(L2SGD(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    predict, _ = timed(lambda: model.predict(x, verbose=0))
    first_step, _ = timed(lambda: model.train_on_batch(x, y))
    later_steps = [timed(lambda: model.train_on_batch(x, y))[0] for _ in range(rounds)]
    figures = {"peak": peak_memory(), "depth": depth, "parameters": model.count_params(), "build": build}
    figures |= {"predict": predict, "first_step": first_step, "later_steps": 1e3 * statistics.median(later_steps)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.keras")
        save, _ = timed(lambda: model.save(path))
        read, loaded = timed(lambda: keras.saving.load_model(path, compile=False))
        preprocessing = Preprocessing((32, 32), 3, np.zeros(3), np.ones(3), 1.0)
        export, _ = timed(
            lambda: export_savedmodel(loaded, Path(folder, "savedmodel"), list("0123456789"), preprocessing)
        )
    return {**figures, "save": save, "load": read, "export": export}


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Run a function once.

    Args:
        action: function without arguments.

    Returns:
        Tuple of the seconds it took and its result.
    """
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def peak_memory() -> float:
    """Give the most memory that this process has held so far, in gigabytes (2**30 bytes)."""
    import resource

    unit = 1 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def heading() -> str:
    """Lay out the headings of the table."""
    return "".join(f"{title:>{width(form)}}" for title, form in COLUMNS.values())


def row(figures: dict[str, Any]) -> str:
    """Lay out the figures of a depth."""
    return "".join(f"{figures[name]:{form}}" for name, (_, form) in COLUMNS.items())


def width(form: str) -> int:
    """Give the width of a column from its format."""
    return int(form.rstrip(",f").split(".")[0])


if __name__ == "__main__":
    sys.exit(main())
