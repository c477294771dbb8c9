"""The figures of `inference.py`: medians and quartiles over rounds, ratios paired by round, and the goals."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from inference_rows import BASE, CEILINGS, EXPORTS, PEERS, ROWS, SIDE

FLOATS = ("float32", "bfloat16")
HEADINGS = ("", "precision", "ms", "images/s", "GFLOP/s", "of ceiling", "times", "logits off")
TEXTS = 2  # columns that hold no numbers
COLUMNS = (
    *("batch", "row", "precision", "ms", "ms_low", "ms_high", "images_per_second", "gflops", "share_of_ceiling"),
    *("times", "times_low", "times_high", "logits_off"),
)

Seconds = Mapping[str, Sequence[float]]  # of a call, by row: a median for each round


class Measured(NamedTuple):
    """What was measured at one batch size."""

    batch: int
    multiply_adds: int  # of an image
    seconds: Seconds
    off: Mapping[str, float | None]  # how far logits are off those of the peer, by row


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """Write it with so many digits behind the point."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


class Figures(NamedTuple):
    """What the table says of a row; None of what it does not have."""

    milliseconds: Spread
    images: float | None  # a second
    gflops: float  # two a multiply-add
    share: float | None  # of what the machine computes in a product of matrices of the same precision
    times: Spread | None  # as fast as keras.applications' SavedModel
    off: float | None


class Goal(NamedTuple):
    """How many times as fast the fastest of some rows is to be as the fastest of others.

    Args:
        claim: str, what is compared.
        ours: tuple of rows.
        theirs: tuple of rows.
        least: float, the least median that is hoped for.
        batches: tuple of the batches for which it is; empty for any.
    """

    claim: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    least: float
    batches: tuple[int, ...] = ()


class Verdict(NamedTuple):
    """How a goal stands: the fastest rows of both sides, and their ratio in each round."""

    ours: str
    theirs: str
    times: list[float]


def rows_of(engines: Iterable[str], precisions: Iterable[str]) -> tuple[str, ...]:
    """Name the rows of some engines that compute in some precisions."""
    engines, precisions = {*engines}, {*precisions}
    return tuple(name for name, row in ROWS.items() if row.engine in engines and row.precision in precisions)


GOALS = (
    *(
        Goal(
            f"our best SavedModel in {precision} beside PyTorch's best",
            rows_of(["savedmodel"], [precision]),
            rows_of(["torch"], [precision]),
            1.1,
            (1, 8),
        )
        for precision in FLOATS
    ),
    Goal("our best float export beside keras.applications' SavedModel", rows_of(EXPORTS, FLOATS), (BASE,), 2.5, (1, 8)),
    Goal("our best int8 export beside keras.applications' SavedModel", rows_of(EXPORTS, ["int8"]), (BASE,), 4, (1, 8)),
    # In int8 no peer computes.
    *(
        Goal(
            f"our best in {precision} beside the best peer",
            rows_of(EXPORTS, [precision]),
            rows_of(PEERS, [precision]),
            1,
        )
        for precision in FLOATS
    ),
)


def spread(values: Sequence[float]) -> Spread:
    """Give median and quartiles, which are interpolated between values."""
    if len(values) == 1:
        return Spread(*values * 3)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def times_as_fast(fast: str, slow: str, seconds: Seconds) -> list[float]:
    """Divide the time of one row by that of another, round by round."""
    return [theirs / ours for theirs, ours in zip(seconds[slow], seconds[fast])]


def figures(measured: Measured, name: str) -> Figures:
    """Work out what the table says of a row."""
    seconds, row = measured.seconds, ROWS[name]
    ceiling, is_product = CEILINGS.get(row.precision), name in CEILINGS.values()
    multiply_adds = SIDE**3 if is_product else measured.multiply_adds * measured.batch
    middle, share = statistics.median(seconds[name]), None
    if ceiling in seconds:
        share = multiply_adds / SIDE**3 * statistics.median(times_as_fast(name, ceiling, seconds))
    return Figures(
        milliseconds=spread([1e3 * value for value in seconds[name]]),
        images=None if is_product else measured.batch / middle,
        gflops=2 * multiply_adds / middle / 1e9,
        share=share,
        times=None if is_product or BASE not in seconds else spread(times_as_fast(name, BASE, seconds)),
        off=measured.off[name],
    )


def table(measured: Measured) -> list[tuple[str, ...]]:
    """Lay out the figures of all rows, under the names of the columns."""
    rows = [HEADINGS]
    for name in measured.seconds:
        found = figures(measured, name)
        rows.append(
            (
                ROWS[name].title,
                ROWS[name].precision,
                found.milliseconds.text(1),
                "" if found.images is None else f"{found.images:.1f}",
                f"{found.gflops:.0f}",
                "" if found.share is None else f"{found.share:.0%}",
                "" if found.times is None else found.times.text(2),
                "" if found.off is None else f"{found.off:.1g}",
            )
        )
    return rows


def as_csv(all_measured: Iterable[Measured]) -> str:
    """Write the figures of all batches as CSV, a row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for measured in all_measured:
        for name in measured.seconds:
            found = figures(measured, name)
            times = found.times or (None, None, None)
            numbers = (*found.milliseconds, found.images, found.gflops, found.share, *times, found.off)
            shown = ["" if number is None else f"{number:.6g}" for number in numbers]
            writer.writerow((measured.batch, name, ROWS[name].precision, *shown))
    return text.getvalue()


def judge(goal: Goal, seconds: Seconds) -> Verdict | None:
    """Compare the fastest rows of both sides by their medians; None where one side was not timed."""
    sides = ([name for name in names if name in seconds] for names in (goal.ours, goal.theirs))
    ours, theirs = (min(names, key=lambda name: statistics.median(seconds[name]), default=None) for names in sides)
    return Verdict(ours, theirs, times_as_fast(ours, theirs, seconds)) if ours and theirs else None


def verdicts(measured: Measured) -> Iterator[str]:
    """Say of each goal for this batch whether it holds, and by which figures."""
    for goal in GOALS:
        if goal.batches and measured.batch not in goal.batches:
            continue
        claim = f"batch {measured.batch}, {goal.claim}, at least {goal.least:g} times as fast"
        verdict = judge(goal, measured.seconds)
        if verdict is None:
            yield f"- open: {claim}: not both were timed"
            continue
        times = spread(verdict.times)
        reached = sum(value >= goal.least for value in verdict.times)
        yield (
            f"- {'holds' if times.median >= goal.least else 'missed'}: {claim}: {times.text(2)} times, reached in "
            f"{reached} of {len(verdict.times)} rounds ({described(verdict.ours, measured.seconds)}; "
            f"{described(verdict.theirs, measured.seconds)})"
        )


def described(name: str, seconds: Seconds) -> str:
    """Name a row with its precision and time."""
    return f"{ROWS[name].title} in {ROWS[name].precision} {1e3 * statistics.median(seconds[name]):.1f} ms"
