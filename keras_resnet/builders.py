"""The builders: `ResNet` for any architecture, and one for each network of the catalogue, as in keras.applications."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import CATALOGUE
from keras_resnet.architecture.phrase import describe
from keras_resnet.architecture.table import TABLE
from keras_resnet.model import ResidualNetwork, build_network
from keras_resnet.weights.card import is_carded
from keras_resnet.weights.loading import load_own, network_of
from keras_resnet.weights.named import is_name


def ResNet(  # noqa: N802 - the name that users of keras.applications look for
    architecture: Architecture | str,
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_tensor=None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    **choices: Any,
) -> ResidualNetwork:
    """Build any network that an Architecture can say.

    Args:
        architecture: Architecture, or the name of one: in the catalogue ("ResNet50") or of any valid CIFAR
            depth ("ResNet26").
        include_top: bool, whether to end in global average pooling and the classifier `predictions`.
        weights: None for He's initialization; "cifar10" for those of ResNet-20 that come with the package; "imagenet"
            for those that keras.applications publishes of 50, 101 and 152 layers, fetched once and checked by hash;
            "hf://owner/name" for those in a repository of the Hugging Face hub, as `network_of` takes it; or the path
            of a weights file of this network.
        input_tensor: KerasTensor to build on, or None.
        input_shape: tuple (height, width, channels), or channels first under that data format; a side may be
            None. Default: the paper's image size with the top, any size without; three channels.
        pooling: without the top, None for the last feature map, "avg" or "max" for a vector.
        classes: int, outputs of the classifier; default those of named weights, or else 1000 in the ImageNet family
            and 10 in the CIFAR family.
        classifier_activation: of the classifier; None for logits.
        name: str, the model's name; default the network's name in lower case.
        **choices: fields of `Architecture` to set otherwise, as in `shortcut="C"`.

    Returns:
        ResidualNetwork, a keras.Model whose output is (batch, classes) in float32, (batch, channels), or a feature map.

    Raises:
        TypeError: a choice does not exist.
        ValueError: a value is not allowed, or the weights file is not of this network.

    Source: arXiv 1512.03385 and 1603.05027; the call is that of keras.applications.
    """
    arguments = {
        "include_top": include_top,
        "input_tensor": input_tensor,
        "input_shape": input_shape,
        "pooling": pooling,
        "classifier_activation": classifier_activation,
        "name": name or (architecture.lower() if isinstance(architecture, str) else None),
        **choices,
    }
    if is_name(weights) or is_carded(weights):
        classes = {} if classes is None else {"classes": classes}
        return network_of(weights, architecture, **arguments, **classes)
    model = build_network(architecture, classes=classes, **arguments)
    if weights is not None:
        load_own(model, weights)
    return model


CALL = inspect.signature(ResNet, eval_str=True)


def named(network: str) -> Callable[..., ResidualNetwork]:
    """Make the builder of a network of the catalogue, with a signature and a docstring of its own."""

    def build(*arguments: Any, **choices: Any) -> ResidualNetwork:
        return ResNet(network, *arguments, **choices)

    architecture = CATALOGUE[network]
    arguments = ResNet.__doc__[ResNet.__doc__.index("include_top:") :]
    build.__name__ = build.__qualname__ = network
    build.__doc__ = f"Build {describe(architecture)}.\n\n    Args:\n        {arguments}"
    build.__signature__ = signature_of(architecture)
    return build


def signature_of(architecture: Architecture | None) -> inspect.Signature:
    """Write out the call of a builder with all its choices; of an open architecture, `...` stands for its defaults."""
    network, *others, _ = CALL.parameters.values()
    choices = [
        field.parameter(... if architecture is None else getattr(architecture, name)) for name, field in TABLE.items()
    ]
    return CALL.replace(parameters=[*([network] if architecture is None else []), *others, *choices])


ResNet.__signature__ = signature_of(None)
globals().update({network: named(network) for network in CATALOGUE})
