"""What the pictures of runs, tests and studies have in common: PNG files of the same bytes, labels that fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from keras_resnet.messages import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, to: Path | BinaryIO) -> None:
    """Write a picture as PNG, the same bytes for the same picture."""
    figure.savefig(to, dpi=120, format="png", metadata={"Software": None})


def drawable(image: np.ndarray) -> np.ndarray:
    """Give what is drawn of an image of any number of channels: the first three, or of one and two the first."""
    image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return np.clip(image, 0, 255).astype("uint8")


def shorten(text: str, length: int) -> str:
    """Write a label in one line of a picture: cut where it is too long, a dollar no beginning of a formula."""
    text = printable(text)
    return (text if len(text) <= length else f"{text[: length - 1]}…").replace("$", r"\$")
