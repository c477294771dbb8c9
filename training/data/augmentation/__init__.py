"""Augmentation: what a training image goes through anew in every epoch, as a list of choices by name."""

from training.data.augmentation import automatic, colors, crops, erasing, geometry, mixing  # noqa: F401 - register their functions
from training.data.augmentation.registry import AUGMENTATIONS, Drawn, augmentation

__all__ = ["AUGMENTATIONS", "Drawn", "augmentation"]
