"""Draw the figures of units.md from networks as the package builds them: `make figures`."""

from __future__ import annotations

from pathlib import Path

import keras_resnet
from keras_resnet.analysis import UnitGraph, draw_units, unit_graph

FOLDER = Path(__file__).parent
WIDTH = 8.5  # inches, 1700 pixels
SAME, CHANGING = "conv2_block2", "conv3_block1"  # a unit that keeps size and width, one that changes both

# arXiv 1603.05027, Figure 4 and Table 2.
PLACEMENTS = {
    "(a) original": "original",
    "(b) bn_after_\naddition": "bn_after_addition",
    "(c) relu_before_\naddition": "relu_before_addition",
    "(d) relu_only_\npreactivation": "relu_only_preactivation",
    "(e) full_\npreactivation": "full_preactivation",
}
# arXiv 1512.03385, section 3.3, and 1603.05027, Figure 2; in rows.
SHORTCUTS = (
    ("A", "B", "C", "convolution", "none"),
    ("constant_scaling", "dropout"),
    ("exclusive_gating", "shortcut_only_gating"),
)
UNITS = {
    "basic": ("ResNet20", SAME),
    "bottleneck": ("ResNet50", SAME),
    "full_preactivation,\nthe first unit": ("ResNet20V2", "conv2_block1"),
    "full_preactivation,\nwhere the size changes": ("ResNet20V2", CHANGING),
}


def main() -> None:
    """Write every figure beside this file."""
    placements = {title: unit(SAME, placement=name) for title, name in PLACEMENTS.items()}
    units = {title: unit(prefix, network) for title, (network, prefix) in UNITS.items()}
    draw_units([placements], FOLDER / "placements.png", WIDTH)
    draw_units([units], FOLDER / "units.png", WIDTH)
    draw_units(shortcuts(SAME), FOLDER / "shortcuts.png", WIDTH)
    draw_units(shortcuts(CHANGING), FOLDER / "changes.png", WIDTH)


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


def shortcuts(prefix: str) -> list[dict[str, UnitGraph]]:
    """Read one unit under every shortcut; those whose graphs are equal share a panel.

    Args:
        prefix: str, the unit's name.

    Returns:
        Rows of panels.
    """
    rows = []
    for names in SHORTCUTS:
        titles: dict[UnitGraph, list[str]] = {}
        for name in names:
            titles.setdefault(unit(prefix, shortcut=name), []).append(name)
        rows.append({", ".join(same): graph for graph, same in titles.items()})
    return rows


if __name__ == "__main__":
    main()
