"""What the pictures of analyses have in common: a figure, its colors, and a file that is written whole."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_resnet.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# They stay apart under the common kinds of color blindness.
COLORS = ("#3d6f9e", "#b8623a", "#4f8a5b", "#a98a1d", "#7a5aa6", "#666666")
STROKES = ("-", "--", ":", "-.")
DPI = 120


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure of a width and a height in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"Drawing needs matplotlib ({error}). Install it with: pip install 'keras-resnet-suite[draw]'."
        ) from error
    return Figure(figsize=size, layout="constrained", facecolor="white")


def check_format(path: str | os.PathLike) -> None:
    """Refuse the name of a picture whose format matplotlib does not know."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in known:
        endings = ", ".join(f".{name}" for name in known)
        raise ValueError(f"The picture must be a file that ends in one of {endings}; received {os.fspath(path)!r}.")


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a picture whole or not at all, in the same bytes for the same picture."""
    check_format(path)
    write_atomically(path, lambda part: write(figure, part))


def write(figure: Figure, path: Path, dpi: int = DPI, colors: int = 256) -> None:
    """Write a PNG with a palette, which takes a fraction of the bytes; leave other formats to matplotlib."""
    from PIL import Image

    if path.suffix.lower() != ".png":
        figure.savefig(path, dpi=dpi)
        return
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png")
    picture = Image.open(buffer).convert("RGB").quantize(colors, dither=Image.Dither.NONE)
    picture.save(path, optimize=True, dpi=(dpi, dpi))


def lines_apart(count: int) -> list[dict[str, Any]]:
    """Give the style of each of several lines: a color, and where they have run out another stroke."""
    return [
        {"color": COLORS[place % len(COLORS)], "linestyle": STROKES[place // len(COLORS) % len(STROKES)]}
        for place in range(count)
    ]


def lines_in_order(count: int) -> list[dict[str, Any]]:
    """Give the style of each line of a series: where colors have run out, those of a scale."""
    if count <= len(COLORS):
        return lines_apart(count)
    from matplotlib import colormaps

    return [{"color": colormaps["viridis"](place)} for place in np.linspace(0, 0.9, count)]


def tidy(axes: Axes, x: str, y: str, title: str = "", *, counts: bool = False) -> None:
    """Name the axes of a plot, and give it a faint grid; `counts` says that x is a number of things, and whole."""
    if counts:
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3, linewidth=0.5)
