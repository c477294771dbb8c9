"""KerasHub: the names of its ResNets, and what it writes beside their weights about the network and its images.

A `.keras` archive holds the configuration of its model; a preset is a folder of `model.weights.h5` (the backbone),
`task.weights.h5` (the head alone), and JSON files that describe both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.description import Description
from keras_resnet.weights.files.archives import is_archive, open_archive
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.hdf5 import CONFIG_MEMBER
from keras_resnet.weights.files.json_text import object_beside, parse
from keras_resnet.weights.files.raw import UnreadableError, damaged, opened
from keras_resnet.weights.naming import Arrays, Source

UNIT = r"(.+/)?stack(?P<stage>\d+)_block(?P<block>\d+)_"

# A backbone alone, or as a model among the layers of its classifier. Without a preset that says otherwise KerasHub's
# converter of images does nothing, and its presets carry on what the weights were trained for: its v1 are timm's resnet
# and PaddleClas's resnet_vd (the means of ImageNet), its v2 timm's resnetv2 (-1 to 1).
SOURCE = Source(
    title="KerasHub",
    marks=(r"(.+/)?conv1_conv", rf"{UNIT}1_conv"),
    layers={
        r"(.+/)?(?P<site>conv1_(conv|bn))": "{site}",
        r"(.+/)?conv(?P<site>[23]_(conv|bn))": "conv1_{site}",
        rf"{UNIT}pre_activation_bn": "{unit}_preact_bn",
        rf"{UNIT}(?P<site>\d_(conv|bn))": "{unit}_{site}",
        r"(.+/)?(?P<site>post_bn|predictions)": "{site}",
    },
    contract="torch",
    first_stage=0,
    framework="keras",
    deep={"conv1_conv": "conv1_1_conv", "conv1_bn": "conv1_1_bn"},
    choices={"stride_on": "3x3"},
    preactivated_choices={"stem_activation": False, "projection": "convolution"},
    preactivated_contract="tf",
    refused_stems={"cifar": "its stem is a 3x3 convolution of stride 2, which no network here begins with."},
)

BACKBONE_FILE, TASK_FILE = "model.weights.h5", "task.weights.h5"
FILES = (TASK_FILE, BACKBONE_FILE)
BLOCKS = ("basic_block", "bottleneck_block", "basic_block_vd", "bottleneck_block_vd")
STAGES = tuple(f"stackwise_num_{what}" for what in ("filters", "blocks", "strides"))
# What every configuration of a ResNetBackbone has; that of KerasCV, another network of this name, does not.
KEYS = ("block_type", "use_pre_activation", *STAGES)

Config = Mapping[str, Any]


def first_projects(config: Config) -> bool:
    """Tell whether a network projects the shortcut of its first unit though the width stays."""
    return config["block_type"] == "basic_block_vd" and stem_of(config)[0][-1] == config["stackwise_num_filters"][0]


def stem_of(config: Config) -> tuple[list[int], list[int]]:
    """Give filters and kernel sides of the stem; configurations from before there were others lack them."""
    return config.get("input_conv_filters", [64]), config.get("input_conv_kernel_sizes", [7])


def is_foreign_stem(config: Config) -> bool:
    """Tell whether a stem is neither one 7x7 convolution nor three 3x3, the first two half as wide."""
    filters, sides = stem_of(config)
    deep = sides == [3, 3, 3] and [2 * width for width in filters[:2]] == [filters[2]] * 2
    return sides != [7] and not deep


# What a backbone of KerasHub may have and no network here has, with the words for it.
REFUSED: tuple[tuple[Callable[[Config], bool], str], ...] = (
    (lambda config: config["block_type"] not in BLOCKS, "units {block_type!r}, which are not known here"),
    (
        lambda config: config["stackwise_num_strides"] != [1] + [2] * (len(config["stackwise_num_blocks"]) - 1),
        "stages that stride by {stackwise_num_strides}, and those of a network here stride by 1 and then by 2",
    ),
    (
        is_foreign_stem,
        "a stem with kernels of sides {input_conv_kernel_sizes} and filters {input_conv_filters}; that of a network "
        "here has one of 7, or three of 3 of which the first two have half as many filters",
    ),
    (
        lambda config: first_projects(config) and set(config["stackwise_num_blocks"]) != {1},
        "a projection in its first unit though the width stays, as every {block_type!r} network of KerasHub has, and "
        "no shortcut of a network here projects so in the first unit of a stage alone",
    ),
    (
        lambda config: bool(config.get("include_rescaling")),
        "a layer of its own that rescales images (include_rescaling), and no network here has",
    ),
)


@dataclass(frozen=True)
class Preset(Description):
    """What KerasHub says of a network beside its weights: configurations of its own classes."""

    backbone: Config  # of ResNetBackbone
    head: Config  # of ResNetImageClassifier; empty for a backbone alone
    converter: Config  # of ResNetImageConverter; empty where there is none

    def architecture(self) -> Architecture:
        """Give the architecture that is described.

        Source: KerasHub 0.32, resnet_backbone.py.
        """
        config = self.backbone
        for refuses, words in REFUSED:
            if refuses(config):
                filters, sides = stem_of(config)
                stem = {"input_conv_filters": filters, "input_conv_kernel_sizes": sides}
                raise ValueError(words.format(**{**config, **stem}) + ".")
        self._check_head()
        unit, _, variant = config["block_type"].partition("_block")
        filters, sides = stem_of(config)
        projects_first = unit != "basic" or variant == "_vd"
        try:
            return Architecture(
                blocks=tuple(config["stackwise_num_blocks"]),
                widths=tuple(config["stackwise_num_filters"]),
                unit=unit,
                stem="imagenet" if sides == [7] else "deep",
                stem_width=None if filters[-1] == config["stackwise_num_filters"][0] else filters[-1],
                placement="full_preactivation" if config["use_pre_activation"] else "original",
                stem_activation=not config["use_pre_activation"],
                # Where each stage is one unit and projects, everywhere is where the width grows.
                shortcut="C" if projects_first and set(config["stackwise_num_blocks"]) == {1} else "B",
                stride_on="3x3",
                projection="average_pool" if variant == "_vd" else "convolution",
                classifier_dropout=self.head.get("dropout", 0.0),
            )
        except ValueError as error:
            raise ValueError(f"a configuration that no network here can have: {error}") from error

    def arguments(self) -> dict[str, Any]:
        """Give the classifier's activation."""
        activation = self._activation()
        return {"classifier_activation": activation} if activation else {}

    def _activation(self) -> str | None:
        """Give the name of the classifier's activation, which Keras wraps where it was a function."""
        activation = self.head.get("activation")
        name = activation.get("config") if isinstance(activation, Mapping) else activation
        return None if name == "linear" else name

    def _check_head(self) -> None:
        pooling, activation = self.head.get("pooling", "avg"), self._activation()
        if pooling != "avg":
            raise ValueError(
                f"a head that pools by {pooling!r}, and that of a network here takes the mean; save its backbone alone."
            )
        if activation is not None and not _is_activation(activation):
            raise ValueError(
                f"a classifier with an activation that is not Keras's, {activation!r}; save its backbone alone."
            )

    def contract(self, channels: int) -> Preprocessing | None:
        """Give what its converter makes of images: `image * scale + offset`.

        Images of another aspect are cropped here, which is the converter's default too.

        Source: KerasHub 0.32, image_converter.py; its early versions gave `mean`, `variance`, `height`, `width`.
        """
        config = self.converter
        if not config:
            return None
        try:
            with np.errstate(all="ignore"):  # what is not finite then is refused by the contract
                scale, offset = _scale_and_offset(config)
                mean, std = (np.broadcast_to(value, (channels,)) for value in (-offset / scale, 1 / scale))
        except (TypeError, ValueError) as error:
            raise ValueError(f"its converter of images does not fit {channels} channels: {error}.") from error
        size = config.get("image_size") or (config.get("height") or 224, config.get("width") or 224)
        try:
            return Preprocessing(size, channels, mean, std)
        except ValueError as error:
            raise ValueError(f"its converter of images makes no sense: {error}") from error


