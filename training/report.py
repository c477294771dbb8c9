"""The report of a run: learning curves and a page."""

from __future__ import annotations

import json
import math
import platform
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_resnet.files import write_atomically, write_text
from training.config import RunConfig
from training.pictures import save
from training.published import published_rows
from training.run_folder import RunFolder
from training.tasks import task_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Draw loss and error over the epochs, training against test."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    epochs = [row["epoch"] for row in rows]
    task = task_of(rows[0])
    panels = (("loss", task.loss, lambda v: v, True), (task.measure, f"{task.figure}, %", task.shown, task.is_error))
    for axes, (name, label, scale, falls) in zip(figure.subplots(1, 2), panels):
        for key, legend, style in ((name, "training", "--"), (f"val_{name}", "test", "-")):
            values = [scale(row[key]) for row in rows]
            alone = "o" if sum(map(math.isfinite, values)) == 1 else None  # of which no line can be drawn
            axes.plot(epochs, values, style, label=legend, linewidth=1.6, marker=alone)
        show_epochs(axes, label, falls)
        axes.legend(frameon=False)
    save(figure, path)


def show_epochs(axes: Axes, label: str, falls: bool = True) -> None:
    """Scale and name the axes of learning curves: whole epochs, and what falls towards 0 on a logarithmic scale."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    if falls:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3, linewidth=0.5)


def write_report(folder: RunFolder, config: RunConfig, network: dict[str, Any], results: dict[str, Any]) -> None:
    """Write `curves.png`, the results as `test.json`, and `report.md`."""
    rows = folder.read_metrics()
    if rows:
        title = f"{network['network']} on {config.data.dataset}"
        write_atomically(folder.path / "curves.png", lambda part: draw_curves(rows, part, title))
    about = {"split": results["split"], "examples": results["examples"], "views": config.evaluation.views["name"]}
    write_text(folder.test_file, json.dumps({**about, **results}, indent=2) + "\n")
    text = _page(config, network, results, rows, folder.read_times())
    write_text(folder.report_file, text)


def _page(config: RunConfig, network: dict, results: dict, rows: list[dict], times: list[dict]) -> str:
    import keras

    seconds = sum(row["seconds"] for row in times)
    rates = [row["images_per_second"] for row in times if "images_per_second" in row]
    rate = f"| images a second, in training | {statistics.median(rates):,.0f} |\n" if rates else ""
    shares = [row["waiting"] for row in times if math.isfinite(row.get("waiting", math.nan))]
    rate += f"| waiting for data, % of training | {100 * statistics.median(shares):.0f} |\n" if shares else ""
    facts = {**network, **results, **published_rows(config)}
    figures = "\n".join(f"| {name} | {_figure(value)} |" for name, value in facts.items())
    task = task_of(rows[0] if rows else results)
    measure, heading = task.measure, task.measure.replace("_", " ")
    epochs = "\n".join(
        f"| {row['epoch']:.0f} | {row['loss']:.4f} | {100 * row[measure]:.2f} | "
        + ("| |" if math.isnan(row["val_loss"]) else f"{row['val_loss']:.4f} | {100 * row[f'val_{measure}']:.2f} |")
        for row in rows
    )
    curves = "![curves](curves.png)\n\n" if rows else ""
    return (
        f"# {network['network']} on {config.data.dataset}\n\n{curves}"
        f"| | |\n|---|---|\n{figures}\n| seconds | {seconds:.1f} |\n{rate}| seed | {config.seed} |\n"
        f"| Keras | {keras.__version__}, {keras.backend.backend()} |\n"
        f"| Python | {platform.python_version()}, {platform.machine()} |\n\n"
        "Repeat it: `python -m training --config config.yaml`\n\n"
        f"| epoch | loss | {heading}, % | test loss | test {heading}, % |\n|---|---|---|---|---|\n{epochs}\n"
    )


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
