"""Draw the figures of units.md, and what networks learn of exclusive or: `make figures`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from string import ascii_lowercase

import keras_resnet
from keras_resnet.analysis import UnitGraph, draw_units, draw_xor, fit_xor, unit_graph
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from training.command_line import run

FOLDER = Path(__file__).parent
WIDTH = 8.5  # inches, 1700 pixels
SAME, CHANGING = "conv2_block2", "conv3_block1"  # a unit that keeps size and width, one that changes both
TITLE = 16  # characters that a line of a title may have
UNITS = {
    "basic": ("ResNet20", SAME),
    "bottleneck": ("ResNet50", SAME),
    "full_preactivation,\nthe first unit": ("ResNet20V2", "conv2_block1"),
    "full_preactivation,\nwhere the size changes": ("ResNet20V2", CHANGING),
}


def main() -> int:
    """Write every figure; what hinders that is said in a sentence."""
    return run({}, lambda _: draw(), [], "train")


def draw() -> None:
    """Write every figure beside this file."""
    placements = {panel_title(*item): unit(SAME, placement=item[1]) for item in zip(ascii_lowercase, PLACEMENTS)}
    units = {title: unit(prefix, network) for title, (network, prefix) in UNITS.items()}
    draw_units([placements], FOLDER / "placements.png", WIDTH)
    draw_units([units], FOLDER / "units.png", WIDTH)
    draw_units([shortcuts(SAME)], FOLDER / "shortcuts.png", WIDTH)
    draw_units([shortcuts(CHANGING)], FOLDER / "changes.png", WIDTH)
    draw_xor([fit_xor(activation) for activation in ("linear", "relu", "trainable_swish")], FOLDER / "xor.png")


def unit(prefix: str, network: str = "ResNet20", **choices: str) -> UnitGraph:
    """Build a network and read the graph of one of its units.

    Args:
        prefix: str, the unit's name.
        network: str, the network's name.
        **choices: fields of `Architecture`.

    Returns:
        UnitGraph.
    """
    return unit_graph(keras_resnet.ResNet(network, **choices), prefix)


def panel_title(letter: str, placement: str) -> str:
    """Write a placement's letter, that of arXiv 1603.05027, Figure 4, and its name in short lines."""
    lines = [f"({letter}) "]
    for part in re.findall(r"[^_]+_?", placement):
        if len(lines[-1] + part) > TITLE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def shortcuts(prefix: str) -> dict[str, UnitGraph]:
    """Read one unit under every shortcut; those whose graphs are equal share a panel.

    Args:
        prefix: str, the unit's name.

    Returns:
        Dict of title -> UnitGraph.
    """
    titles: dict[UnitGraph, list[str]] = {}
    for name in SHORTCUTS:
        titles.setdefault(unit(prefix, shortcut=name), []).append(name)
    return {", ".join(same): graph for graph, same in titles.items()}


if __name__ == "__main__":
    sys.exit(main())
