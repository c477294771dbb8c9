"""How other people name the tensors of a residual network, as tables: their names to ours.

Our name of a tensor is its layer's and its own, as in `conv4_block6_2_bn/gamma`; our kernels have the shape (height,
width, inputs, filters). A layout renames the layers, and turns kernels where its framework has them otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]


class Layout(NamedTuple):
    """A naming scheme.

    Args:
        title: str, for messages.
        marks: tuple of str, regular expressions; each of them is some layer's name in such a file.
        layers: mapping of regular expressions of their layers' names to ours. The groups `stage` and `block` of the
            expression make the `{unit}` of ours; the group `site` stays as it is. A name that ends in `_` is of a
            convolution or of a normalisation, which its shape must tell.
        first_stage: int, number of their first stage.
        torch: bool, whether their tensors are named and turned as PyTorch's, or as Keras's.
        deep: mapping of layers of ours, as `layers` has them, to their names where the stem is three convolutions.
        projections: mapping of what `Architecture.projection` may be to a regular expression of the convolutions'
            names, where these tell it.
    """

    title: str
    marks: tuple[str, ...]
    layers: Mapping[str, str]
    first_stage: int = 1
    torch: bool = True
    deep: Mapping[str, str] = {"conv1_bn": "conv1_3_bn"}
    projections: Mapping[str, str] = {}


STAGE = r"(?P<stage>\d+)\.(?P<block>\d+)\."

# torchvision, timm's resnet.py (deep stems, pooled projections, squeeze-and-excitation), fb.resnet-style CIFAR nets.
FACEBOOK = {
    r"conv1": "conv1_conv",
    r"conv1\.0": "conv1_1_conv",
    r"conv1\.1": "conv1_1_bn",
    r"conv1\.3": "conv1_2_conv",
    r"conv1\.4": "conv1_2_bn",
    r"conv1\.6": "conv1_3_conv",
    r"bn1": "conv1_bn",
    rf"layer{STAGE}conv(?P<site>\d)": "{unit}_{site}_conv",
    rf"layer{STAGE}bn(?P<site>\d)": "{unit}_{site}_bn",
    rf"layer{STAGE}(downsample|shortcut)\.\d": "{unit}_0_",
    rf"layer{STAGE}se\.(fc1|conv_reduce)": "{unit}_se_reduce",
    rf"layer{STAGE}se\.(fc2|conv_expand)": "{unit}_se_excite",
    r"fc|linear": "predictions",
}
# Modules in a row: a convolution and a normalisation, or a pool (which has no tensors) before both.
DOWNSAMPLE = {
    "convolution": rf"layer{STAGE}(downsample|shortcut)\.0",
    "average_pool": rf"layer{STAGE}(downsample|shortcut)\.1",
}
STAGES = r"stages\.(?P<stage>\d+)\.blocks\.(?P<block>\d+)\."
# timm's resnetv2.py, its variants with batch normalisation.
TIMM_V2 = {
    r"stem\.conv": "conv1_conv",
    r"stem\.conv(?P<site>[123])": "conv1_{site}_conv",
    r"stem\.norm(?P<site>[12])": "conv1_{site}_bn",
    rf"{STAGES}conv(?P<site>\d)": "{unit}_{site}_conv",
    rf"{STAGES}norm1": "{unit}_preact_bn",
    rf"{STAGES}norm2": "{unit}_1_bn",
    rf"{STAGES}norm3": "{unit}_2_bn",
    rf"{STAGES}downsample\.conv": "{unit}_0_conv",
    r"norm": "post_bn",
    r"head\.fc": "predictions",
}

HUB_UNIT = r"(.+/)?stack(?P<stage>\d+)_block(?P<block>\d+)_"
# KerasHub's resnet_backbone.py, alone or as a model among the layers of its classifier.
HUB = {
    r"(.+/)?(?P<site>conv1_(conv|bn))": "{site}",
    r"(.+/)?conv(?P<site>[23]_(conv|bn))": "conv1_{site}",
    rf"{HUB_UNIT}pre_activation_bn": "{unit}_preact_bn",
    rf"{HUB_UNIT}(?P<site>\d_(conv|bn))": "{unit}_{site}",
    r"(.+/)?(?P<site>post_bn|predictions)": "{site}",
}
# Layers are called as ours.
KERAS = {r"(?P<site>\w+)": "{site}"}

LAYOUTS: dict[str, Layout] = {
    "torchvision": Layout(
        "torchvision or timm", (r"conv1(\.0)?", r"layer1\.0\.conv1", r"fc"), FACEBOOK, projections=DOWNSAMPLE
    ),
    "pytorch_resnet_cifar10": Layout(
        "pytorch_resnet_cifar10", (r"conv1", r"layer3\.0\.conv2", r"linear"), FACEBOOK, projections=DOWNSAMPLE
    ),
    "timm_v2": Layout("timm's resnetv2", (r"stem\.conv1?", r"stages\.0\.blocks\.0\.norm1"), TIMM_V2, first_stage=0),
    "keras_hub": Layout(
        "KerasHub",
        (r"(.+/)?conv1_conv", rf"{HUB_UNIT}1_conv"),
        HUB,
        first_stage=0,
        torch=False,
        deep={"conv1_conv": "conv1_1_conv", "conv1_bn": "conv1_1_bn"},
    ),
    "keras": Layout("keras.applications", (r"conv1_conv", r"conv2_block1_1_conv"), KERAS, torch=False),
}

# Names of the tensors of a layer: of a normalisation, and of all other layers.
TORCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
TORCH_OTHER = {"weight": "kernel", "bias": "bias"}
DROPPED = "num_batches_tracked"  # counts of batches, which no network of ours needs


def recognise(arrays: Arrays) -> str:
    """Find the layout that an unknown file follows.

    Args:
        arrays: mapping of the file's names to arrays, without common prefixes.

    Returns:
        str, a key of `LAYOUTS`.

    Raises:
        ValueError: none fits.
    """
    layers = {name.rpartition(".")[0] or name.rpartition("/")[0] for name in arrays}
    for name, layout in LAYOUTS.items():
        if all(any(re.fullmatch(mark, layer) for layer in layers) for mark in layout.marks):
            return name
    titles = ", ".join(layout.title for layout in LAYOUTS.values())
    some = ", ".join(list(arrays)[:3])
    raise ValueError(f"no known naming: the tensors begin with {some}. Known are those of {titles}.")


def projection_of(layout: Layout, arrays: Arrays) -> str | None:
    """Tell how projections carry their stride, from the places that their convolutions have in the names.

    Args:
        layout: Layout.
        arrays: mapping of the file's names to arrays.

    Returns:
        str, a value of `Architecture.projection`; None where there are none, or their names do not tell.

    Raises:
        ValueError: they are of two kinds.
    """
    layers = [name.rpartition(".")[0] for name, array in arrays.items() if array.ndim == 4]
    kinds = [kind for kind, name in layout.projections.items() if any(re.fullmatch(name, layer) for layer in layers)]
    if len(kinds) > 1:
        raise ValueError("projections that pool and others that do not, and those of a network here are all alike.")
    return kinds[0] if kinds else None


def translate(layout: Layout, arrays: Arrays) -> dict[str, np.ndarray]:
    """Rename and turn the tensors of a file to ours.

    Args:
        layout: Layout.
        arrays: mapping of the file's names to arrays.

    Returns:
        Dict of our names, as in `conv1_conv/kernel`, to arrays.

    Raises:
        ValueError: the layout has no place for a tensor; the sentence lists all such.
    """
    ours, strangers = {}, []
    for name, array in arrays.items():
        layer, _, part = name.rpartition("." if layout.torch else "/")
        if part == DROPPED:
            continue
        place = _place(layout, layer, array)
        names = (TORCH_NORM if place and place.endswith("_bn") else TORCH_OTHER) if layout.torch else {part: part}
        if place is None or part not in names:
            strangers.append(name)
        else:
            if place == "predictions" and array.ndim == 4:  # a classifier as a 1x1 convolution
                array = array[:, :, 0, 0]
            ours[f"{place}/{names[part]}"] = _turned(array) if layout.torch and names[part] == "kernel" else array
    if strangers:
        raise ValueError(f"tensors for which a network of {layout.title} has no place here: {', '.join(strangers)}.")
    return _with_deep_stem(layout, ours)


def _place(layout: Layout, layer: str, array: np.ndarray) -> str | None:
    """Name our layer for one of theirs; None where there is none."""
    for pattern, ours in layout.layers.items():
        if match := re.fullmatch(pattern, layer):
            groups = match.groupdict()
            if "stage" in groups:
                stage, block = int(groups["stage"]) - layout.first_stage + 2, int(groups["block"]) + 1
                groups["unit"] = f"conv{stage}_block{block}"
            place = ours.format(**groups)
            return f"{place}{'conv' if array.ndim == 4 else 'bn'}" if place.endswith("_") else place
    return None


def _turned(array: np.ndarray) -> np.ndarray:
    """Bring a PyTorch kernel (filters, inputs, height, width) or matrix (outputs, inputs) to Keras's order."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _with_deep_stem(layout: Layout, ours: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the layers of a stem of three convolutions the names that they have there."""
    if "conv1_3_conv/kernel" not in ours:
        return ours
    split = ((*name.split("/"), array) for name, array in ours.items())
    return {f"{layout.deep.get(layer, layer)}/{part}": array for layer, part, array in split}
