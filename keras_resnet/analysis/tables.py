"""Summaries of networks as tables of text: one alone, or two side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from keras_resnet.adaptation import HEAD
from keras_resnet.analysis.summary import Stage, Summary
from keras_resnet.text_tables import aligned

UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def figure(count: float) -> str:
    """Write a count in four digits, as in "3.664 G"."""
    scale, unit = next(((scale, f" {unit}") for scale, unit in UNITS if count >= scale), (1, ""))
    return f"{count:,}" if scale == 1 else f"{count / scale:.{3 - math.floor(math.log10(count / scale))}f}{unit}"


def sides(stage: Stage) -> str:
    """Write the size of a stage's map."""
    return "1×1" if stage.name == HEAD else "×".join(map(str, stage.output))


def pixels(size: float) -> str:
    """Write the size of a receptive field."""
    return "image" if math.isinf(size) else f"{size:.0f}"


def stage_table(summary: Summary) -> list[str]:
    """Write a network stage by stage, a line for each thing that stands there.

    Args:
        summary: Summary.

    Returns:
        List of lines.

    Source: arXiv 1512.03385, Table 1.
    """
    rows = [("stage", "output", "layers", "parameters", "multiply-adds", "receptive field")]
    for stage in summary.stages:
        figures = (f"{stage.parameters:,}", figure(stage.multiply_adds), pixels(stage.field.size))
        for index, text in enumerate(stage.contents or ("",)):
            rows.append((stage.name, sides(stage), text, *figures) if index == 0 else ("", "", text, "", "", ""))
    rows.append(("", "", "", f"{summary.parameters:,}", figure(summary.multiply_adds), ""))
    return aligned(rows, right=(3, 4, 5))


def by_size(stages: Iterable[Stage]) -> dict[str, list[Stage]]:
    """Sort the stages of a network by the size of their maps, the largest first."""
    found: dict[str, list[Stage]] = {}
    for stage in stages:
        found.setdefault(sides(stage), []).append(stage)
    return found


def aligned_sizes(summaries: Sequence[Summary]) -> list[str]:
    """List the sizes of the maps of several networks, the largest first."""
    area = {sides(stage): (stage.name != HEAD, math.prod(stage.output)) for one in summaries for stage in one.stages}
    return sorted(area, key=lambda size: area[size], reverse=True)


def comparison_table(left: Summary, right: Summary) -> list[str]:
    """Write two networks side by side, what works on maps of the same size in the same lines.

    Args:
        left: Summary.
        right: Summary.

    Returns:
        List of lines; the last one says what the smaller of the two costs as a share of the larger.

    Source: arXiv 1512.03385, Figure 3 and Table 1.
    """
    rows: list[Sequence[str]] = [("output", left.name, "multiply-adds", right.name, "multiply-adds")]
    networks = [by_size(one.stages) for one in (left, right)]
    for size in aligned_sizes((left, right)):
        cells: list[list[str]] = [[size]]
        for network in networks:
            stages = network.get(size, [])
            cells.append([text for stage in stages for text in stage.contents])
            cells.append([figure(sum(stage.multiply_adds for stage in stages))] if stages else [])
        rows += itertools.zip_longest(*cells, fillvalue="")
    figures = [
        ("weighted layers", *(str(one.depth or "?") for one in (left, right))),
        ("parameters", *(f"{one.parameters:,}" for one in (left, right))),
        ("multiply-adds", *(f"{one.multiply_adds:,}" for one in (left, right))),
        ("receptive field", *(pixels(one.field.size) for one in (left, right))),
    ]
    table = aligned(rows, right=(2, 4))
    below = aligned([("", left.name, right.name), *figures], right=(1, 2))
    return [*table, "", *below, "", share(left, right)]


def share(left: Summary, right: Summary) -> str:
    """Say what the network of fewer multiply-adds costs as a share of the other."""
    small, large = sorted((left, right), key=lambda one: one.multiply_adds)
    costs = small.multiply_adds / large.multiply_adds, small.parameters / large.parameters
    return (
        f"{small.name} takes {100 * costs[0]:.1f} % of the multiply-adds of {large.name} and {100 * costs[1]:.1f} % of "
        "its parameters."
    )
