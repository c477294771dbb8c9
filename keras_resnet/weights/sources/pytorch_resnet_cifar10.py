"""pytorch_resnet_cifar10, the CIFAR networks of arXiv 1512.03385 with shortcuts of option A."""

from keras_resnet.weights.naming import Source
from keras_resnet.weights.sources.torchvision import LAYERS, PROJECTIONS

SOURCE = Source(
    title="pytorch_resnet_cifar10",
    marks=(r"conv1", r"layer3\.0\.conv2", r"linear"),
    layers=LAYERS,
    projections=PROJECTIONS,
    contract="cifar",
    choices={"shortcut": {"name": "A", "zeros": "both"}},
)
