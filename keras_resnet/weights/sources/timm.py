"""timm: what it writes beside the weights of a network, as `config.json` in a folder or a repository of the hub.

Its two schemes of names are those of torchvision and of its own resnetv2.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.description import Description
from keras_resnet.weights.files.json_text import object_beside
from keras_resnet.weights.files.raw import UnreadableError, shortened

# Files of weights beside which `config.json` may lie, in the order in which they are looked for.
FILES = ("model.safetensors", "pytorch_model.bin")
CONFIG = "config.json"

# Architectures of which names and shapes of the tensors tell all that this table of arguments does not, by their names
# of today and those of before 2023.
KNOWN = re.compile(
    r"((tv|ssl|swsl|ig|gluon)_)?((se)?resnet\d+[cdst]?|wide_resnet\d+_2|(se)?resnext\d+[dt]?_\d+x\d+d|resnetv2_\d+[dt]?)"
    r"(_v1[bcds])?"
)
# Those that have the names and shapes of a network here and compute something else, with the words for it.
REFUSED = {
    r"(se)?res(net|next)aa.+": "it is anti-aliased by average pools",
    r"resnetblur.+": "it is anti-aliased by blurs",
}

# What arguments of timm's networks may be. Those of `TOLD` are told by names and shapes, or have no effect on the
# function of trained weights; those of `FIXED` have one value here; others are fields of `Architecture` here.
TOLD = ("layers", "channels", "cardinality", "base_width", "stem_width", "stem_type", "block_reduce_first")
TOLD += ("down_kernel_size", "num_classes", "in_chans", "drop_rate", "drop_path_rate", "drop_block_rate")
TOLD += ("zero_init_last",)
FIXED: dict[str, tuple[Any, ...]] = {
    "aa_layer": (None, ""),
    "global_pool": ("avg",),
    "norm_layer": (None, "batchnorm", "batchnorm2d"),
    "output_stride": (32,),
    "replace_stem_pool": (False,),
}
FIELDS: dict[str, tuple[str, dict[Any, str]]] = {
    "act_layer": (
        "activation",
        {"relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu", "mish": "mish", "elu": "elu", "selu": "selu"},
    ),
    "avg_down": ("projection", {True: "average_pool", False: "convolution"}),
}
_CROP = 0.875  # what timm takes where a configuration does not say

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Pretrained(Description):
    """What timm says of a network beside its weights."""

    model_args: Config  # of its network, where they are not those of its name
    images: Config  # what it expects of them
    whole: Config  # all of the configuration

    def choices(self) -> dict[str, Any]:
        """Give the fields of the architecture that arguments decide, or refuse those that no network here can have."""
        chosen = {}
        for name, value in self.model_args.items():
            if name in FIELDS:
                field, values = FIELDS[name]
                fits = isinstance(value, (str, bool)) and value in values
                chosen[field] = values[value] if fits else None
            else:
                fits = name in TOLD or any(value is allowed or value == allowed for allowed in FIXED.get(name, ()))
            if not fits:
                raise ValueError(f"a configuration with {name}={shortened(value, 60)!r}, which no network here has.")
        return chosen

    def labels(self) -> list[str] | None:
        """Name the classes by their descriptions, where there are such, or their names, a list or by number."""
        names, described = (self._named(key) for key in ("label_names", "label_descriptions"))
        if isinstance(names, Mapping):
            names = [names.get(str(number)) for number in range(len(names))]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        described = described if isinstance(described, Mapping) else {}
        return [str(described.get(name, name)) for name in names]

    def _named(self, key: str) -> Any:
        return self.images.get(key, self.whole.get(key))

    def image_shape(self) -> tuple[int, int, int] | None:
        """Give height, width and channels of the images that the network was trained on."""
        size = self.images.get("input_size")
        contract = self.contract(size[0] if isinstance(size, list) and size else 3)
        return contract and (*contract.size, contract.channels)

    def contract(self, channels: int) -> Preprocessing | None:
        """Give what the network expects of images: a crop of the shorter side, mean and deviation of values 0 to 1."""
        config = self.images
        if not {"mean", "std", "input_size"} <= config.keys():
            return None
        if config.get("crop_mode", "center") != "center":
            raise ValueError(f"a configuration whose crop is {shortened(config['crop_mode'], 60)!r}, not 'center'.")
        size = config["input_size"]
        try:
            if not isinstance(size, list) or len(size) != 3:
                found = shortened(repr(size), 60)
                raise ValueError(f"input_size must be a list of channels, height and width; received {found}.")
            values = (np.asarray(config[key], "float64") for key in ("mean", "std"))
            mean, std = (255 * np.broadcast_to(value, (channels,)) for value in values)
            return Preprocessing(
                tuple(size[1:]),
                channels,
                mean,
                std,
                crop=config.get("crop_pct", _CROP),
                interpolation=config.get("interpolation", "bicubic"),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a configuration of images that makes no sense: {error}") from error


def describe(path: str) -> Pretrained | None:
    """Find what timm says of a file of weights, and refuse a network that cannot be built here."""
    folder, name = os.path.split(path)
    if name not in FILES:
        return None
    try:
        config = object_beside(folder, CONFIG)
    except UnreadableError as error:
        raise ValueError(f"{path!r} has a configuration that cannot be read: it {error}") from error
    architecture = config.get("architecture")
    if not isinstance(architecture, str):
        return None
    _check_architecture(architecture, path)
    # Before 2023 all stood at the top.
    images, arguments = config.get("pretrained_cfg", config), config.get("model_args", {})
    if not isinstance(images, Mapping) or not isinstance(arguments, Mapping):
        raise ValueError(f"{path!r} has a configuration that cannot be read: a part of it is no mapping.")
    return Pretrained(arguments, images, config)


def _check_architecture(architecture: str, path: str) -> None:
    reason = next((why for pattern, why in REFUSED.items() if re.fullmatch(pattern, architecture)), None)
    if reason is None and KNOWN.fullmatch(architecture):
        return
    known = "those known are resnet, seresnet, resnext, seresnext, wide_resnet and resnetv2 with batch normalization"
    raise ValueError(
        f"{path!r} is of timm's {shortened(architecture, 60)!r}, which cannot be built here: {reason or known}."
    )
