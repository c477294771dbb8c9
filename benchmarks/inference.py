"""How fast ResNet-50 answers: keras.applications, PyTorch and every export of this package, in interleaved rounds.

    python benchmarks/inference.py
    python benchmarks/inference.py --network ResNet8 --batches 2 --rounds 2 --seconds 0.1    a look, not a measurement

All rows compute the same network with the same weights on the same images, on the CPU. How far their logits are off
those of keras.applications is told, and a row that answers otherwise fails. Exports are made for the size and number of
images that they get, and prepare them from uint8; peers get prepared images. Each engine has a process of its own. A
round times every row once, in turn, while all other processes sleep; a row's time in a round is the median of its
calls. Ratios are taken within a round, and medians and quartiles over the rounds are told. GFLOP/s counts two for a
multiply-add; its ceiling is a product of large square matrices by TensorFlow, which is timed as the rows are.

What is not installed is named and left out. A machine must be idle for this; a ratio is worth believing when both its
quartiles are on one side of the claim.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from inference_network import Plan, make_maker
from inference_rows import BASE, EXPORTS, ROWS, make_contenders
from inference_table import HEADINGS, TEXTS, Measured, as_csv, table, verdicts
from machine import load, prepare_process, print_machine
from options import described, in_a_sentence, positive, positive_number
from processes import UnavailableError, Worker


class Trouble(NamedTuple):
    """Why a row is not timed: it has failed, or else something that it needs is not installed."""

    reason: str
    is_failure: bool


Troubles = dict[str, Trouble]  # by row


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; its status is 1 where a row has failed."""
    options = parse(arguments)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # exports compute on the CPU, and so must TensorFlow
    prepare_process()
    network = known_network(options.network)
    machine = print_machine()
    names = rows_of_machine(options.rows, machine)
    troubles: Troubles = {}
    done: list[Measured] = []
    for batch in options.batches:
        print(f"\n{network}, batch {batch}", flush=True)
        measured, found = measure(network, batch, [name for name in names if name not in troubles], options)
        troubles |= found
        done.append(measured)
        print("\n".join(report(measured, found)), flush=True)
        save(options, machine, done, troubles)
    print(f"\nload after: {load()}")
    return int(any(trouble.is_failure for trouble in troubles.values()))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = described(__doc__)
    parser.add_argument("--network", default="ResNet50", help="network of keras_resnet (default ResNet50)")
    parser.add_argument(
        "--batches", type=positive, nargs="+", default=[1, 8, 32], help="images given together (default 1 8 32)"
    )
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), help="what is timed; default: all")
    parser.add_argument("--rounds", type=positive, default=7, help="rounds, each of every row (default 7)")
    parser.add_argument(
        "--seconds", type=positive_number, default=2, help="for which a row is called in a round (default 2)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the table of all batches to FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the times of every round to FILE")
    options = parser.parse_args(arguments)
    for file in filter(None, (options.csv, options.json)):
        if not file.parent.is_dir():  # which would be found only after the first batch
            parser.error(f"{file} cannot be written: there is no folder {file.parent}")
    return options


def known_network(name: str) -> str:
    """Give a network's name as the catalogue has it; end where it has none, or where nothing could be exported."""
    import keras

    from keras_resnet.architecture.catalogue import NAMES, get_architecture
    from keras_resnet.weights.published import PUBLISHED

    if keras.backend.backend() != "tensorflow":
        raise SystemExit("Exports need the TensorFlow backend: set KERAS_BACKEND=tensorflow.")
    try:
        get_architecture(name)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    name = NAMES.get(name.lower(), name)
    if name not in PUBLISHED:
        print(f"keras.applications has no {name}: the rows named so are our network on Keras's own normalizations")
    return name


def rows_of_machine(chosen: Sequence[str], machine: dict[str, str]) -> list[str]:
    """Give the rows that were chosen, in the order of the table, but for those that the processor emulates."""
    names = [name for name in ROWS if name in chosen]
    emulated = [name for name in names if ROWS[name].precision == "bfloat16" and machine["bfloat16"].startswith("no ")]
    if emulated:
        print(f"left out: {', '.join(emulated)}: this processor has no instructions for bfloat16")
    return [name for name in names if name not in emulated]


