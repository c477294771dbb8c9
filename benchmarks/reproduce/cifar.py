"""Run rows of the papers' CIFAR tables on an accelerator, by JAX and without TensorFlow.

    python benchmarks/reproduce/cifar.py resnet20 resnet56 --data cifar10.npz --seeds 0 1 2 --together 3

A finished seed becomes a line of the results; one that is there already is passed over. The state of all others is kept
in --state, from which the same command goes on, bit for bit if the same seeds run at once on the same device.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jax

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
STATE = Path("runs", "reproduce")
INTERRUPTED = 130
# The recipes ask for runs that repeat bit for bit: no algorithm that adds in an order of its own.
DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: list of str; default those of the process.

    Returns:
        int, the exit status.
    """
    began = time.monotonic()
    options = parse(arguments)
    prepare_process()
    try:
        return 0 if run_rows(options, began + options.time_limit) else stopped()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stopped()
        return INTERRUPTED


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", metavar="ROW", help="keys of rows.yaml")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="FILE.npz", help="of export_data.py")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="default: as many as the row asks for")
    parser.add_argument("--together", type=int, default=1, metavar="N", help="seeds that run at once (default 1)")
    parser.add_argument("--precision", choices=POLICIES, default="float32", help="on a GPU float32 computes in TF32")
    parser.add_argument("--state", type=Path, default=STATE, metavar="DIR", help=f"where runs are kept ({STATE})")
    parser.add_argument("--save-every", type=float, default=60.0, metavar="SECONDS", help="default 60")
    parser.add_argument("--time-limit", type=float, default=math.inf, metavar="SECONDS", help="stop before it")
    parser.add_argument("--results", type=Path, metavar="FILE.csv", help="default: results.csv beside this file")
    parser.add_argument("--table", type=Path, metavar="FILE.yaml", help="rows; default: rows.yaml beside this file")
    parser.add_argument("--networks", type=Path, metavar="DIR", help="also write each trained network, as .keras")
    parser.add_argument("--commit", help="of this code, where there is no git")
    options = parser.parse_args(arguments)
    if options.together < 1:
        parser.error(f"--together must be 1 or more; received {options.together}.")
    if options.seeds and (min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds)):
        parser.error(f"--seeds must be different integers from 0; received {' '.join(map(str, options.seeds))}.")
    return options


def prepare_process() -> None:
    """Choose JAX, and let this checkout be imported, installed or not."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["XLA_FLAGS"] = " ".join(filter(None, (DETERMINISTIC, os.environ.get("XLA_FLAGS"))))
    sys.path[:0] = [str(folder) for folder in (FOLDER, FOLDER.parent, ROOT) if str(folder) not in sys.path]


def keep_compiled(folder: Path) -> None:
    """Let JAX keep what it compiles: a run that goes on begins at once, and by the same algorithms, bit for bit."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))


def stopped() -> int:
    """Say how to go on; return the exit status."""
    print("Stopped. What was saved lies in --state; the same command goes on from there.", flush=True)
    return 0


def run_rows(options: argparse.Namespace, deadline: float) -> bool:
    """Run rows one after the other; return False where the time is up before all of them are finished."""
    import results
    from data import read_images
    from engine import Engine
    from rows import ROWS, pick, read_rows
    from runs import Place, run_seeds

    rows = read_rows(options.table or ROWS)
    chosen = [pick(rows, key) for key in options.rows]
    keep_compiled(options.state / "compiled")
    name, precision = device(options.precision)
    images, commit = read_images(options.data), options.commit or results.current_commit()
    path = options.results or results.RESULTS
    place = Place(
        state=options.state,
        results=path,
        networks=options.networks,
        device=name,
        precision=precision,
        commit=commit,
        deadline=deadline,
        save_every=options.save_every,
    )
    for row in chosen:
        engine = Engine(row.config(**{"hardware.dtype": POLICIES[options.precision]}), images)
        done = {line.seed for line in results.read(path) if line.identity == (row.key, line.seed, precision, "jax")}
        seeds = [seed for seed in options.seeds or range(row.seeds) if seed not in done]
        print(f"{row.key}: {len(seeds)} seeds to run, {engine.plan.iterations:,} steps each, on {name}", flush=True)
        if not run_seeds(engine, place, row.key, seeds, options.together):
            return False
    return True


def device(precision: str) -> tuple[str, str]:
    """Name the device, and the precision in which it computes."""
    import jax

    first = jax.devices()[0]
    from machine import processor

    name = processor().get("model name", first.device_kind) if first.platform == "cpu" else first.device_kind
    policy = POLICIES[precision]
    return name, "tf32" if policy == "float32" and has_tf32(first) else policy


def has_tf32(device: jax.Device) -> bool:
    """Tell whether JAX computes products of float32 in TF32 there: on GPUs of NVIDIA from Ampere on."""
    try:
        return device.platform in ("gpu", "cuda") and float(device.compute_capability) >= 8
    except (AttributeError, ValueError):  # GPUs of others have none, or one that is a name, as "gfx90a"
        return False


if __name__ == "__main__":
    sys.exit(main())