def _is_activation(name: Any) -> bool:
    """Tell whether a name is of a function among Keras's activations."""
    try:
        return isinstance(name, str) and callable(keras.activations.get(name))
    except ValueError:
        return False


def _scale_and_offset(config: Config) -> tuple[np.ndarray, np.ndarray]:
    scale = np.asarray(config.get("scale") or 1.0, "float64")
    if "variance" in config:
        deviation = np.sqrt(np.asarray(config["variance"], "float64"))
        return scale / deviation, -np.asarray(config["mean"], "float64") / deviation
    return scale, np.asarray(config.get("offset") or 0.0, "float64")


def describe(path: str) -> Preset | None:
    """Find what KerasHub says of a file of weights: inside a `.keras` archive, or beside the weights of a preset."""
    try:
        saved, preprocessor = _configurations(path)
    except Exception as error:  # of the libraries that read archives: they know many
        fault = error if isinstance(error, UnreadableError) else damaged(error)
        raise ValueError(f"{path!r} has a configuration that cannot be read: it {fault}") from error
    head = _config(saved) if "backbone" in _config(saved) else {}
    backbone = _config(head.get("backbone", saved))
    if any(key not in backbone for key in KEYS):
        return None
    if not _is_sound(backbone):
        raise ValueError(
            f"{path!r} has a configuration that cannot be read: its stages and stem are not lists of numbers"
        )
    converter = _config(preprocessor or head.get("preprocessor")).get("image_converter")
    return Preset(backbone, head, _config(converter))


def _is_sound(backbone: Config) -> bool:
    """Tell whether the lists of a configuration are such, those of the stages of one length and those of the stem."""
    stages, stem = [backbone[key] for key in STAGES], stem_of(backbone)
    numbers = all(isinstance(each, list) and all(type(item) is int for item in each) for each in (*stages, *stem))
    return numbers and len(set(map(len, stages))) == 1 and len(stem[0]) == len(stem[1])


def _config(saved: Any) -> Config:
    """Take the configuration out of an object that Keras serialized; empty where there is none."""
    config = saved.get("config") if isinstance(saved, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def _configurations(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the configuration of the model, and that of the preprocessor where it is a file of its own."""
    with opened(path) as file:
        if is_archive(file):
            with open_archive(file, Budget(os.path.getsize(path))) as archive:
                return _object(archive.read(CONFIG_MEMBER), CONFIG_MEMBER) if CONFIG_MEMBER in archive else {}, {}
    folder, name = os.path.split(path)
    if name not in FILES:
        return {}, {}
    order = ("task.json", "config.json") if name == TASK_FILE else ("config.json", "task.json")
    model = next(filter(None, (object_beside(folder, each) for each in order)), {})
    return model, object_beside(folder, "preprocessor.json")


def _object(text: bytes, name: str) -> dict[str, Any]:
    parsed = parse(text, name)
    return parsed if isinstance(parsed, dict) else {}


def backbone_beside(path: str, arrays: Arrays) -> str | None:
    """Find the file of the backbone whose head alone is in a preset's `task.weights.h5`."""
    whole = os.path.basename(path) != TASK_FILE or any(array.ndim == 4 for array in arrays.values())
    return None if whole else os.path.join(os.path.dirname(path), BACKBONE_FILE)