def measure(network: str, batch: int, names: Sequence[str], options: argparse.Namespace) -> tuple[Measured, Troubles]:
    """Time rows at one batch size."""
    troubles: Troubles = {}
    with contextlib.ExitStack() as stack:
        plan = Plan(network, batch, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inference-"))))
        multiply_adds = make(plan, names, troubles)
        engines = dict.fromkeys(ROWS[name].engine for name in names if name not in troubles)
        workers = {engine: stack.enter_context(Worker(make_contenders, plan)) for engine in engines}
        off, seconds = {}, {name: [] for name in names}
        for name in (name for name in names if name not in troubles):
            with noted(name, troubles):
                off[name] = workers[ROWS[name].engine].ask("open", name)
        for number in range(options.rounds):
            started = time.perf_counter()
            for name in (name for name in names if name not in troubles):
                with noted(name, troubles):
                    seconds[name].append(workers[ROWS[name].engine].ask("time", name, options.seconds))
            print(f"round {number + 1} of {options.rounds}: {time.perf_counter() - started:.0f} s", flush=True)
    timed = {name: values for name, values in seconds.items() if name not in troubles}
    return Measured(batch, multiply_adds, timed, off), troubles


def make(plan: Plan, names: Sequence[str], troubles: Troubles) -> int:
    """Write what the rows open, in a process that ends with it; give the multiply-adds of an image."""
    started = time.perf_counter()
    with Worker(make_maker, plan) as maker:
        try:
            multiply_adds = maker.ask("multiply_adds")
        except RuntimeError as error:  # of its files, which all rows need
            raise ChildProcessError(f"The network cannot be prepared: {error}") from error
        for name in names:
            row = ROWS[name]
            with noted(name, troubles):
                if name == BASE:
                    maker.ask("export_theirs", name)
                elif row.engine in EXPORTS:
                    maker.ask("export_ours", name, row.engine, row.precision, row.is_folded)
    print(f"exports: {time.perf_counter() - started:.0f} s", flush=True)
    return multiply_adds


@contextlib.contextmanager
def noted(name: str, troubles: Troubles) -> Iterator[None]:
    """Note why a row cannot be timed, so that the others are."""
    try:
        yield
    except (UnavailableError, RuntimeError) as error:
        troubles[name] = Trouble(str(error), isinstance(error, RuntimeError))


def report(measured: Measured, troubles: Troubles) -> Iterator[str]:
    """Give the lines that tell of one batch size."""
    from keras_resnet.text_tables import markdown

    yield from trouble_lines(troubles)
    yield f"{measured.multiply_adds / 1e6:,.0f} million multiply-adds an image; medians (quartiles) over the rounds;"
    yield f"times: as fast as {ROWS[BASE].title}\n"
    yield from markdown(table(measured), right=range(TEXTS, len(HEADINGS)))
    yield ""
    yield from verdicts(measured)


def trouble_lines(troubles: Troubles) -> Iterator[str]:
    """Name the rows that are not timed: those of an engine that is not installed in one line, failures apart."""
    groups: dict[str, list[str]] = {}
    for name, trouble in troubles.items():
        groups.setdefault(name if trouble.is_failure else ROWS[name].engine, []).append(name)
    for names in groups.values():
        reason, is_failure = troubles[names[0]]
        yield f"{'failed' if is_failure else 'left out'}: {', '.join(names)}: {reason}"


def save(options: argparse.Namespace, machine: dict[str, str], done: Sequence[Measured], troubles: Troubles) -> None:
    """Write the files that were asked for, after each batch size, so that a run that is ended leaves what it has."""
    from keras_resnet.files import write_text

    if options.csv:
        write_text(options.csv, as_csv(done))
    if options.json:
        settings = {"network": options.network, "rounds": options.rounds, "seconds": options.seconds}
        batches = [measured._asdict() for measured in done]
        found = {name: trouble._asdict() for name, trouble in troubles.items()}
        report = {"machine": machine, "settings": settings, "batches": batches, "troubles": found}
        write_text(options.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
