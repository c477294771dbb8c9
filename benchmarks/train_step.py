"""Time of one training step, keras_resnet beside its peers: one process, interleaved rounds, ratios paired by round.

    python benchmarks/train_step.py                         every case: minutes to half an hour on two CPU cores
    python benchmarks/train_step.py --case resnet20 --rounds 1 --steps 1 --batch 8    a look, not a measurement

A round times every contender once, in turn (A B C D, A B C D, ...), so that a machine that drifts drifts for all
of them. A ratio is taken within a round; its median and its range over the rounds are reported. Where PyTorch is
installed, it trains the same networks too: a machine must be idle for that, because its threads spin while they wait.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch_step
from machine import load, prepare_process, print_machine
from options import described, in_a_sentence, positive

if TYPE_CHECKING:
    import keras

POLICIES = ("float32", "mixed_bfloat16")
TORCH = "PyTorch"  # a peer of every case where it is installed


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison: a network, its peer, the batch they train on and the ratios that are hoped for.

    Args:
        network: str, the name of ours.
        peer: str, what the other network is called in the report.
        theirs: function that builds the peer under the current dtype policy.
        batch: int, images in a step.
        side: int, pixels along one side of an image.
        classes: int.
        targets: dict from (policy of the peer, policy of ours) to the least ratio that is hoped for.
    """

    network: str
    peer: str
    theirs: Callable[[], keras.Model]
    batch: int
    side: int
    classes: int
    targets: dict[tuple[str, str], float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times faster one contender is than another.

    Args:
        slow: str, the contender whose time is divided.
        fast: str, the contender that it is divided by.
        values: list of floats, one for each round.
        target: float, the least median that is hoped for, or None.
    """

    slow: str
    fast: str
    values: list[float]
    target: float | None = None


def build_ours(name: str) -> keras.Model:
    """Build a network of keras_resnet by its name."""
    import keras_resnet

    return keras_resnet.ResNet(name)


def build_application(name: str) -> keras.Model:
    """Build a network of keras.applications by its name, with random weights."""
    import keras

    return getattr(keras.applications, name)(weights=None)


def build_with_keras_norm(name: str) -> keras.Model:
    """Build a network of keras_resnet with Keras's own BatchNormalization in the place of ours, weights alike."""
    import keras

    import keras_resnet

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        ours = isinstance(layer, keras_resnet.BatchNormalization)
        return (keras.layers.BatchNormalization if ours else type(layer)).from_config(layer.get_config())

    model = build_ours(name)
    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


CASES: dict[str, Case] = {
    "resnet50": Case(
        network="ResNet50",
        peer="keras.applications",
        theirs=lambda: build_application("ResNet50"),
        batch=16,
        side=224,
        classes=1000,
        targets={
            ("float32", "float32"): 1.5,
            ("mixed_bfloat16", "mixed_bfloat16"): 2.0,
            ("float32", "mixed_bfloat16"): 2.0,
        },
    ),
    "resnet20": Case(
        network="ResNet20",
        peer="Keras BatchNorm",
        theirs=lambda: build_with_keras_norm("ResNet20"),
        batch=128,
        side=32,
        classes=10,
    ),
}


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    prepare_process()
    machine = print_machine()
    results = {}
    for name in options.case or CASES:
        case = dataclasses.replace(CASES[name], **({"batch": options.batch} if options.batch else {}))
        print(f"\n{name}: batch {case.batch}, {case.side}x{case.side}, {case.classes} classes", flush=True)
        seconds, losses = measure(case, options)
        ratios = compare(case, seconds, options.policies)
        print("\n".join([*time_table(seconds, losses), "", *ratio_table(ratios, machine)]), flush=True)
        if not torch_step.is_installed():
            print(f"\n  {torch_step.MISSING}", flush=True)
        results[name] = {
            "batch": case.batch,
            "seconds_per_step": seconds,
            "last_loss": {label: str(loss) for label, loss in losses.items()},
            "ratios": [dataclasses.asdict(ratio) for ratio in ratios],
        }
    print(f"\nload after: {load()}. Timing on a CPU is noisy, above all on a shared machine: trust a ratio whose whole")
    print("range is on one side of the claim, from a run whose load was near 0 at its start.")
    if options.json:
        from keras_resnet.files import write_text  # imports a backend

        settings = {"steps": options.steps, "rounds": options.rounds, "warmup": options.warmup}
        report = {"machine": machine, "settings": settings, "cases": results}
        text = json.dumps(report, indent=2) + "\n"
        write_text(options.json, text)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = described(__doc__)
    parser.add_argument("--case", action="append", choices=list(CASES), help="repeatable; default: every case")
    parser.add_argument(
        "--policies", nargs="+", choices=POLICIES, default=POLICIES, help="dtype policies; default: both"
    )
    parser.add_argument("--rounds", type=positive, default=7, help="rounds, each of every contender (default 7)")
    parser.add_argument("--steps", type=positive, default=3, help="timed steps of a contender in a round (default 3)")
    parser.add_argument(
        "--warmup", type=positive, default=2, help="untimed steps first, compilation included (default 2)"
    )
    parser.add_argument("--batch", type=positive, help="images in a step; default that of the case")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every number to FILE")
    return parser.parse_args(arguments)


def measure(case: Case, options: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time the contenders of a case in interleaved rounds."""
    import keras

    from keras_resnet.architecture.catalogue import get_architecture

    steppers = {}
    for policy in options.policies:
        for label, build in (("keras_resnet", lambda: build_ours(case.network)), (case.peer, case.theirs)):
            keras.utils.set_random_seed(0)
            with dtype_policy(policy):
                steppers[f"{label} {policy}"] = prepare(build(), case)
        if torch_step.is_installed():
            peer = torch_step.build(get_architecture(case.network), case.classes)
            steppers[f"{TORCH} {policy}"] = torch_step.prepare(peer, policy, (case.batch, case.side), case.classes)
    for step in steppers.values():
        step(options.warmup)
    seconds: dict[str, list[float]] = {label: [] for label in steppers}
    losses = {}
    for _ in range(options.rounds):
        for label, step in steppers.items():
            gc.collect()
            start = time.perf_counter()
            losses[label] = step(options.steps)
            seconds[label].append((time.perf_counter() - start) / options.steps)
    return seconds, losses


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Set Keras's global dtype policy for a while."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def prepare(model: keras.Model, case: Case) -> Callable[[int], float]:
    """Compile a model and give it one fixed random batch, on the device."""
    import keras
    import numpy as np

    shape = (case.side, case.side, 3)
    if keras.config.image_data_format() == "channels_first":
        shape = (3, case.side, case.side)
    generator = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(generator.standard_normal((case.batch, *shape), dtype="float32"))
    y = keras.ops.convert_to_tensor(generator.integers(0, case.classes, case.batch).astype("int32"))
    # XLA slows TensorFlow's training on a CPU; JAX compiles with nothing else.
    backend = keras.backend.backend()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=backend == "jax")
    if backend != "tensorflow":
        return lambda steps: [float(model.train_on_batch(x, y)) for _ in range(steps)][-1]
    model.make_train_function()

    def step(steps: int) -> float:
        model.reset_metrics()
        batches = itertools.repeat((x, y))
        for _ in range(steps):
            logs = model.train_function(batches)
        # The stem's kernel is the last one that a backward pass reaches: a GPU has finished once it can be read.
        keras.ops.convert_to_numpy(model.trainable_variables[0])
        return float(logs["loss"])

    return step


def compare(case: Case, seconds: dict[str, list[float]], policies: list[str]) -> list[Ratio]:
    """Divide the peer's time by ours, round by round."""
    pairs = [(policy, policy) for policy in policies]
    if set(policies) == set(POLICIES):
        pairs.append(POLICIES)
    ratios = []
    for theirs, ours in pairs:
        slow, fast = f"{case.peer} {theirs}", f"keras_resnet {ours}"
        values = [a / b for a, b in zip(seconds[slow], seconds[fast])]
        ratios.append(Ratio(slow, fast, values, case.targets.get((theirs, ours))))
    for policy in policies if f"{TORCH} {policies[0]}" in seconds else ():
        slow, fast = f"{TORCH} {policy}", f"keras_resnet {policy}"
        ratios.append(Ratio(slow, fast, [a / b for a, b in zip(seconds[slow], seconds[fast])]))
    return ratios


def time_table(seconds: dict[str, list[float]], losses: dict[str, float]) -> list[str]:
    """Lay out the time of a step of each contender."""
    lines = [f"  {'ms a step':36}{'median':>9}{'min':>9}{'max':>9}{'loss':>9}"]
    for label, values in seconds.items():
        numbers = (1e3 * f(values) for f in (statistics.median, min, max))
        lines.append(f"  {label:36}" + "".join(f"{number:9.1f}" for number in numbers) + f"{losses[label]:9.2f}")
    return lines


def ratio_table(ratios: list[Ratio], machine: dict[str, str]) -> list[str]:
    """Lay out the ratios, each with the pair it compares and the target it has."""
    lines = [f"  {'times faster (paired by round)':68}{'median':>9}{'min':>9}{'max':>9}  target"]
    for ratio in ratios:
        numbers = "".join(f"{f(ratio.values):9.2f}" for f in (statistics.median, min, max))
        lines.append(f"  {ratio.slow + ' / ' + ratio.fast:68}{numbers}  {verdict(ratio, machine)}")
    return lines


def verdict(ratio: Ratio, machine: dict[str, str]) -> str:
    """Say whether a ratio reaches its target, where it has one on this machine."""
    if ratio.target is None:
        return "-"
    if "bfloat16" in ratio.fast and machine["bfloat16"].startswith("no"):
        return f">= {ratio.target}: only where there are bfloat16 instructions"
    reached = sum(value >= ratio.target for value in ratio.values)
    word = "reached" if statistics.median(ratio.values) >= ratio.target else "missed"
    return f">= {ratio.target}: {word} ({reached} of {len(ratio.values)} rounds)"


if __name__ == "__main__":
    sys.exit(main())
