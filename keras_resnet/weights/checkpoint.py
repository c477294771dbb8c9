"""A file that other code wrote, under the names of this package: what it holds, and of which network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.build.head import TOP, has_top
from keras_resnet.layers.conventions import channel_axis
from keras_resnet.preprocessing import CONTRACTS, Preprocessing, fitted
from keras_resnet.weights import card
from keras_resnet.weights.description import Description
from keras_resnet.weights.extent import check_extent, check_ranks
from keras_resnet.weights.files.raw import shortened
from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.inference import infer_architecture
from keras_resnet.weights.nameless import is_nameless, name_by_order
from keras_resnet.weights.naming import Source, projection_of, strip_prefixes, translate
from keras_resnet.weights.sources import SOURCES, describe, keras_hub, recognize, weights_of_folder

# What goes wrong with nonsensical names, shapes and configurations, beside the errors that say so themselves.
NONSENSE = (TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
_MOST = 1000  # characters of a message that lists names of a file


class Checkpoint(NamedTuple):
    """A file that other code wrote, under the names of this package."""

    path: str  # for messages
    source: Source
    tensors: dict[str, np.ndarray]
    description: Description = Description()  # what is said beside the weights
    projection: str | None = None  # how projections carry their stride, where the file's own names tell

    @property
    def classes(self) -> int | None:
        """Outputs of the classifier; None without one."""
        return self.tensors[f"{TOP}/bias"].shape[0] if f"{TOP}/bias" in self.tensors else None

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Complete arguments of `ResNet` by those that the file tells; without the classifier, images have any size."""
        told = {"include_top": self.classes is not None, "classes": self.classes, **self.description.arguments()}
        told |= given
        with naming_faults(self.path):
            shape = self.description.image_shape()
        if told["include_top"] and shape and told.get("input_shape") is None and told.get("input_tensor") is None:
            told["input_shape"] = shape if channel_axis() == 3 else (shape[2], *shape[:2])
        return told

    @property
    def untold(self) -> dict[str, Any]:
        """Fields of the architecture that names and shapes do not tell."""
        return {**self.source.choices_of(self.tensors), **self.description.choices()}

    def architecture(self) -> Architecture:
        """Give the architecture that is described, or else work it out; see `infer_architecture`."""
        described = self.description.architecture()
        architecture = described or infer_architecture(self.tensors, self.source, self.projection)
        architecture = architecture.replace(**self.description.choices())
        check_extent(architecture, self.tensors, classes=self.classes)
        return architecture

    def contract_for(self, model: keras.Model) -> Preprocessing:
        """Give what the weights expect of images, at the size that a model takes, where that is fixed."""
        described = self.description.contract(model.input_shape[channel_axis()])
        return fitted(described or CONTRACTS[self.source.contract_of(self.tensors)], model)

    def labels_for(self, model: keras.Model) -> tuple[str, ...] | None:
        """Name the classes of a model that takes the classifier too, where they are known."""
        labels = self.description.labels() if has_top(model) else None
        if labels is not None and len(labels) != self.classes:
            raise ValueError(f"it names {len(labels)} classes, and its classifier has {self.classes}.")
        return labels and tuple(labels)


def read_checkpoint(path: str | os.PathLike, key: str | None = None) -> Checkpoint:
    """Read a checkpoint, or that in a folder of KerasHub or timm, under the names of this package."""
    path = weights_of_folder(os.fspath(path))
    arrays = strip_prefixes(read_tensors(path, key).arrays)
    description = card.describe(path) or describe(path)
    backbone = keras_hub.backbone_beside(path, arrays) if isinstance(description, keras_hub.Preset) else None
    if backbone is not None:
        arrays = {**arrays, **read_tensors(backbone).arrays}
    with naming_faults(path):
        described = description.architecture()  # refuses what cannot be built, whatever the names are
        if is_nameless(arrays):
            source, tensors = keras_hub.SOURCE, name_by_order(arrays, described)
        else:
            source = SOURCES[description.scheme] if description.scheme else recognize(arrays)
            tensors = translate(source, arrays)
        check_ranks(tensors)
        return Checkpoint(path, source, tensors, description, projection_of(source, arrays))


@contextmanager
def naming_faults(path: str, does: str = "has") -> Iterator[None]:
    """Say in one sentence what is wrong with a file: its name, a verb, and the fault."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path!r} {does} {shortened(error, _MOST)}") from error
    except NONSENSE as error:
        raise ValueError(f"{path!r} has tensors or a configuration that make no sense: {shortened(error)}") from error
