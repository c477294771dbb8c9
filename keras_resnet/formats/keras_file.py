"""Keras's own format: the network, which carries its input contract and the names of its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keras_resnet.formats.network import Exported

NAME = "model.keras"


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Give the function that writes the folder of a network, without optimizer and loss."""
    network = exported.carrying

    def write(part: Path) -> None:
        part.mkdir()
        network.save(part / NAME)

    return write
