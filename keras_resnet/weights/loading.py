"""Loading weights that other code wrote: into a network that is there, or building the network of the file."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.table import TABLE
from keras_resnet.build.head import has_top
from keras_resnet.model import build_network
from keras_resnet.preprocessing import fitted
from keras_resnet.weights.checkpoint import Checkpoint, naming_faults
from keras_resnet.weights.comparison import SILENT, differences
from keras_resnet.weights.legacy import choices_of_layers
from keras_resnet.weights.matching import match_weights
from keras_resnet.weights.named import find, is_name, only_network, read
from keras_resnet.weights.names import check_model, known_as
from keras_resnet.weights.own import load_network, load_weights, read_carried, written_here


def load_weights_from(model: keras.Model, path: str | os.PathLike, key: str | None = None) -> None:
    """Load weights that other code wrote into a network of the same architecture, and their input contract.

    Formats: PyTorch (read without PyTorch, and without running code from the file), safetensors, NumPy's `.npz` and
    HDF5. Naming schemes: torchvision, timm, pytorch_resnet_cifar10, keras.applications and KerasHub. What KerasHub
    and timm write beside their weights is read too: the configuration in a `.keras` archive, or in a folder; `path`
    may be that folder, or a file in it (of KerasHub, `model.weights.h5` is the backbone alone).

    Args:
        model: keras.Model of this package. Without a classifier, that of the file is left out.
        path: file or folder to read; or a name: "hf://owner/name" for a repository of the Hugging Face hub, and
            "hf://owner/name@revision" for a branch, tag or commit of it (which needs the extra `hub`); "imagenet" for
            what keras.applications publishes. What is fetched stays in a cache.
        key: str, which of several sets of weights in a training checkpoint of PyTorch, as in "state_dict_ema" or
            "model_ema"; keys within one another are joined by dots. Default the plain set, under a key such as
            "state_dict" or "model"; an average of the weights is taken by its key only, or where there is nothing else.

    Raises:
        ValueError: the file cannot be read, asks for more bytes or operations than a file of its size may take (see
            `weights.files.budget`), or holds another network or no such set; or a name is unknown, or what it names
            cannot be fetched. The model is left as it was.
    """
    if _written_here(path):
        load_own(model, path)
        return
    architecture = getattr(model, "architecture", None)
    network = model.name if architecture is None else known_as(architecture)
    load_checkpoint(model, read(path, network, key, has_top(model)))


def load_own(model: keras.Model, path: str | os.PathLike) -> None:
    """Load a weights file of this package; that of a whole network brings input contract and names of classes too."""
    load_weights(model, path)
    if written_here(path) == "network":
        contract, labels = read_carried(path)
        model.preprocessing = contract and fitted(contract, model)
        model.labels = labels if has_top(model) else None


def network_of(
    path: str | os.PathLike, network: Architecture | str | None = None, key: str | None = None, **arguments: Any
) -> keras.Model:
    """Build the network of weights that other code wrote, and load them; or load a `.keras` file of this package.

    Names and shapes of the tensors decide the network as far as they can, and `network` must agree with them. The rest
    is told by what KerasHub or timm writes beside the weights, as in the repositories of the hub, or follows the
    conventions of the naming scheme. Of a bare file, another network with the same names and shapes loads without an
    error and computes something else. Such files are:

    - anti-aliased networks (timm's resnetaa, resnetblur, seresnetaa and others), which cannot be built here;
    - networks with another activation than ReLU, or with unusual strides, dilation or epsilon;
    - those whose stem is one 3x3 convolution that strides: it is taken for the stem of CIFAR networks;
    - where the naming does not tell whether projections pool (timm's resnetv2, KerasHub's weights without their
      configuration, keras.applications): only those behind a stem of three convolutions are taken to pool, as in the
      published networks.

    Args:
        path: file, folder or name, as for `load_weights_from`.
        network: Architecture or name; default what the weights tell. "imagenet" needs a name.
        key: str, which of several sets of weights, as for `load_weights_from`.
        **arguments: those of `keras_resnet.ResNet`, as in `input_shape`; default a classifier as the file's, or none.

    Returns:
        keras.Model that carries the input contract of the weights.

    Raises:
        ValueError: the file cannot be read, asks for more bytes, operations or layers than a file of its size may take
            (see `weights.files.budget`), or holds another network or no such set; or a name is unknown, or what it
            names cannot be fetched.
    """
    if written := _written_here(path):
        return _own_network(path, written, network, {"key": key} if key else arguments)
    network = only_network(path) if network is None else network
    choices = {name: value for name, value in arguments.items() if name in TABLE}
    others = {name: value for name, value in arguments.items() if name not in TABLE}
    architecture, checkpoint = find(path, network, choices, key=key, include_top=arguments.get("include_top", True))
    named = {"name": network.lower()} if isinstance(network, str) else {}
    model = build_network(architecture, **checkpoint.arguments({**named, **others}))
    load_checkpoint(model, checkpoint)
    return model


def _written_here(path: str | os.PathLike) -> str | None:
    """Tell what of this package a file holds; a folder, as KerasHub and timm write them, or a name holds nothing."""
    return written_here(path) if not is_name(path) and os.path.isfile(path) else None


def _own_network(
    path: str | os.PathLike, written: str, network: Architecture | str | None, others: dict[str, Any]
) -> keras.Model:
    """Load a file of this package: it says everything, or too little to build a network."""
    path = os.fspath(path)
    if written == "weights":
        raise ValueError(
            f"{path!r} holds the weights of a network of this package alone. Build the network and give it the file, "
            "as in ResNet20(weights=...)."
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


def load_checkpoint(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Load a checkpoint into a network, and its input contract; where it does not fit, the model is left as it was."""
    with naming_faults(checkpoint.path, f"does not fit {model.name!r}:"):
        pairs = match_weights(model, checkpoint.tensors)
        check_function(model, checkpoint)
        contract, labels = checkpoint.contract_for(model), checkpoint.labels_for(model)
    for weight, tensor in pairs:
        weight.assign(tensor)
    model.preprocessing, model.labels = contract, labels


def check_function(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Refuse a network of the same names and shapes that computes something else than the weights were trained for."""
    there = checkpoint.architecture()
    here = getattr(model, "architecture", None) or there.replace(**choices_of_layers(model))
    if found := differences(here, there, None if checkpoint.description.tells_all else SILENT):
        raise ValueError(
            f"the weights would compute something else: {'; '.join(found[:3])}. Build the network of the file with "
            "network_of(path)."
        )
