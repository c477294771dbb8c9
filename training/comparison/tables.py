"""The table of compared configurations, as CSV, Markdown and LaTeX, and the fields in which they differ."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from keras_resnet.text_tables import markdown
from training.comparison.seeds import OF_THE_IMAGES, Configuration, write_value
from training.config.fields import shown_name

DEVIATION = "deviation"
NUMBERS = 4  # the column from which on they are numbers
# What LaTeX reads otherwise than as it is written.
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "--",
}


def deviation(values: np.ndarray) -> float | None:
    """Give the standard deviation of a sample; None of one value, which has none."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def number(value: float | None, digits: int) -> str:
    """Write a figure; nothing where there is none, as of a run that has not been tested yet."""
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def heading(configurations: Sequence[Configuration]) -> list[str]:
    """Name the columns; the figure is that of the runs' task."""
    figure = f"{configurations[0].runs[0].task.figure}, %"
    first = ["configuration", "network", "data set", "seeds", "epochs"]
    return [*first, f"test {figure}", DEVIATION, "test loss", f"training {figure}"]


def cells(configuration: Configuration) -> list[str]:
    """Give the row of a configuration: means over seeds, of the last epoch of each run."""
    figure, epochs = configuration.last("val_figure"), sorted({run.epochs for run in configuration.runs})
    return [
        configuration.letter,
        configuration.network,
        configuration.runs[0].fields["data.dataset"],
        " ".join(str(run.seed) for run in configuration.runs),
        " to ".join(str(end) for end in dict.fromkeys((epochs[0], epochs[-1]))),
        number(figure.mean(), 2),
        number(deviation(figure), 2),
        number(configuration.last("val_loss").mean(), 4),
        f"{configuration.last('figure').mean():.2f}",
    ]


def as_csv(configurations: Sequence[Configuration]) -> str:
    """Write the table as CSV, the differing fields behind the figures."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heading(configurations), *map(shown_name, configurations[0].differing)])
    for own in configurations:
        writer.writerow([*cells(own), *map(write_value, own.differing.values())])
    return text.getvalue()


def as_markdown(configurations: Sequence[Configuration]) -> str:
    """Write the table as Markdown, with what must be known to read it."""
    columns, rows = _joined(configurations, "±")
    table = markdown([columns, *rows], right=range(NUMBERS, len(columns)))
    return "\n".join([*table, "", *notes(configurations)]) + "\n"


def as_latex(configurations: Sequence[Configuration]) -> str:
    """Write the table as a tabular of LaTeX, without packages."""
    columns, rows = _joined(configurations, r"$\pm$")
    body = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (columns, *rows)]
    alignment = "l" * NUMBERS + "r" * (len(columns) - NUMBERS)
    lines = [
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\hline",
        body[0],
        r"\hline",
        *body[1:],
        r"\hline",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def differences(configurations: Sequence[Configuration]) -> str:
    """Write the fields in which configurations differ as a table in Markdown; a sentence where there is one alone."""
    paths = configurations[0].differing
    if not paths:
        return "All runs have the same configuration but for the seed.\n"
    rows = [[f"`{shown_name(path)}`", *(write_value(own.differing[path]) for own in configurations)] for path in paths]
    columns = ["field", *(own.letter for own in configurations)]
    return "\n".join(markdown([columns, *rows])) + "\n"


def notes(configurations: Sequence[Configuration]) -> list[str]:
    """Say what the figures are, and which of them cannot be compared."""
    said = [
        f"Test {configurations[0].runs[0].task.figure} and losses are those after the last epoch of each run, none "
        "being chosen by them: the mean over seeds ± the standard deviation of the sample."
    ]
    runs = [run for own in configurations for run in own.runs]
    if unfinished := [str(run.folder.path) for run in runs if not run.is_finished]:
        said.append(f"Not finished: {', '.join(unfinished)}.")
    if untested := [str(run.folder.path) for run in runs if math.isnan(run.curve("val_loss")[-1])]:
        said.append(f"Not tested yet, so that their configurations have no test figures: {', '.join(untested)}.")
    if held_out := [own.letter for own in configurations if own.runs[0].fields["data.validation"]]:
        said.append(
            f"The test figures of {', '.join(held_out)} are of a validation split, taken off the training images."
        )
    if apart := [shown_name(path) for path in OF_THE_IMAGES if path in configurations[0].differing]:
        said.append(f"The configurations differ in {', '.join(apart)}: their errors are of other images.")
    return said


def _joined(configurations: Sequence[Configuration], sign: str) -> tuple[list[str], list[list[str]]]:
    """Put the deviation into the column of the error."""
    columns = heading(configurations)
    place = columns.index(DEVIATION)
    rows = [cells(own) for own in configurations]
    for row in rows:
        spread = row.pop(place)
        row[place - 1] += f" {sign} {spread}" if spread else ""
    return [*columns[:place], *columns[place + 1 :]], rows


def _escaped(text: str) -> str:
    """Write a text for LaTeX; the sign between mean and deviation is LaTeX already."""
    mean, sign, spread = text.partition(r" $\pm$ ")
    return "".join(ESCAPES.get(letter, letter) for letter in mean) + sign + spread
