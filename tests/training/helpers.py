"""What the tests of training have in common: image files, the weights of a run."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
import yaml
from PIL import Image

from training.config import RunConfig, make_config
from training.data.datasets import Source
from training.run_folder import RunFolder
from training.tasks import ANY, ONE, Task


@dataclass(frozen=True, eq=False)
class Images:
    """Images in memory as a data set is read: those of several sizes encoded, as files are."""

    images: list[np.ndarray]
    own_labels: list[int] | np.ndarray  # or 0 and 1 for each class
    classes: tuple[str, ...]

    @property
    def task(self) -> Task:
        return ANY if np.ndim(self.own_labels) == 2 else ONE

    @property
    def shape(self) -> tuple:
        shapes = {image.shape for image in self.images}
        return shapes.pop() if len(shapes) == 1 else (None, None, self.images[0].shape[-1])

    @property
    def splits(self) -> dict:
        return {"test": SimpleNamespace(num_examples=len(self.images))}

    def examples(self, split: str, members=None) -> tf.data.Dataset:
        is_encoded = None in self.shape
        images = [tf.io.encode_png(image) for image in self.images] if is_encoded else np.stack(self.images)
        labels = np.array(self.own_labels, "float32" if self.task is ANY else "int64")
        return tf.data.Dataset.from_tensor_slices((images, labels))

    def unread(self, split: str, members=None) -> tuple:
        return self.examples(split, members), lambda image, label: (image, label)


def source_of(images: list[np.ndarray], labels: list[int], classes: tuple[str, ...]) -> Source:
    """Give images in memory as a data set that has nothing but a test split."""
    return Source("images in memory", Images(images, labels, classes), "train", "test")


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


def weights_of(folder: RunFolder, name: str = "model_file") -> list[np.ndarray]:
    """Read the weights of a run's network, that of the last epoch or another."""
    return keras.models.load_model(getattr(folder, name), compile=False).get_weights()


def same_weights(one: RunFolder, other: RunFolder) -> bool:
    """Tell whether the networks of two runs agree in every bit."""
    pairs = list(zip(weights_of(one), weights_of(other), strict=True))
    assert pairs
    return all(np.array_equal(left, right) for left, right in pairs)


class Keep(keras.callbacks.Callback):
    """Copies the folder of a run before an epoch, the second unless told otherwise, as a run killed there leaves it."""

    def __init__(self, run: RunFolder, copy: RunFolder, epoch: int = 1):
        super().__init__()
        self.run, self.copy, self.epoch = run, copy, epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Copy it."""
        if epoch == self.epoch:
            shutil.copytree(self.run.path, self.copy.path)


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


def unread(path: Path, count: int) -> str:
    """Give the sentence about one of so many images that cannot be read."""
    advice = "Replace or remove them; a training leaves them out by --data.on-bad-image skip."
    return f"1 of {count} images cannot be read: {path}. {advice}"
