"""What a user sees while a run trains: a bar on a terminal, and a line for each epoch everywhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

import keras

from training.clock import EpochClock
from training.plan import Plan

EVERY = 0.1  # seconds between two drawings of the bar
LONGEST, SHORTEST = 30, 8  # signs of the bar
NOTABLE = 0.2  # share of waiting from which on it is told
WIDE = 60  # columns from which on there is a bar, whatever else there is to tell
USUAL_WIDTH = 80  # of a terminal that does not tell its own
ERASE = "\x1b[K"  # to the end of the line


class Progress(keras.callbacks.Callback):
    """Prints a line an epoch and, on a terminal, a bar with the images a second and the time that is left of the run.

    Args:
        plan: Plan, the length of the run.
        clock: EpochClock of the same training, called before this.
        stream: file to print to; default standard output.
    """

    def __init__(self, plan: Plan, clock: EpochClock, stream: TextIO | None = None):
        super().__init__()
        self.plan, self.clock, self.stream = plan, clock, stream or sys.stdout
        self.is_drawn = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.epoch, self.tests, self.drawn, self.is_shown = 0, 0.0, 0.0, False

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Draw the bar anew, unless it is fresh."""
        if self.is_drawn and time.perf_counter() - self.drawn >= EVERY:
            self.draw(batch + 1, logs or {})
            self.drawn = time.perf_counter()

    def on_test_begin(self, logs=None) -> None:
        """Show that the training of the epoch is done."""
        if self.is_drawn:
            self.draw(self.clock.steps, {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print the line of the epoch."""
        self.tests = self.clock.seconds - (self.clock.trained or self.clock.seconds)
        figures = [f"{name} {value:.4f}" for name, value in (logs or {}).items()]
        left = self.seconds_left(epoch + 1, 0)
        about = [
            duration(self.clock.seconds),
            f"{self.clock.images_per_second:,.0f} images/s",
            *([f"{share:.0%} waiting for data"] if (share := self.clock.share_waiting) >= NOTABLE else []),
            *([f"{duration(left)} left"] if left else []),
        ]
        line = f"epoch {epoch + 1}/{self.plan.epochs}: {', '.join(figures)}; {', '.join(about)}"
        print(f"\r{line}{ERASE}" if self.is_drawn else line, file=self.stream, flush=True)
        self.is_shown = False

    def draw(self, steps: int, logs: Mapping[str, float]) -> None:
        """Draw the bar, as far as the terminal is wide."""
        left, step = self.seconds_left(self.epoch, steps), self.clock.seconds_per_step
        parts = [
            *([f"{duration(left)} left"] if left else []),
            *([f"{self.clock.batch_size / step:,.0f} images/s"] if step else []),
            *(f"{name} {value:.4f}" for name, value in logs.items()),
        ]
        steps_here = min(self.plan.steps, self.plan.iterations - self.epoch * self.plan.steps)
        text = fitted(f"epoch {self.epoch + 1}/{self.plan.epochs}", steps, steps_here, parts, width_of(self.stream) - 1)
        print(f"\r{text}{ERASE}", end="", file=self.stream, flush=True)
        self.is_shown = True

    def seconds_left(self, epochs: int, steps: int) -> float:
        """Estimate how long the rest of the run takes, after so many whole epochs and steps; 0 where it is unknown."""
        steps_left = self.plan.iterations - epochs * self.plan.steps - steps
        return max(steps_left, 0) * self.clock.seconds_per_step + (self.plan.epochs - epochs) * self.tests

    def close(self) -> None:
        """Remove a bar that is still there, because its training has ended before its epoch."""
        if self.is_shown:
            print(f"\r{ERASE}", end="", file=self.stream, flush=True)
            self.is_shown = False


def fitted(heading: str, done: int, count: int, parts: Sequence[str], width: int) -> str:
    """Put a heading, a bar, the steps and as many further parts as fit into a line."""
    text, reserved = f"{done}/{count}", len("[] ") + SHORTEST if width >= WIDE else 0
    for part in parts:
        if len(f"{heading} {text}  {part}") + reserved <= width:
            text = f"{text}  {part}"
    room = min(width - len(f"{heading} [] {text}"), LONGEST)
    if room >= SHORTEST:
        text = f"[{'=' * (room * done // count):{room}}] {text}"
    return f"{heading} {text}"[:width]


def duration(seconds: float) -> str:
    """Write a time as 41 s, 3:07 or 2:03:07."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def width_of(stream: TextIO) -> int:
    """Give the columns of a terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except OSError:
        return USUAL_WIDTH
