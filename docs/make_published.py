"""Draw docs/published.png, the published results by year and by depth, from docs/published.csv: `make figures`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from keras_resnet.analysis.pictures import COLORS, new_figure, save, tidy
from training.command_line import run

DATA, PICTURE = (Path(__file__).with_name(f"published.{ending}") for ending in ("csv", "png"))
# Names that would run over a line, by network and depth: how far they are moved, in points.
MOVED = {("FitNet", 19): (-16, 7), ("Highway", 19): (-48, -3)}
# The networks of Table 6 whose depth it does not give stand at the left.
SHALLOW = 8


def main() -> int:
    """Write the picture; what hinders that is said in a sentence."""
    return run({}, lambda _: draw(), [], "train")


def draw() -> None:
    """Write the picture."""
    rows = read_rows()
    figure = new_figure((10.5, 3.8))
    by_year, by_depth = figure.subplots(1, 2)
    draw_years(by_year, [row for row in rows if row["benchmark"] == "ILSVRC"])
    draw_depths(by_depth, [row for row in rows if row["benchmark"] == "CIFAR-10"])
    save(figure, PICTURE)


def read_rows() -> list[dict[str, Any]]:
    """Read the table; a depth that the papers do not give is None."""
    with open(DATA, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "error": float(row["error"]), "layers": int(row["layers"] or 0) or None} for row in rows]


def draw_years(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw the errors of ensembles on ImageNet by year, the best on top."""
    rows = sorted(rows, key=lambda row: -row["error"])
    for place, row in enumerate(rows):
        color = COLORS[1] if "ResNet" in row["model"] else COLORS[0]
        axes.barh(place, row["error"], color=color, height=0.62)
        depth = f" ({row['layers']} layers)" if row["layers"] else ""
        axes.text(row["error"] + 0.1, place, f"{row['error']:.2f}{depth}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [f"{row['model']}, {row['year']}" for row in rows], fontsize=9)
    axes.set_xlim(0, 9)
    tidy(axes, "top-5 error of the test set, %", "", "ImageNet, ensembles")


def draw_depths(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw the errors on CIFAR-10 by depth."""
    families = {
        "original units": [row for row in rows if row["model"].startswith("ResNet") and "pre-act" not in row["model"]],
        "pre-activation units": [row for row in rows if "pre-act" in row["model"]],
    }
    others = [row for row in rows if not row["model"].startswith("ResNet")]
    for color, (name, own) in zip((COLORS[1], COLORS[2]), families.items()):
        axes.plot([row["layers"] for row in own], [row["error"] for row in own], "o-", color=color, label=name)
    axes.plot([row["layers"] or SHALLOW for row in others], [row["error"] for row in others], "s", color=COLORS[0])
    for row in others:
        place, moved = (row["layers"] or SHALLOW, row["error"]), MOVED.get((row["model"], row["layers"]), (6, -3))
        axes.annotate(row["model"], place, textcoords="offset points", xytext=moved, fontsize=8)
    axes.set_xscale("log")
    axes.set_xticks([SHALLOW, 20, 56, 110, 1001], ["?", "20", "56", "110", "1001"])
    axes.minorticks_off()
    axes.set_ylim(4, 10)
    tidy(axes, "layers", "test error, %", "CIFAR-10 with augmentation")
    axes.legend(frameon=False, fontsize=9)


if __name__ == "__main__":
    sys.exit(main())
