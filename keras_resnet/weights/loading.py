"""Tensors under our names into a network: everything by name, every shape checked, all or nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import get_architecture
from keras_resnet.build.head import TOP, has_top
from keras_resnet.layers.conventions import channel_axis, spatial_axes
from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.model import build_network
from keras_resnet.preprocessing import CONTRACTS, Preprocessing
from keras_resnet.weight_files import load_network, load_weights, read_contract, written_here
from keras_resnet.weights.extent import check_extent, check_ranks
from keras_resnet.weights.inference import conventions, infer_architecture, is_preactivated
from keras_resnet.weights.keras_hub import (
    Description,
    backbone_beside,
    describe,
    is_nameless,
    name_by_order,
    weights_of_preset,
)
from keras_resnet.weights.layouts import LAYOUTS, Arrays, projection_of, recognise, translate
from keras_resnet.weights.names import check_architecture, check_model
from keras_resnet.weights.published import download
from keras_resnet.weights.raw import shortened
from keras_resnet.weights.readers import read_tensors, strip_prefixes
from keras_resnet.weights.structure import differences

# What goes wrong with names, shapes and configurations that make no sense, beside the errors that say so themselves.
NONSENSE = (TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)
_MOST = 1000  # characters of a message that lists names of a file

# The contract of each layout; of two, the second is that of pre-activation networks. KerasHub's converter of images
# does nothing unless its preset says so, and its presets carry on what the weights were trained for: its v1 are timm's
# resnet and PaddleClas's resnet_vd (the means of ImageNet), its v2 timm's resnetv2 (-1 to 1).
CONTRACT_NAMES = {
    "torchvision": "torch",
    "pytorch_resnet_cifar10": "cifar",
    "timm_v2": "tf",
    "keras_hub": ("torch", "tf"),
    "keras": ("caffe", "tf"),
}


def load_weights_from(model: keras.Model, path: str | os.PathLike, key: str | None = None) -> None:
    """Load a checkpoint that other code wrote into a network of the same architecture, and its input contract.

    Read are the files of PyTorch (without PyTorch, and without running code from them), safetensors, NumPy's `.npz`
    and HDF5; known the names of torchvision, timm, pytorch_resnet_cifar10, keras.applications and KerasHub. What
    KerasHub writes beside its weights is read too: the configuration in a `.keras` archive, or in a preset's folder,
    of which `path` may be the whole, `task.weights.h5` or `model.weights.h5`, the backbone alone.

    Args:
        model: keras.Model of this package. Without a classifier, that of the file is left out.
        path: file to read.
        key: str, which of several sets of weights in a training checkpoint of PyTorch, as in "state_dict_ema" or
            "model_ema"; keys within one another are joined by dots. Default the plain set, under a key such as
            "state_dict" or "model"; an average of the weights is taken by its key only, or where there is nothing else.

    Raises:
        ValueError: the file cannot be read, asks for more bytes or operations than a file of its size may take (see
            `weights.budget`), or holds another network or no such set; the model is left as it was.
    """
    if written := _written_here(path):
        load_weights(model, path)
        if written == "network":
            model.preprocessing = read_contract(path)
        return
    load_checkpoint(model, read_checkpoint(path, key))


def network_of(
    path: str | os.PathLike, network: Architecture | str | None = None, key: str | None = None, **arguments: Any
) -> keras.Model:
    """Build the network of a checkpoint that other code wrote, and load it; or load a `.keras` file of this package.

    Names and shapes of the tensors decide the network as far as they can, and `network` must agree with them. For the
    rest the conventions of the code that names tensors so are taken. A file of another network with the same names and
    shapes loads without a word and computes something else; give its `network` where there is one here. Such are:

    - anti-aliased networks (timm's resnetaa, resnetblur, seresnetaa and others), of which there are none here;
    - networks with another activation than ReLU, or strides, dilation or epsilon of their own;
    - a stem of one 3x3 convolution that strides, which is taken for that of CIFAR;
    - where the naming does not tell whether projections pool (timm's resnetv2, KerasHub's weights without their
      configuration, keras.applications' naming): they are taken to pool behind a stem of three convolutions only, as
      in the published networks.

    Args:
        path: file to read, as for `load_weights_from`.
        network: Architecture or name; default what names and shapes of the tensors tell.
        key: str, which of several sets of weights, as for `load_weights_from`.
        **arguments: those of `keras_resnet.ResNet`, as in `input_shape`; default a classifier as the file's, or none.

    Returns:
        keras.Model that carries the input contract of the weights.

    Raises:
        ValueError: the file cannot be read, asks for more bytes, operations or layers than a file of its size may take
            (see `weights.budget`), or holds another network or no such set.
    """
    if written := _written_here(path):
        return _own_network(path, written, network, {"key": key} if key else arguments)
    source = read_checkpoint(path, key)
    architecture, named = network, {}
    if network is None or isinstance(network, str):
        with source.naming_faults("is of no network that can be built here:"):
            architecture = source.architecture()
    if isinstance(network, str):
        check_architecture(architecture, network, source.path)
        architecture = get_architecture(network).replace(**conventions(source.tensors, source.layout))
        named = {"name": network.lower()}
    model = build_network(architecture, **{**source.arguments, **named, **arguments})
    load_checkpoint(model, source)
    return model


def _written_here(path: str | os.PathLike) -> str | None:
    """Tell what of this package a file holds; a folder of KerasHub holds nothing."""
    return written_here(path) if os.path.isfile(path) else None


def _own_network(
    path: str | os.PathLike, written: str, network: Architecture | str | None, others: dict[str, Any]
) -> keras.Model:
    """Load a file of this package, of which nothing is to be worked out, for it says everything or not enough."""
    path = os.fspath(path)
    if written == "weights":
        raise ValueError(
            f"{path!r} holds the weights of a network of this package, and not what it computes with them. Build the "
            "network and give it the file, as in ResNet20(weights=...)."
        )
    if others or isinstance(network, Architecture):
        raise ValueError(
            f"{path!r} holds a network of this package, which is loaded as it is: leave out "
            f"{' and '.join(others) or 'the Architecture'}. For other classes or sizes there is keras_resnet.transfer."
        )
    model = load_network(path)
    if network is not None:
        check_model(model, network, path)
    return model


def load_published(model: keras.Model, network: str, include_top: bool) -> None:
    """Load the ImageNet weights that keras.applications publishes, and their input contract.

    Args:
        model: keras.Model of that network.
        network: str, its name in any case.
        include_top: bool, whether the model has the classifier.

    Raises:
        ValueError: the file can neither be found nor fetched, or the model has other classes or channels.
    """
    load_weights_from(model, download(network, include_top))


class Checkpoint(NamedTuple):
    """A file that other code wrote, under our names.

    Args:
        path: str, for messages.
        layout: str, a key of `layouts.LAYOUTS`.
        tensors: dict of our names to arrays.
        description: Description, what KerasHub says of its own beside the weights; or None.
        projection: str, how projections carry their stride, where the file's own names tell; else None.
    """

    path: str
    layout: str
    tensors: dict[str, np.ndarray]
    description: Description | None = None
    projection: str | None = None

    @property
    def classes(self) -> int | None:
        """Outputs of the classifier; None without one."""
        return self.tensors[f"{TOP}/bias"].shape[0] if f"{TOP}/bias" in self.tensors else None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `ResNet` that the file tells."""
        activation = self.description and self.description.activation()
        own = {"classifier_activation": activation} if activation else {}
        return {"include_top": self.classes is not None, "classes": self.classes, **own}

    def architecture(self) -> Architecture:
        """Give the architecture that is described, or else work it out; see `infer_architecture`.

        Raises:
            ValueError: no Architecture can say it, or the file holds far less than such a network needs.
        """
        described = self.description and self.description.architecture()
        architecture = described or infer_architecture(self.tensors, self.layout, self.projection)
        check_extent(architecture, self.tensors, classes=self.classes)
        return architecture

    def naming_faults(self, does: str) -> AbstractContextManager[None]:
        """Say in one sentence, which names the file, what is wrong with it."""
        return naming_faults(self.path, does)

    def expected_of(self, model: keras.Model) -> keras.Model:
        """Build the network that the weights are of, for images such as a model takes."""
        top = has_top(model)
        shape = model.input_shape[1:]
        return build_network(self.architecture(), include_top=top, input_shape=shape, classes=self.classes)

    def contract_for(self, model: keras.Model) -> Preprocessing:
        """Give what the weights expect of images, at the size that a model takes, where that is fixed."""
        channels = model.input_shape[channel_axis()]
        described = self.description and self.description.contract(channels)
        contract = described or CONTRACTS[self._contract()]
        sides = tuple(model.input_shape[axis] for axis in spatial_axes())
        return contract if None in sides else dataclasses.replace(contract, size=sides)

    def _contract(self) -> str:
        contract = CONTRACT_NAMES[self.layout]
        return contract if isinstance(contract, str) else contract[is_preactivated(self.tensors)]


def read_checkpoint(path: str | os.PathLike, key: str | None = None) -> Checkpoint:
    """Read a checkpoint and bring it to our names.

    Args:
        path: file to read, or the folder of a preset of KerasHub.
        key: str, which of several sets of weights, as for `load_weights_from`.

    Returns:
        Checkpoint.

    Raises:
        ValueError: the file cannot be read, or its names are unknown.
    """
    path = weights_of_preset(os.fspath(path))
    arrays = strip_prefixes(read_tensors(path, key).arrays)
    description = describe(path)
    backbone = description and backbone_beside(path, arrays)
    if backbone is not None:
        arrays = {**arrays, **read_tensors(backbone).arrays}
    with naming_faults(path):
        described = description and description.architecture()
        nameless = is_nameless(arrays)
        layout = "keras_hub" if nameless else recognise(arrays)
        tensors = name_by_order(arrays, described) if nameless else translate(LAYOUTS[layout], arrays)
        check_ranks(tensors)
        return Checkpoint(path, layout, tensors, description, projection_of(LAYOUTS[layout], arrays))


@contextmanager
def naming_faults(path: str, does: str = "has") -> Iterator[None]:
    """Say in one sentence, which names a file, what is wrong with it.

    Args:
        path: str, the file.
        does: str, the verb before what is wrong.

    Raises:
        ValueError: something is.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path!r} {does} {shortened(error, _MOST)}") from error
    except NONSENSE as error:
        raise ValueError(f"{path!r} has tensors or a configuration that make no sense: {shortened(error)}") from error


def load_checkpoint(model: keras.Model, source: Checkpoint) -> None:
    """Load a checkpoint that has been read into a network, and its input contract.

    Args:
        model: keras.Model.
        source: Checkpoint.

    Raises:
        ValueError: it is of another network; the model is left as it was.
    """
    with source.naming_faults(f"does not fit {model.name!r}:"):
        pairs = fitting(model, source.tensors)
        check_function(model, source)
        contract = source.contract_for(model)
    for weight, tensor in pairs:
        weight.assign(tensor)
    model.preprocessing = contract


def fitting(model: keras.Model, tensors: Arrays) -> list[tuple[keras.Variable, np.ndarray]]:
    """Pair all weights of a network with the tensors of their names.

    A bias that the network lacks is taken out of the mean of the normalisation behind, which is the same function.

    Args:
        model: keras.Model.
        tensors: mapping of our names to arrays.

    Returns:
        List of pairs of weight and array.

    Raises:
        ValueError: names or shapes differ.
    """
    weights = {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}
    tensors = fold_biases(model, _without_top(weights, tensors))
    _check_names(weights, tensors)
    _check_shapes(weights, tensors)
    return [(weight, tensors[name]) for name, weight in weights.items()]


def check_function(model: keras.Model, source: Checkpoint) -> None:
    """Refuse a network whose layers compute something else than those that the weights are of.

    Args:
        model: keras.Model.
        source: Checkpoint.

    Raises:
        ValueError: they do.
    """
    if found := differences(model, source.expected_of(model)):
        raise ValueError(
            f"the weights would compute something else: {'; '.join(found[:3])}. Build the network of the file with "
            "network_of(path)."
        )


def fold_biases(model: keras.Model, tensors: Arrays) -> dict[str, np.ndarray]:
    """Take the biases of convolutions that carry none in a network out of the means of the normalisations behind.

    Args:
        model: keras.Model.
        tensors: mapping of our names to arrays.

    Returns:
        Dict of our names to arrays, without those biases.

    Raises:
        ValueError: no normalisation stands directly behind.
    """
    folded = dict(tensors)
    for layer in model.layers:
        name = f"{layer.name}/bias"
        if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias and name in folded:
            followers = [node.operation for node in layer._outbound_nodes]
            if len(followers) != 1 or not isinstance(followers[0], BatchNormalization):
                raise ValueError(
                    f"the file has a bias in {layer.name}, and no normalisation behind it could absorb it; build the "
                    f"network with that bias, as in biased=('{_site(layer.name)}',)."
                )
            mean = f"{followers[0].name}/moving_mean"
            folded[mean] = folded[mean] - folded.pop(name)
    return folded


def _site(layer: str) -> str:
    """Name a convolution as the field `biased` does."""
    site = layer.split("_")[-2]
    return "stem" if layer.startswith("conv1") else {"0": "shortcut"}.get(site, site)


def _without_top(weights: Arrays, tensors: Arrays) -> Arrays:
    if f"{TOP}/kernel" in weights:
        return tensors
    return {name: array for name, array in tensors.items() if not name.startswith(f"{TOP}/")}


def _check_names(weights: Iterable[str], tensors: Iterable[str]) -> None:
    missing, surplus = sorted(set(weights) - set(tensors)), sorted(set(tensors) - set(weights))
    sentences = [("the file lacks", missing), ("the network has no place for", surplus)]
    if missing or surplus:
        raise ValueError("; ".join(f"{what} {', '.join(names)}" for what, names in sentences if names) + ".")


def _check_shapes(weights: Arrays, tensors: Arrays) -> None:
    wrong = [
        f"{name} is {tensors[name].shape} there and {tuple(weight.shape)} here"
        for name, weight in weights.items()
        if tensors[name].shape != tuple(weight.shape)
    ]
    if wrong:
        raise ValueError(
            "; ".join(wrong) + ". For other classes or channels load the network as it is in the file, and give it to "
            "keras_resnet.transfer(model, classes, input_shape)."
        )
