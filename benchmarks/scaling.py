"""What several devices spend on talking to each other: the same steps, in step with the others and alone.

    python benchmarks/scaling.py                        1, 2 and 4 processes on this machine, by JAX
    python benchmarks/scaling.py --network ResNet50 --side 224 --batch 64 --processes 1 8    on a machine with 8 GPUs
    python benchmarks/scaling.py --estimate             the table of docs/guide/scaling.md, by arithmetic alone

Each process has one device: a GPU of its own where the machine has them, else a share of the cores. Its batch is the
same however many there are, so that a device always has the same to compute. All processes train at once in both
contenders, and so they compute under the same load: "together" they are one job (`keras.distribution.DataParallel`),
"alone" each trains a network of its own. What a step takes longer together is communication, and waiting for the
slowest. Rounds are interleaved; a step is over when the last process has made it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from machine import prepare_process, print_machine
from options import described, in_a_sentence, positive
from processes import LINES

if TYPE_CHECKING:
    import keras

CONTENDERS = ("alone", "together")
CLASSES = 1000
FLOAT32 = 4  # bytes of a gradient, as of the networks that are timed; XLA may reduce those of other layers in less
# Bytes a second that a device can send while it receives as many, as the makers or the standards state it.
LINKS = {
    "NVLink of an A100": 300e9,
    "PCIe 4.0, 16 lanes": 32e9,
    "InfiniBand HDR, 200 Gbit/s": 25e9,
    "Ethernet, 100 Gbit/s": 12.5e9,
    "Ethernet, 25 Gbit/s": 3.125e9,
    "Ethernet, 10 Gbit/s": 1.25e9,
}
BACKWARD = 2 / 3  # share of a step's arithmetic that the backward pass has, under which gradients can travel


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    if options.index is not None:
        print(json.dumps(time_process(options)))
        return 0
    prepare_process()
    parameters = count_parameters(options.network, options.side)
    if options.estimate:
        print("\n".join(estimate_table(parameters, options.devices, options.batch, options.rate)))
        return 0
    print_machine()
    print(
        f"\n{options.network}, {parameters:,} parameters, {options.batch} images of {options.side}x{options.side} a "
        f"device; ms a step, median and range of {options.rounds} rounds\n"
    )
    print(f"{'devices':>7}{'alone':>24}{'together':>24}{'communication':>24}{'sent a device':>15}")
    for count in options.processes:
        print(line_of(count, parameters, run_group(options, count)), flush=True)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = described(__doc__)
    parser.add_argument("--network", default="ResNet20", help="network of keras_resnet (default ResNet20)")
    parser.add_argument("--side", type=positive, default=32, help="pixels along one side of an image (default 32)")
    parser.add_argument("--batch", type=positive, default=32, help="images in a step of one device (default 32)")
    parser.add_argument("--processes", type=positive, nargs="+", default=[1, 2, 4], help="numbers of devices")
    parser.add_argument("--rounds", type=positive, default=7, help="rounds of both contenders (default 7)")
    parser.add_argument("--steps", type=positive, default=5, help="steps of a contender in a round (default 5)")
    parser.add_argument("--estimate", action="store_true", help="print what to expect, without measuring")
    parser.add_argument("--devices", type=positive, nargs="+", default=[8, 64], help="of the estimate (default 8 64)")
    parser.add_argument("--rate", type=positive, default=2375, help="images a second of one device, of the estimate")
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)  # of a process that this script has started
    parser.add_argument("--addresses", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def count_parameters(network: str, side: int) -> int:
    """Count what a network learns, and so the gradients that are reduced."""
    import keras_resnet

    shape = (side, side, 3)
    model = keras_resnet.ResNet(network, input_shape=shape, classes=CLASSES, weights=None)
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def run_group(options: argparse.Namespace, count: int) -> dict[str, list[float]]:
    """Time both contenders with a number of processes; a round's time is that of the slowest.

    Raises ChildProcessError where a process fails.
    """
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(count))
    fixed = [f"--{name}={getattr(options, name)}" for name in ("network", "side", "batch", "rounds", "steps")]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *fixed, f"--addresses={addresses}", f"--index={index}"],
            env=environment_of(index, count),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(count)
    ]
    times = [json.loads(output.splitlines()[-1]) for output in outputs_of(processes)]
    return {name: [max(rounds) for rounds in zip(*(of[name] for of in times))] for name in CONTENDERS}


def outputs_of(processes: list[subprocess.Popen]) -> list[str]:
    """Wait for processes, and give what they print; where one fails end all, for the others would wait for it."""
    try:
        with ThreadPoolExecutor(len(processes)) as pool:
            answers = {pool.submit(process.communicate): process for process in processes}
            for answer in as_completed(answers):
                if status := answers[answer].returncode:
                    for process in processes:
                        process.kill()
                    last = " ".join(answer.result()[1].splitlines()[-LINES:])
                    raise ChildProcessError(f"A process of this script ended with status {status}: {last}")
    finally:
        for process in processes:
            process.kill()
    return [answer.result()[0] for answer in answers]


def environment_of(index: int, count: int) -> dict[str, str]:
    """Give a process a device of its own: the GPU of its number, where JAX finds more than one, else the processor."""
    gpus = len([*Path("/dev").glob("nvidia[0-9]*")])
    device = {"CUDA_VISIBLE_DEVICES": str(index)} if gpus >= count else {"JAX_PLATFORMS": "cpu"}
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path, **device}


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def time_process(options: argparse.Namespace) -> dict[str, list[float]]:
    """Time the steps of one process of a group, in seconds a step."""
    import keras
    from jax.experimental.multihost_utils import sync_global_devices

    addresses = options.addresses.split(",")
    if len(addresses) > 1:
        keras.distribution.initialize(options.addresses, len(addresses), options.index)
    together = keras.distribution.DataParallel(auto_shard_dataset=False)
    steppers = {"alone": prepare(options, None), "together": prepare(options, together)}
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(-1, options.rounds):  # the first compiles, and does not count
        for name, step in steppers.items():
            sync_global_devices(f"{name} {number}")
            began = time.perf_counter()
            step(options.steps)
            if number >= 0:
                seconds[name].append((time.perf_counter() - began) / options.steps)
    return seconds


def prepare(options: argparse.Namespace, distribution: keras.distribution.DataParallel | None) -> Callable[[int], None]:
    """Make a network and a batch, and the function that makes some steps."""
    import keras
    import numpy as np

    import keras_resnet

    keras.distribution.set_distribution(distribution)
    keras.utils.set_random_seed(0)
    shape = (options.side, options.side, 3)
    model = keras_resnet.ResNet(options.network, input_shape=shape, classes=CLASSES, weights=None)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    generator = np.random.default_rng(options.index)
    x = generator.standard_normal((options.batch, *shape), dtype="float32")
    y = generator.integers(0, CLASSES, options.batch).astype("int32")

    def step(steps: int) -> None:
        keras.distribution.set_distribution(distribution)
        for _ in range(steps):
            model.train_on_batch(x, y)
        keras.ops.convert_to_numpy(model.optimizer.iterations)  # waits for the device

    return step


def line_of(count: int, parameters: int, seconds: dict[str, list[float]]) -> str:
    """Lay out what a number of devices took."""
    alone, together = (seconds[name] for name in CONTENDERS)
    extra = [both - one for both, one in zip(together, alone)]
    spans = "".join(
        f"{f'{1e3 * statistics.median(values):.1f} ({1e3 * min(values):.1f} to {1e3 * max(values):.1f})':>24}"
        for values in (alone, together, extra)
    )
    return f"{count:7}{spans}{sent(parameters, count) / 1e6:12.2f} MB"


def sent(parameters: int, devices: int) -> float:
    """Count the bytes that each device sends in the all-reduce of a step, and receives.

    A ring sends every gradient but for the share of one device twice: once to be added, once as the sum.

    Source: Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009, section 3.
    """
    return 2 * (devices - 1) / devices * parameters * FLOAT32


@dataclasses.dataclass(frozen=True)
class Expected:
    """What to expect of a step on some devices, in seconds; and the share of their speed alone that they keep.

    Args:
        compute: float, of one device.
        communicate: float, at the full bandwidth of the link, without latency.
    """

    compute: float
    communicate: float

    @property
    def one_after_the_other(self) -> float:
        """Efficiency where the gradients travel when all are there."""
        return self.compute / (self.compute + self.communicate)

    @property
    def overlapped(self) -> float:
        """Efficiency where gradients travel while the backward pass makes those of earlier layers."""
        return self.compute / (self.compute + max(0.0, self.communicate - BACKWARD * self.compute))


def expected(parameters: int, devices: int, batch: int, rate: float, bandwidth: float) -> Expected:
    """Work out a step.

    Args:
        parameters: int, that learn.
        devices: int.
        batch: int, images a device.
        rate: float, images a second of one device alone.
        bandwidth: float, bytes a second in each direction.

    Returns:
        Expected.
    """
    return Expected(batch / rate, sent(parameters, devices) / bandwidth)


def estimate_table(parameters: int, counts: list[int], batch: int, rate: float) -> list[str]:
    """Lay out as Markdown what to expect over each link."""
    lines = [
        f"| link | {' | '.join(f'{count} devices: reduction | efficiency | overlapped' for count in counts)} |",
        "|---" + "|---:|---:|---:" * len(counts) + "|",
    ]
    for name, bandwidth in LINKS.items():
        cells = []
        for count in counts:
            step = expected(parameters, count, batch, rate, bandwidth)
            cells += [f"{1e3 * step.communicate:.1f} ms", f"{step.one_after_the_other:.1%}", f"{step.overlapped:.1%}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
