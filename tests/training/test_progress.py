"""What a user sees while a run trains: on a terminal of any width, in a pipe, and where nobody reads."""

import contextlib
import fcntl
import io
import os
import re
import struct
import termios
from types import SimpleNamespace

import pytest

from training.plan import Plan
from training.progress import Progress, duration, fitted

PLAN = Plan(steps=40, epochs=3, iterations=120, phases=())
LOGS = {"accuracy": 0.5, "loss": 1.25}


class Clock(SimpleNamespace):
    """A clock that stands still: steps of a tenth of a second, and tests of two seconds."""

    def __init__(self, **others):
        usual = {
            "batch_size": 128,
            "seconds": 6.0,
            "trained": 4.0,
            "seconds_per_step": 0.1,
            "images_per_second": 1280.0,
        }
        super().__init__(**{**usual, "share_waiting": 0.02, "steps": 40, **others})


class Terminal:
    """A pseudo-terminal of so many columns."""

    def __init__(self, columns: int):
        self.reading, writing = os.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(writing, "w", encoding="utf-8")

    def read(self) -> str:
        self.stream.close()
        text = b""
        while True:
            try:
                part = os.read(self.reading, 65536)
            except OSError:  # the other end is closed
                part = b""
            if not part:
                os.close(self.reading)
                return text.decode()
            text += part


def train(stream, **about) -> None:
    """Go through two epochs as Keras calls it."""
    progress = Progress(PLAN, Clock(**about), stream)
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        for batch in range(PLAN.steps):
            progress.drawn = 0.0  # as if some time had passed
            progress.on_train_batch_end(batch, LOGS)
        progress.on_test_begin()
        progress.on_epoch_end(epoch, {**LOGS, "val_loss": 1.5})
    progress.close()


FIGURES = "accuracy 0.5000, loss 1.2500, val_loss 1.5000; 6 s, 1,280 images/s"
LINES = [f"epoch 1/3: {FIGURES}, 12 s left", f"epoch 2/3: {FIGURES}, 6 s left"]


def test_pipe_gets_a_line_an_epoch_and_nothing_else():
    stream = io.StringIO()
    train(stream)
    assert stream.getvalue() == "\n".join(LINES) + "\n"


def test_terminal_that_cannot_move_its_cursor_gets_the_same(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal(80)
    train(terminal.stream)
    assert terminal.read() == "\r\n".join(LINES) + "\r\n"


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_bar_fits_the_terminal_and_gives_way_to_the_line_of_its_epoch(columns, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(columns)
    train(terminal.stream)
    first, second, rest = terminal.read().split("\r\n")
    assert rest == ""
    for line, expected in ((first, LINES[0]), (second, LINES[1])):
        *bars, last = re.split(r"\x1b\[K", line)[:-1]
        assert last == "\r" + expected and len(bars) == PLAN.steps + 1
        assert all(bar.startswith("\repoch ") and len(bar) - 1 < columns for bar in bars)


def test_bar_shows_the_time_left_of_the_run_before_all_else(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(40)
    train(terminal.stream)
    bars = [bar.strip("\r") for bar in terminal.read().split("\x1b[K")]
    # 119 steps are left, and three tests of which none is known; later 40 steps and two tests of two seconds.
    assert bars[0] == "epoch 1/3 1/40  12 s left  loss 1.2500"
    assert f"epoch 2/3 [{'=' * 11}] 40/40  8 s left" in bars


def test_line_of_the_bar_is_left_empty_where_training_ends_within_an_epoch(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(80)
    progress = Progress(PLAN, Clock(), terminal.stream)
    progress.on_train_batch_end(0, LOGS)
    progress.close()
    progress.close()
    assert re.fullmatch(r"\repoch 1/3 \[.*accuracy 0\.5000\x1b\[K\r\x1b\[K", terminal.read())


def test_nothing_is_said_of_speed_before_it_is_known(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(80)
    Progress(PLAN, Clock(seconds_per_step=0.0), terminal.stream).draw(1, {})
    assert re.fullmatch(r"\repoch 1/3 \[ {30}\] 1/40\x1b\[K", terminal.read())


def test_waiting_is_told_where_it_matters():
    stream = io.StringIO()
    train(stream, share_waiting=0.4)
    assert "1,280 images/s, 40% waiting for data, 12 s left" in stream.getvalue()


def test_nobody_reading_is_an_error_of_the_epochs_line():
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    with pytest.raises(BrokenPipeError):
        train(stream)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (41.4, "41 s"), (60, "1:00"), (187, "3:07"), (7387, "2:03:07"), (3599.6, "1:00:00")],
)
def test_durations_are_written_as_clocks_do(seconds, text):
    assert duration(seconds) == text


def test_parts_of_a_line_are_left_out_where_they_do_not_fit():
    parts = ["1:00 left", "900 images/s", "loss 1.0000"]
    assert fitted("epoch 1/2", 5, 10, parts, 70) == (
        "epoch 1/2 [=======        ] 5/10  1:00 left  900 images/s  loss 1.0000"
    )
    assert fitted("epoch 1/2", 5, 10, parts, 40) == "epoch 1/2 5/10  1:00 left  900 images/s"
    assert fitted("epoch 1/2", 5, 10, parts, 38) == "epoch 1/2 5/10  1:00 left  loss 1.0000"
    assert fitted("epoch 1/2", 5, 10, parts, 12) == "epoch 1/2 5/"
