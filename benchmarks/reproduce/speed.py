"""How fast the engine trains on this device, beside the most that its arithmetic allows.

    python benchmarks/reproduce/speed.py
    python benchmarks/reproduce/speed.py --networks ResNet8 --batch 8 --side 8 --together 1 2    a look, on a CPU

Each figure is a median over blocks of steps, each one compiled loop, after one that compiles. A step of several seeds
at once counts as many. The limit is that of the multiply-adds of convolutions and dense layers, forward and twice as
many backward, at the peak that the maker states; what a device reaches with small maps is far below.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import TYPE_CHECKING

from cifar import POLICIES, device, prepare_process

if TYPE_CHECKING:
    from engine import Engine

# Peaks in TFLOP/s of dense matrices, two operations a multiply-add, by what stands in the name of the device: the first
# name that fits counts. Source: NVIDIA's data sheets.
PEAKS: dict[str, dict[str, float]] = {
    "H100 PCIe": {"tf32": 378, "mixed_bfloat16": 756},
    "H100": {"tf32": 495, "mixed_bfloat16": 989},
    "H200": {"tf32": 495, "mixed_bfloat16": 989},
    "A100": {"tf32": 156, "mixed_bfloat16": 312},
    "L40S": {"tf32": 183, "mixed_bfloat16": 362},
    "L4": {"tf32": 60, "mixed_bfloat16": 121},
}
NETWORKS = ("ResNet20", "ResNet56", "ResNet110")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: list of str; default those of the process.

    Returns:
        int, the exit status.
    """
    prepare_process()
    options = parse(arguments)
    name, precision = device(options.precision)
    peak = peak_of(name, precision)
    print(f"{name}, {precision}, batch {options.batch}, peak {f'{peak:g} TFLOP/s' if peak else 'not known'}")
    print(f"{'network':12}{'seeds':>6}{'compile s':>11}{'steps/s':>10}{'min':>10}{'max':>10}{'limit':>12}{'share':>8}")
    for network in options.networks:
        engine = make_engine(network, options)
        for seeds in options.together:
            compiling, rates = measure(engine, seeds, options.blocks)
            limit = peak and peak * 1e12 / operations(engine)
            share = f"{limit:12,.0f}{statistics.median(rates) / limit:8.1%}" if limit else f"{'-':>12}{'-':>8}"
            numbers = "".join(f"{f(rates):10,.1f}" for f in (statistics.median, min, max))
            print(f"{network:12}{seeds:6}{compiling:11.1f}{numbers}{share}", flush=True)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    from options import positive

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help=f"default: {' '.join(NETWORKS)}")
    parser.add_argument("--together", nargs="+", type=positive, default=(1, 4, 8), help="seeds at once (default 1 4 8)")
    parser.add_argument("--precision", choices=POLICIES, default="float32", help="on a GPU float32 computes in TF32")
    parser.add_argument("--batch", type=positive, default=128, help="images in a step (default 128)")
    parser.add_argument("--side", type=positive, default=32, help="of the images, in pixels (default 32)")
    parser.add_argument("--steps", type=positive, default=30, help="steps in a block (default 30)")
    parser.add_argument("--blocks", type=positive, default=5, help="timed blocks (default 5)")
    return parser.parse_args(arguments)


def peak_of(name: str, precision: str) -> float | None:
    """Look up the peak of a device in TFLOP/s; None where it is not known."""
    return next((peaks.get(precision) for part, peaks in PEAKS.items() if part in name), None)


def operations(engine: Engine) -> int:
    """Count the operations of a training step of one seed: two a multiply-add, forward and twice as many backward."""
    from keras_resnet.analysis import count_multiply_adds

    return 2 * 3 * engine.config.batch_size * count_multiply_adds(engine.model)


def make_engine(network: str, options: argparse.Namespace) -> Engine:
    """Describe a run of recipe cifar10 on random images, whose epoch is a block."""
    import numpy as np

    from data import Images
    from engine import Engine
    from training.config import load_recipe, make_config

    count = options.batch * options.steps
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, options.side, options.side, 3), "uint8")
    split = images, generator.integers(0, 10, count).astype("int32")
    fields = {"network": network, "batch_size": options.batch, "hardware.dtype": POLICIES[options.precision]}
    length = {"iterations": options.steps * (options.blocks + 1)}
    config = make_config({**fields, **length}, base=load_recipe("cifar10"))
    return Engine(config, Images("cifar10", tuple("0123456789"), split, split))


def measure(engine: Engine, seeds: int, blocks: int) -> tuple[float, list[float]]:
    """Time blocks of seeds at once: seconds of the first one, which compiles, and steps a second of the others."""
    import jax

    from engine import stack

    states = stack([engine.like] * seeds)
    seconds = []
    for block in range(blocks + 1):
        drawn = jax.device_put(engine.draw(range(seeds), block))
        jax.block_until_ready((states, drawn, engine.training_data))
        began = time.perf_counter()
        states, losses = engine.run_epoch(states, engine.training_data, drawn, block)
        jax.block_until_ready(losses)
        seconds.append(time.perf_counter() - began)
    return seconds[0], [seeds * engine.plan.steps / lasted for lasted in seconds[1:]]


if __name__ == "__main__":
    sys.exit(main())
