"""Pictures of what is measured of layers and units, over their place in the network."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_resnet.analysis.factors import Factor
from keras_resnet.analysis.identity import IdentityDistance
from keras_resnet.analysis.lines import PlaceOnLine
from keras_resnet.analysis.paths import Lesion, PathLength
from keras_resnet.analysis.pictures import COLORS, lines_apart, lines_in_order, new_figure, save, tidy
from keras_resnet.analysis.signs import NegativeShare

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Target = str | os.PathLike  # the picture to write, in any format that matplotlib knows by its ending
WIDE = (9.0, 3.4)
NAMED = 12  # lines of a series that a legend names


def _name_lines(figure: Figure, axes: Axes) -> None:
    """Name the lines of a plot: in it, or beside it where they are many."""
    if len(axes.get_legend_handles_labels()[0]) <= len(COLORS):
        axes.legend(frameon=False, fontsize=9)
    else:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)


def draw_responses(responses: Mapping[str, Mapping[str, float]], path: Target) -> None:
    """Draw the responses of the layers of several networks: in order, and the largest first.

    Args:
        responses: dict by the network's name of what `layer_responses` gives.
        path: file to write.

    Source: arXiv 1512.03385, Figure 7.
    """
    figure = new_figure(WIDE)
    ordered, ranked = figure.subplots(1, 2, sharey=True)
    for style, (name, own) in zip(lines_apart(len(responses)), responses.items()):
        values = list(own.values())
        for axes, shown in ((ordered, values), (ranked, sorted(values, reverse=True))):
            places = range(1, len(shown) + 1)
            axes.plot(places, shown, marker="o", label=name, markersize=3, linewidth=1.2, **style)
    tidy(ordered, "layer", "standard deviation", "in their order", counts=True)
    tidy(ranked, "layer", "", "by magnitude", counts=True)
    _name_lines(figure, ordered)
    save(figure, path)


def draw_gradients(norms: Mapping[str, Mapping[str, float]], path: Target) -> None:
    """Draw the norm of the gradient with respect to the kernel of each layer, for several networks.

    More than six are drawn as a series, in the colors of a scale; of more than twelve some are named.

    Args:
        norms: dict by the network's name of what `gradient_norms` gives, as a `GradientRecorder` keeps it.
        path: file to write.
    """
    figure = new_figure(WIDE)
    axes = figure.subplots()
    named = {round(place) for place in np.linspace(0, len(norms) - 1, min(len(norms), NAMED))}
    for place, (style, (name, own)) in enumerate(zip(lines_in_order(len(norms)), norms.items())):
        label = name if place in named else None
        places = range(1, len(own) + 1)
        axes.plot(places, list(own.values()), marker="o", label=label, markersize=3, linewidth=1.2, **style)
    axes.set_yscale("log")
    tidy(axes, "layer", "norm of the gradient", counts=True)
    _name_lines(figure, axes)
    save(figure, path)


def draw_propagation(factors: Sequence[Factor], path: Target) -> None:
    """Draw what the shortcuts of each stage do to signal and gradient: formula and measurement.

    Args:
        factors: sequence of Factors.
        path: file to write.

    Source: arXiv 1603.05027, equations 3 to 8.
    """
    figure = new_figure(WIDE)
    panels = figure.subplots(1, 2)
    columns = (
        ("signal, from the first unit of a stage on", (("formula_signal", "formula"), ("signal", "shortcuts alone"))),
        (
            "gradient, from the last unit of a stage back",
            (("formula_gradient", "formula"), ("gradient", "shortcuts alone"), ("whole_gradient", "all paths")),
        ),
    )
    for axes, (title, lines) in zip(panels, columns):
        for color, (field, label) in zip((COLORS[5], COLORS[0], COLORS[1]), lines):
            style = {"linestyle": "--", "marker": "s"} if label == "formula" else {"marker": "o"}
            _by_stage(axes, factors, field, color=color, label=label, **style)
        if all(getattr(row, field) > 0 for row in factors for field, _ in lines):
            axes.set_yscale("log")
        tidy(axes, "unit", "share", title, counts=True)
        axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def _by_stage(axes: Axes, rows: Sequence[Factor], field: str, label: str, **style) -> None:
    """Draw a line a stage."""
    stages: dict[str, list[tuple[int, float]]] = {}
    for place, row in enumerate(rows, start=1):
        stages.setdefault(row.unit.partition("_")[0], []).append((place, getattr(row, field)))
    for index, points in enumerate(stages.values()):
        axes.plot(*zip(*points), label=None if index else label, markersize=3, linewidth=1.2, **style)


def draw_negative_shares(shares: Sequence[NegativeShare], path: Target) -> None:
    """Draw the shares of negative values at the additions of the units.

    Args:
        shares: sequence of NegativeShares.
        path: file to write.
    """
    figure = new_figure(WIDE)
    axes = figure.subplots()
    lines = (("residual", "residual branch"), ("sum", "sum"), ("cut", "cut off behind the addition"))
    places = range(1, len(shares) + 1)
    for color, (field, label) in zip(COLORS, lines):
        style = {"linestyle": ":" if field == "cut" else "-", "linewidth": 2.2 if field == "cut" else 1.2}
        axes.plot(places, [100 * getattr(row, field) for row in shares], marker="o", color=color, label=label, **style)
    tidy(axes, "unit", "negative values, %", counts=True)
    axes.set_ylim(0, 100)
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def draw_identity_distances(distances: Mapping[str, Sequence[IdentityDistance]], path: Target) -> None:
    """Draw how far the units of several networks are from the identity.

    Args:
        distances: dict by the network's name of what `identity_distances` gives; units that change the shape are left
            out.
        path: file to write.
    """
    figure = new_figure(WIDE)
    panels = figure.subplots(1, 2)
    for style, (name, rows) in zip(lines_apart(len(distances)), distances.items()):
        for axes, field in zip(panels, ("distance", "cosine")):
            points = [(place, getattr(row, field)) for place, row in enumerate(rows, start=1)]
            known = [point for point in points if not math.isnan(point[1])] or [(math.nan, math.nan)]
            axes.plot(*zip(*known), marker="o", label=name, markersize=4, linewidth=1.2, **style)
    tidy(panels[0], "unit", "|output − input| / |input|", counts=True)
    tidy(panels[1], "unit", "cosine of output and input", counts=True)
    _name_lines(figure, panels[0])
    save(figure, path)


def draw_paths(rows: Sequence[PathLength], counts: Sequence[int], path: Target) -> None:
    """Draw how many paths there are of each length, what one carries, and what all carry together.

    Args:
        rows: sequence of PathLengths.
        counts: sequence of int, of paths of every length.
        path: file to write.

    Source: arXiv 1605.06431, Figure 6.
    """
    figure = new_figure((9.0, 3.2))
    number, single, together = figure.subplots(1, 3)
    total = sum(counts)
    number.plot(range(len(counts)), [count / total for count in counts], color=COLORS[0])
    tidy(number, "length of the path", "share of all paths", f"{float(total):.3g} paths", counts=True)
    lengths = [row.length for row in rows]
    single.plot(lengths, [row.gradient for row in rows], "o-", color=COLORS[1], markersize=4)
    if all(row.gradient > 0 for row in rows):
        single.set_yscale("log")
    tidy(single, "length of the path", "gradient at the first unit", "what one path carries", counts=True)
    whole = sum(row.contribution for row in rows) or 1
    together.plot(lengths, [row.contribution / whole for row in rows], "o-", color=COLORS[2], markersize=4)
    tidy(together, "length of the path", "share", "what all paths of a length carry", counts=True)
    save(figure, path)


def draw_lesions(rows: Sequence[Lesion], path: Target) -> None:
    """Draw the error without each of the residual branches, beside that of the whole network.

    Args:
        rows: sequence of Lesions, the whole network first.
        path: file to write.

    Source: arXiv 1605.06431, Figure 3.
    """
    figure = new_figure(WIDE)
    axes = figure.subplots()
    whole, *units = rows
    axes.bar(range(1, len(units) + 1), [100 - 100 * row.accuracy for row in units], color=COLORS[0], width=0.7)
    axes.axhline(100 - 100 * whole.accuracy, color=COLORS[1], linestyle="--", label="the whole network")
    tidy(axes, "unit that is left out", "error, %", counts=True)
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def draw_line(rows: Sequence[PlaceOnLine], path: Target, ends: tuple[str, str] = ("first", "second")) -> None:
    """Draw loss and error along the line between two networks.

    Args:
        rows: sequence of PlacesOnLine.
        path: file to write.
        ends: names of the two networks.
    """
    figure = new_figure(WIDE)
    panels = figure.subplots(1, 2)
    places = [row.place for row in rows]
    panels[0].plot(places, [row.loss for row in rows], "o-", color=COLORS[0], markersize=3)
    panels[1].plot(places, [100 - 100 * row.accuracy for row in rows], "o-", color=COLORS[1], markersize=3)
    for axes, name in zip(panels, ("loss", "error, %")):
        tidy(axes, f"0: {ends[0]}, 1: {ends[1]}", name)
        for end in (0, 1):
            axes.axvline(end, color=COLORS[5], linewidth=0.8, linestyle=":")
    save(figure, path)
