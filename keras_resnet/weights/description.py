"""What stands beside a file of weights about its network and the images that it takes."""

from __future__ import annotations

from typing import Any, ClassVar

from keras_resnet.architecture import Architecture
from keras_resnet.preprocessing import Preprocessing


class Description:
    """What is told beside weights; whatever is not told is None or empty, and then names and shapes decide.

    `scheme` is the naming scheme of the tensors, a key of `weights.sources.SOURCES`, where they need not tell it
    themselves. One that `tells_all` gives every field of the architecture that decides the function.
    """

    scheme: ClassVar[str | None] = None
    tells_all: ClassVar[bool] = False

    def architecture(self) -> Architecture | None:
        """Give the whole architecture."""
        return None

    def choices(self) -> dict[str, Any]:
        """Give fields of the architecture that names and shapes of the tensors do not tell."""
        return {}

    def arguments(self) -> dict[str, Any]:
        """Give arguments of `ResNet` beside the architecture."""
        return {}

    def image_shape(self) -> tuple[int, int, int] | None:
        """Give height, width and channels of the images that a network with the classifier takes."""
        return None

    def labels(self) -> list[str] | None:
        """Name the classes, in the order of the outputs."""
        return None

    def contract(self, channels: int) -> Preprocessing | None:
        """Give what the network expects of images of so many channels."""
        return None
