"""What a user sees while a search goes on: a line on the terminal, and a report that is never long out of date."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from training.progress import ERASE, width_of
from tuning.engine.oracles import Proposals
from tuning.report.hparams import write_hparams
from tuning.report.writing import write_report
from tuning.results import read_results
from tuning.status import counts_text, read_status

REPORT_EVERY = 30.0  # seconds at least between two reports
REPORT_SHARE = 10  # times as long as a report took, at least, until the next: it grows with the study
LINE_EVERY = 2.0  # seconds between two drawings of the line


class Watch:
    """Renews the report as trials end, and draws a line on a terminal; to be called again and again meanwhile."""

    def __init__(self, oracle: Proposals, folder: Path, total: int | None, stream: TextIO | None = None):
        self.oracle, self.folder, self.total, self.stream = oracle, folder, total, stream or sys.stdout
        self.is_drawn = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.reported, self.report_due, self.line_due = len(oracle.end_order), time.monotonic() + REPORT_EVERY, 0.0
        self.told: set[str] = set()  # what does not work

    def __call__(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if len(self.oracle.end_order) > self.reported and now >= self.report_due:
            self.report()
        if self.is_drawn and now >= self.line_due:
            self.draw()

    def report(self) -> None:
        """Renew the report and TensorBoard's page."""
        began, self.reported = time.monotonic(), len(self.oracle.end_order)
        self._try("the report is not renewed", self._write_report)
        ended = time.monotonic()
        self.report_due = ended + max(REPORT_EVERY, REPORT_SHARE * (ended - began))

    def _write_report(self) -> None:
        write_hparams(read_results(self.folder))
        write_report(self.folder)

    def draw(self) -> None:
        """Draw the line anew."""
        began = time.monotonic()
        self._try("the line is not drawn", self._draw_line)
        self.line_due = time.monotonic() + max(LINE_EVERY, REPORT_SHARE * (time.monotonic() - began))

    def _draw_line(self) -> None:
        text = counts_text(read_status(self.folder, self.total))[: width_of(self.stream) - 1]
        print(f"\r{text}{ERASE}", end="", file=self.stream, flush=True)

    def _try(self, what: str, act: Callable[[], None]) -> None:
        """Do what a search can do without; what hinders it is told once, and the search goes on."""
        try:
            act()
        except Exception as error:  # a fault of the page's own, too, is no reason to lose a search of days
            if what not in self.told:
                kind = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
                self.say(f"{what}: {kind}{error}")
            self.told.add(what)

    def say(self, sentence: str) -> None:
        """Print a sentence, over the line."""
        print(f"\r{ERASE}{sentence}" if self.is_drawn else sentence, file=self.stream, flush=True)
        self.line_due = 0.0

    def close(self) -> None:
        """Remove the line."""
        if self.is_drawn:
            print(f"\r{ERASE}", end="", file=self.stream, flush=True)
