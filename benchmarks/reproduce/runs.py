"""Seeds of a row from where they stand to a line of the results."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import results
import state
from engine import Engine, State, from_arrays, stack, to_arrays, unstack
from keras_resnet.files import write_atomically
from training.config import RunConfig, make_config
from training.config.fields import flatten, name_of
from training.locks import alone

SAFETY = 1.5  # an epoch is begun where the time that is left is so many times that of the last one


@dataclass(frozen=True)
class Place:
    """Where runs are computed and kept.

    Args:
        state: Path of the folder of states.
        results: Path of the CSV file of results.
        networks: Path of the folder of trained networks, or None.
        device: str.
        precision: str, as of `results.Result`.
        commit: str.
        deadline: float, on the clock of `time.monotonic`.
        save_every: float, seconds.
    """

    state: Path
    results: Path
    networks: Path | None
    device: str
    precision: str
    commit: str
    deadline: float
    save_every: float

    def name(self, row: str, seed: int) -> str:
        """Name a run."""
        return f"{row}.{self.precision}.seed{seed}"

    def lock(self, row: str, seed: int) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from a run."""
        self.state.mkdir(parents=True, exist_ok=True)
        name = self.name(row, seed)
        refusal = f"{name} in {self.state} is run by another process. Give other seeds, or wait for it."
        return alone(self.state / f"{name}.lock", refusal)


def run_seeds(engine: Engine, place: Place, row: str, seeds: Sequence[int], together: int) -> bool:
    """Run seeds of a row, so many at once.

    Args:
        engine: Engine of the row.
        place: Place.
        row: str, its key.
        seeds: sequence of int.
        together: int.

    Returns:
        bool, False where the time is up before all are finished.

    Raises:
        ValueError: a state is damaged, was made with other settings or is that of a process that is running, or no
            seed's loss is finite.
        OSError: a file cannot be written.
    """
    with contextlib.ExitStack() as locks:
        for seed in seeds:
            locks.enter_context(place.lock(row, seed))
        runs = [Run.resumed(engine, place, row, seed) for seed in seeds]
        return all(Group(engine, place, group).train() for group in grouped(runs, together))


@dataclass
class Run:
    """One seed of a row, and where it stands."""

    row: str
    seed: int
    name: str
    config: dict[str, Any]
    epoch: int
    seconds: float
    state: State

    @classmethod
    def resumed(cls, engine: Engine, place: Place, row: str, seed: int) -> Run:
        """Read where a seed stands, or begin it."""
        name, config = place.name(row, seed), plain_config(engine.config)
        saved = state.load(place.state, name)
        if saved is None:
            return cls(row, seed, name, config, 0, 0.0, engine.start(seed))
        if changed := differing(saved.config, config):
            raise ValueError(
                f"The state of {name} in {place.state} was made with another {', '.join(map(name_of, changed))}. "
                "Give another folder by --state, or remove it."
            )
        return cls(row, seed, name, config, saved.epoch, saved.seconds, from_arrays(saved.arrays, engine.like))

    def save(self, folder: Path) -> None:
        """Write where the seed stands."""
        state.save(folder, self.name, state.Saved(self.epoch, self.seconds, self.config, to_arrays(self.state)))

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(np.isfinite(array).all() for array in self.state.trainable)


def plain_config(config: RunConfig) -> dict[str, Any]:
    """Write what decides a run besides its seed, by paths, as JSON has it."""
    flat = flatten(config.model_dump(mode="json"))
    return {path: value for path, value in flat.items() if path != "seed"}


def differing(saved: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Name the fields that differ from saved ones; those that came later count there as their defaults."""
    before = plain_config(make_config(saved))
    return [path for path in {**before, **config} if before.get(path) != config.get(path)]


def grouped(runs: Sequence[Run], together: int) -> Iterator[list[Run]]:
    """Put seeds that stand at the same epoch together, those that are furthest first."""
    for _, equal in itertools.groupby(sorted(runs, key=lambda run: -run.epoch), key=lambda run: run.epoch):
        while group := list(itertools.islice(equal, together)):
            yield group


class Group:
    """Seeds that run at once."""

    def __init__(self, engine: Engine, place: Place, runs: list[Run]):
        self.engine, self.place, self.runs = engine, place, runs
        self.seeds = [run.seed for run in runs]
        self.states = stack([run.state for run in runs])

    def train(self) -> bool:
        """Train to the end; return False where the time is up before."""
        first, last = self.runs[0].epoch, self.engine.plan.epochs
        saved_at, lasted = time.monotonic(), 0.0
        drawn = self.engine.draw(self.seeds, first) if first < last else None
        for epoch in range(first, last):
            if time.monotonic() + SAFETY * lasted > self.place.deadline:
                self.save()
                return False
            began = time.monotonic()
            self.states, losses = self.engine.run_epoch(self.states, self.engine.training_data, drawn, epoch)
            drawn = self.engine.draw(self.seeds, epoch + 1) if epoch + 1 < last else None  # while the device computes
            means = [float(mean) for mean in np.asarray(losses)[:, : self.engine.steps_in(epoch)].mean(1)]
            lasted = time.monotonic() - began
            self.note(means, lasted)
            if epoch + 1 == last or time.monotonic() - saved_at > self.place.save_every:
                self.save()
                saved_at = time.monotonic()
        self.finish()
        return True

    def note(self, losses: list[float], lasted: float) -> None:
        """Count an epoch, and print its losses; raise an error where none of them is a number."""
        for run in self.runs:
            run.epoch, run.seconds = run.epoch + 1, run.seconds + lasted / len(self.runs)
        epoch, row = self.runs[0].epoch, self.runs[0].row
        told = ", ".join(f"seed {seed}: {loss:.4f}" for seed, loss in zip(self.seeds, losses))
        print(f"{row} epoch {epoch} of {self.engine.plan.epochs}, loss {told}; {lasted:.1f} s", flush=True)
        if not any(map(math.isfinite, losses)):
            raise ValueError(f"{row}: no loss is a number in epoch {epoch}, of seeds {self.seeds}. Run other seeds.")

    def save(self) -> None:
        """Write where every seed stands."""
        for run, own in zip(self.runs, unstack(self.states, len(self.runs))):
            run.state = own
            run.save(self.place.state)

    def finish(self) -> None:
        """Test the networks, and add a line to the results for each."""
        errors = np.asarray(self.engine.count_errors(self.states, self.engine.test_data))
        for run, wrong in zip(self.runs, errors):
            if not run.is_finite:
                print(f"{run.name}: its weights are no numbers any more; it is not entered.", flush=True)
                continue
            error = 100 * int(wrong) / self.engine.images.count("test")
            print(f"{run.name}: test error {error:.2f} %, {run.seconds:.0f} s", flush=True)
            if self.place.networks:
                self.write_network(run)
            facts = {"device": self.place.device, "precision": self.place.precision, "commit": self.place.commit}
            line = results.Result(
                run.row, run.seed, round(error, 4), seconds=round(run.seconds, 1), engine="jax", **facts
            )
            results.append(self.place.results, line)

    def write_network(self, run: Run) -> None:
        """Write a trained network, with its input contract, as `python -m training` does."""
        self.place.networks.mkdir(parents=True, exist_ok=True)
        write_atomically(self.place.networks / f"{run.name}.keras", self.engine.trained(run.state).save)
