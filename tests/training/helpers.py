"""What the tests of training have in common: image files, the weights of a run."""

from pathlib import Path

import keras
import numpy as np
import yaml
from PIL import Image

from training.config import RunConfig, make_config
from training.run_folder import RunFolder


def write_image(path: Path, size: tuple[int, int], grey: bool = False, seed: int = 0) -> np.ndarray:
    """Write an image of random pixels, and its folder where there is none; return the pixels."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, size if grey else (*size, 3), "uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def read_pixels(path: Path) -> np.ndarray:
    """Read an image file as RGB by PIL."""
    return np.asarray(Image.open(path).convert("RGB"))


def weights_of(folder: RunFolder) -> list[np.ndarray]:
    """Read the weights of a run's network."""
    return keras.models.load_model(folder.model_file, compile=False).get_weights()


def same_weights(one: RunFolder, other: RunFolder) -> bool:
    """Tell whether the networks of two runs agree in every bit."""
    pairs = list(zip(weights_of(one), weights_of(other), strict=True))
    assert pairs
    return all(np.array_equal(left, right) for left, right in pairs)


def folder_config(folder: Path, **fields) -> RunConfig:
    """Describe a run on an image folder in the size of 8 pixels."""
    usual = {"dataset": "image_folder", "data_dir": folder, "image_size": 8, "data.standardize": "imagenet"}
    return make_config(fields, base={**usual, "batch_size": 2, "epochs": 1})


def write_yaml(path, **fields):
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


def instead(training: list, name: str, value) -> list:
    """Give one of the arguments another value."""
    place = training.index(name) + 1
    return [*training[:place], value, *training[place + 1 :]]
