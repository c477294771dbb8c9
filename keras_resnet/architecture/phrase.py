"""What network an architecture is, in one phrase."""

from __future__ import annotations

from keras_resnet.architecture.fields import Fields
from keras_resnet.choices.shortcuts import parse_shortcut


def describe(architecture: Fields) -> str:
    """Say what a network is, as in "a residual network of 50 layers in bottleneck units, for ImageNet"."""
    name, _ = parse_shortcut(architecture.shortcut)
    kind = "plain" if name == "none" else "residual"
    units = f"{architecture.unit} units" if architecture.unit != "single" else "single convolutions"
    traits = [
        (architecture.placement != "original", architecture.placement),
        (name not in ("A", "B", "none"), name),
        (architecture.stem == "deep", "deep stem"),
        (architecture.groups > 1, f"{architecture.groups} groups"),
        (
            architecture.stem_filters != architecture.widths[0] and architecture.stem != "none",
            "wide, its name counts projections",
        ),
        (architecture.groups == 1 and architecture.width_per_group != 64, "wide"),
        (architecture.squeeze_excitation, "squeeze-and-excitation"),
        (architecture.hidden and architecture.normalization != "none", "batch normalization"),
    ]
    shown = ", ".join(trait.replace("_", " ") for holds, trait in traits if holds)
    suffix = f" ({shown})" if shown else ""
    return f"a {kind} network of {architecture.depth} layers in {units}{suffix}, for {architecture.family}"
