"""What the tests of augmentations have in common: images, given draws, and one augmentation of a batch."""

import numpy as np

from training.data.augmentation import Drawn
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Step


def levels(count: int = 4, height: int = 20, width: int = 30, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Make uint8 images of slopes with some noise, in all colors."""
    generator = np.random.default_rng(seed)
    rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    slopes = generator.uniform(-150, 150, (2, count, 1, 1, channels))
    images = 127 + slopes[0] * (rows - 0.5)[None, ..., None] + slopes[1] * (columns - 0.5)[None, ..., None]
    return np.clip(images + generator.normal(0, 12, images.shape), 0, 255).round().astype("uint8")


def given(numbers) -> Drawn:
    """Give numbers (batch, draws) instead of drawing them."""
    numbers = np.asarray(numbers, "float32")
    return Drawn(numbers, numbers, 0)


def as_floats(images) -> np.ndarray:
    """Stand for a standardization that changes no level."""
    return np.asarray(images).astype("float32")


def augmented(images: np.ndarray, *steps: tuple) -> np.ndarray:
    """Let a batch go through augmentations, each a name, its numbers and its parameters; nothing is standardized."""
    made = [Step(name, dict(*parameters), given(numbers)) for name, numbers, *parameters in steps]
    return np.asarray(augment(images, np.zeros(len(images), int), made, as_floats, 1)[0])


def jittered(images, factors, order):
    """Change brightness, contrast and saturation one by one, in floating point."""
    images = images.astype("float64")
    for change in order:
        gray = (images @ (0.299, 0.587, 0.114))[..., None]
        mean = gray.mean((1, 2), keepdims=True)
        starts = [0, mean, gray]  # what brightness, contrast and saturation leave as it is; 3 is the hue
        if change < 3:
            images = starts[change] + (images - starts[change]) * factors[change]
    return images


def mixed(images: np.ndarray, labels, classes: int, *steps: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Mix a batch and its labels, by steps as those of `augmented`."""
    made = [Step(name, dict(*parameters), given(numbers)) for name, numbers, *parameters in steps]
    batch = augment(images, np.asarray(labels), made, as_floats, classes)
    return tuple(map(np.asarray, batch))
