"""A naming scheme of other code as a value, and the translation of its names to those of this package.

The name of a tensor here is that of its layer and its own, as in `conv4_block6_2_bn/gamma`; kernels have the shape
(height, width, inputs, filters). A source renames layers, and transposes kernels where its framework orders them
otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Arrays = Mapping[str, np.ndarray]

# What wrappers of a model, for training or compiling, put before the name of every tensor.
PREFIXES = ("module.", "model.", "backbone.", "encoder.", "resnet.", "_orig_mod.")
# A counter beside the tensors in torch's averages of a model, such as torchvision's `model_ema`.
COUNT = "n_averaged"
# Names of the tensors of a layer in PyTorch: of a normalization, and of all other layers.
TORCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
TORCH_OTHER = {"weight": "kernel", "bias": "bias"}
DROPPED = "num_batches_tracked"  # counts of batches, which no network here needs


@dataclass(frozen=True, kw_only=True)
class Source:
    """A naming scheme: its names, and what its networks share that names and shapes do not tell.

    Args:
        title: str, for messages.
        marks: tuple of regular expressions; each of them matches some layer's name in such a file.
        layers: mapping of regular expressions of their layers' names to the names here. The groups `stage` and `block`
            make the `{unit}` of the name here; the group `site` stays as it is. A name that ends in `_` is of a
            convolution or of a normalization, which its shape must tell.
        written: mapping of regular expressions of layers' names here to their names, for writing; empty where the
            scheme is only read. The groups `stage` and `block` count as theirs do, `pool` is 1 behind a pool, else 0,
            and `after` is one more.
        contract: str, the input contract of the published weights, a name in `preprocessing.CONTRACTS`.
        first_stage: int, number of the first stage in their names.
        framework: "torch" or "keras", whose names of tensors and order of kernels they have.
        has_convolved_head: bool, whether the classifier is a 1x1 convolution.
        deep: mapping of layers here, as `layers` gives them, to their names where the stem is three convolutions.
        projections: mapping of values of `Architecture.projection` to a regular expression of the names of projecting
            convolutions, where these tell it.
        choices: fields of `Architecture` that all networks of the source share.
        preactivated_choices: those that pre-activation networks have besides, or otherwise.
        preactivated_contract: str, the contract of pre-activation networks, if it is another.
        refused_stems: mapping of values of `Architecture.stem` that shapes suggest to the sentence that refuses them.
    """

    title: str
    marks: tuple[str, ...]
    layers: Mapping[str, str]
    contract: str
    first_stage: int = 1
    framework: Literal["torch", "keras"] = "torch"
    written: Mapping[str, str] = field(default_factory=dict)
    has_convolved_head: bool = False
    deep: Mapping[str, str] = field(default_factory=lambda: {"conv1_bn": "conv1_3_bn"})
    projections: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    preactivated_choices: Mapping[str, Any] = field(default_factory=dict)
    preactivated_contract: str | None = None
    refused_stems: Mapping[str, str] = field(default_factory=dict)

    @property
    def separator(self) -> str:
        """What stands between the name of a layer and that of its tensor."""
        return "." if self.framework == "torch" else "/"

    def choices_of(self, tensors: Arrays) -> dict[str, Any]:
        """Give the fields of `Architecture` that names and shapes do not tell, for the network of a file."""
        return {**self.choices, **(self.preactivated_choices if is_preactivated(tensors) else {})}

    def contract_of(self, tensors: Arrays) -> str:
        """Give the name of the input contract, for the network of a file."""
        return (is_preactivated(tensors) and self.preactivated_contract) or self.contract


def is_preactivated(tensors: Arrays) -> bool:
    """Tell whether a network ends in a normalization of its own, as only pre-activation networks do."""
    return "post_bn/gamma" in tensors


def strip_prefixes(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drop what wrappers of a model put before all its names, as long as all share it.

    Args:
        arrays: mapping of names to arrays.

    Returns:
        Dict of the same arrays in the same order, without the count of averages.
    """
    arrays = {name: array for name, array in arrays.items() if name != COUNT}
    while arrays:
        shared = [prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in arrays)]
        if not shared or shared[0] in arrays:
            return arrays
        arrays = {name.removeprefix(shared[0]): array for name, array in arrays.items()}
    return arrays


def projection_of(source: Source, arrays: Arrays) -> str | None:
    """Tell how projections carry their stride, if there are any and the names of their convolutions tell it."""
    layers = [name.rpartition(".")[0] for name, array in arrays.items() if array.ndim == 4]
    kinds = [kind for kind, name in source.projections.items() if any(re.fullmatch(name, layer) for layer in layers)]
    if len(kinds) > 1:
        raise ValueError("projections that pool and others that do not, and those of a network here are all alike.")
    return kinds[0] if kinds else None


def translate(source: Source, arrays: Arrays) -> dict[str, np.ndarray]:
    """Give the tensors of a file the names and the order of axes that they have here."""
    ours, unknown = {}, []
    for name, array in arrays.items():
        layer, _, part = name.rpartition(source.separator)
        if part == DROPPED:
            continue
        place = _place(source, layer, array)
        known = _part(source, place, part)
        if place is None or known is None:
            unknown.append(name)
            continue
        if place == "predictions" and array.ndim == 4:  # a classifier as a 1x1 convolution
            array = array[:, :, 0, 0]
        ours[f"{place}/{known}"] = _transposed(array) if source.framework == "torch" and known == "kernel" else array
    if unknown:
        raise ValueError(f"tensors for which a network of {source.title} has no place here: {', '.join(unknown)}.")
    return _with_deep_stem(source, ours)


def _place(source: Source, layer: str, array: np.ndarray) -> str | None:
    """Name the layer here for one of theirs; None where there is none."""
    for pattern, ours in source.layers.items():
        if match := re.fullmatch(pattern, layer):
            groups = match.groupdict()
            if "stage" in groups:
                stage, block = int(groups["stage"]) - source.first_stage + 2, int(groups["block"]) + 1
                groups["unit"] = f"conv{stage}_block{block}"
            place = ours.format(**groups)
            return f"{place}{'conv' if array.ndim == 4 else 'bn'}" if place.endswith("_") else place
    return None


def _part(source: Source, place: str | None, part: str) -> str | None:
    """Name a tensor of a layer as Keras does; None where such a layer has none."""
    if source.framework == "keras":
        return part
    return (TORCH_NORM if place and place.endswith("_bn") else TORCH_OTHER).get(part)


def _transposed(array: np.ndarray) -> np.ndarray:
    """Bring a PyTorch kernel (filters, inputs, height, width) or matrix (outputs, inputs) to Keras's order."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _with_deep_stem(source: Source, ours: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the layers of a stem of three convolutions the names that they have there."""
    if "conv1_3_conv/kernel" not in ours:
        return ours
    split = ((*name.split("/"), array) for name, array in ours.items())
    return {f"{source.deep.get(layer, layer)}/{part}": array for layer, part, array in split}
