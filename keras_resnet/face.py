"""The public names of keras_resnet, by the modules in which they are."""

from __future__ import annotations

from keras_resnet.architecture.catalogue import CATALOGUE

FACE: dict[str, tuple[str, ...]] = {
    "adaptation": ("freeze", "transfer"),
    "architecture": ("Architecture",),
    "architecture.catalogue": ("CATALOGUE", "cifar", "get_architecture", "highway", "imagenet", "vgg", "wide"),
    "builders": ("ResNet", *CATALOGUE),
    "classification": ("classify",),
    "choices.activations": ("activation_factory",),
    "deepening": ("deepen",),
    "explanation.explaining": ("Explanation", "explain"),
    "formats.exporting": ("export",),
    "formats.folding": ("fold",),
    "formats.savedmodel": ("export_savedmodel",),
    "layers": (
        "BatchNormalization",
        "MaxPoolPadding2D",
        "Maxout",
        "PiecewiseLinear",
        "Rational",
        "TrainableSwish",
        "ZeroPadChannels",
    ),
    "model": ("ResidualNetwork",),
    "preprocessing": ("CONTRACTS", "Preprocessing", "preprocess"),
    "pyramid": ("features",),
    "weights.loading": ("load_weights_from", "network_of"),
}
MODULES: dict[str, str] = {name: module for module, names in FACE.items() for name in names}
