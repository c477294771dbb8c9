"""The ImageNet weights that keras.applications publishes: where they lie, what they are of, how they come here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import get_architecture
from keras_resnet.downloads import fetch

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"


class Published(NamedTuple):
    """A row of the table."""

    with_top: str
    without_top: str
    choices: Mapping[str, Any]


V1 = {"norm_epsilon": 1.001e-5}
V2 = {
    "norm_epsilon": 1.001e-5,
    "biased": ("stem", "3", "shortcut"),
    "stem_activation": False,
    "stride_unit": "last",
    "stride_on": "3x3",
    "pool_padding": "zeros",
}

PUBLISHED: dict[str, Published] = {
    "ResNet50": Published("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626", V1),
    "ResNet101": Published("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21", V1),
    "ResNet152": Published("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c", V1),
    "ResNet50V2": Published("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917", V2),
    "ResNet101V2": Published("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5", V2),
    "ResNet152V2": Published("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33", V2),
}


def architecture(network: str) -> Architecture:
    """Describe the network that published weights are of."""
    return get_architecture(network).replace(**PUBLISHED[network].choices)


def file(network: str, include_top: bool) -> str:
    """Fetch the file of a network's published weights, or find it where an earlier call left it."""
    row = PUBLISHED[network]
    name = f"{network.lower()}_weights_tf_dim_ordering_tf_kernels{'' if include_top else '_notop'}.h5"
    return fetch(ADDRESS + name, row.with_top if include_top else row.without_top, "weights")
