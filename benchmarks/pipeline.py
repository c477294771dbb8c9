"""Images a second of the input pipeline without a network: of each recipe, and of each augmentation of a batch.

    python benchmarks/pipeline.py                            all of them, at 32 and 224 pixels, beside Keras's layers
    python benchmarks/pipeline.py --only rotate --rounds 3   a look, not a measurement
    python benchmarks/pipeline.py --only image-folder decode_and_crop_jpeg --files DIR   beside bare decoding

Augmentations take batches of random levels out of memory, within `tf.data`, as `python -m training` does; a layer of
Keras of the same purpose does so in the same rounds, one after the other. They do not compute the same: a line says
what each costs. Recipes read random images; `image-folder` reads JPEG files, beside TensorFlow's `decode_and_crop_jpeg`
and antialiased resize of the same files with nothing else. Beside images a second stands what one of them takes of the
processors' time, which other processes change less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from machine import load, prepare_process, print_machine
from options import described, in_a_sentence, positive

BATCHES = {32: 128, 224: 32}  # images in a batch, by their side
# Keras's layers of the same purpose, with strengths as near as they allow.
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "flip": ("RandomFlip", {"mode": "horizontal"}),
    "rotate": ("RandomRotation", {"factor": 15 / 360, "fill_mode": "constant"}),
    "shear": ("RandomShear", {"x_factor": 0.3, "fill_mode": "constant"}),
    "translate": ("RandomTranslation", {"height_factor": 0.1, "width_factor": 0.1, "fill_mode": "constant"}),
    "scale": ("RandomZoom", {"height_factor": 0.2, "fill_mode": "constant"}),
    "color_jitter": (
        "RandomColorJitter",
        {"value_range": (0, 255), "brightness_factor": 0.4, "contrast_factor": 0.4, "saturation_factor": 0.4},
    ),
    "grayscale": ("RandomGrayscale", {"factor": 0.1}),
    "random_erasing": ("RandomErasing", {"factor": 0.5, "value_range": (0, 255)}),
    "rand_augment": ("RandAugment", {"value_range": (0, 255), "num_ops": 2}),
    "mixup": ("MixUp", {"alpha": 0.2}),
    "cutmix": ("CutMix", {}),
}
RECIPES = {"cifar10": 32, "cifar10-fast": 32, "image-folder": 224}
BARE = "decode_and_crop_jpeg"
EVERYTHING = ("color_jitter", "pad_crop", "flip", "cutout", "cutmix")  # beside operations drawn for every image
FILES = 256  # made where no folder of images is given


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    prepare_process()
    print_machine()
    print(f"{'command':10}{' '.join(['python', *sys.argv])}\n")
    print("median images/s (and range over rounds), and processor time of an image in microseconds\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            files = options.files or Path(folder)
            cases = {name: make for name, make in cases_of(side, files).items() if matches(name, options.only)}
            measured = measure({name: make() for name, make in cases.items()}, options.rounds, options.batches)
            print("\n".join(f"{side:4}  {line}" for line in table(measured)), flush=True)
    print(f"\nload after: {load()}. Timing on a CPU is noisy, above all on a shared machine.")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the options, without importing a backend."""
    parser = described(__doc__)
    parser.add_argument("--sides", nargs="+", type=int, choices=BATCHES, default=[*BATCHES], help="of the images")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="recipes and augmentations; default all")
    parser.add_argument("--files", type=Path, metavar="DIR", help="DIR/train/CLASS/*.jpg to read; default random ones")
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--batches", type=positive, default=20, help="batches in a round (default 20)")
    return parser.parse_args(arguments)


def table(measured: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Lay out what `measure` gives."""
    lines = []
    for name, rounds in measured.items():
        rates, taken = zip(*rounds)
        spread = f"({min(rates):,.0f} to {max(rates):,.0f})"
        lines.append(f"{name:44}{statistics.median(rates):10,.0f} {spread:24}{statistics.median(taken):10,.1f}")
    return lines


def matches(case: str, only: list[str] | None) -> bool:
    """Tell whether a case, as `rotate` or `rotate (keras RandomRotation)`, was asked for."""
    return not only or case.split(" (")[0] in only


def cases_of(side: int, files: Path) -> dict[str, Callable]:
    """Name what is measured at a side, and how its batches are made; of files from a folder, which may be empty."""
    from training.data.augmentation import AUGMENTATIONS

    cases: dict[str, Callable] = {}
    if side == RECIPES["image-folder"]:
        cases[BARE] = lambda: bare_batches(side, files)
    for recipe in (recipe for recipe, its in RECIPES.items() if its == side):
        cases[recipe] = lambda recipe=recipe: recipe_batches(recipe, side, files)
    for name in ("rand_augment", "trivial_augment") if side == RECIPES["cifar10"] else ():
        everything = {"augmentation": [name, *EVERYTHING]}
        cases[f"everything with {name}"] = lambda more=everything: recipe_batches("cifar10", side, files, more)
    for name in (name for name, function in AUGMENTATIONS.items() if function.kind != "crop"):
        cases[name] = lambda name=name: augmented_batches(name, side)
        if name in PEERS:
            cases[f"{name} (keras {PEERS[name][0]})"] = lambda name=name: layer_batches(name, side)
    return cases


def measure(datasets: dict[str, Any], rounds: int, batches: int) -> dict[str, list[tuple[float, float]]]:
    """Take batches of each data set in interleaved rounds.

    Args:
        datasets: dict of `tf.data.Dataset` that do not end, by name.
        rounds: int.
        batches: int, in a round, after two first ones.

    Returns:
        Dict of lists of (images a second, microseconds of processor time of an image), one a round.
    """
    for dataset in datasets.values():
        next(iter(dataset))  # traces and compiles
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in datasets}
    for _ in range(rounds):
        for name, dataset in datasets.items():
            reader = iter(dataset)
            next(reader)
            size = len(next(reader)[0])
            began, taken = time.perf_counter(), time.process_time()
            for _ in range(batches):
                next(reader)
            passed, taken = time.perf_counter() - began, time.process_time() - taken
            measured[name].append((batches * size / passed, 1e6 * taken / (batches * size)))
    return measured


def batches_in_memory(side: int):
    """Give batches of random levels, from memory and without end."""
    import tensorflow as tf

    shape = BATCHES[side], side, side, 3
    images = tf.cast(tf.random.stateless_uniform(shape, (0, 0), 0, 256, tf.int32), tf.uint8)
    return tf.data.Dataset.from_tensors((images, tf.range(BATCHES[side]) % 10)).repeat()


def augmented_batches(name: str, side: int):
    """Give batches that go through an augmentation with its defaults."""
    import tensorflow as tf

    from training.data.augmentation.composition import augment
    from training.data.augmentation.streams import open_streams

    (stream,) = open_streams([name], 0, BATCHES[side])
    index, epoch = tf.range(BATCHES[side]), tf.constant(0, tf.int64)

    def augmented(images, labels):
        steps = [stream.step(index, stream.first, epoch)]
        return augment(images, labels, steps, lambda images: tf.cast(images, tf.float32), 10)

    augmented = tf.function(augmented, jit_compile=True)  # as `training.data.batches` does
    return batches_in_memory(side).map(augmented, tf.data.AUTOTUNE).prefetch(1)


def layer_batches(name: str, side: int):
    """Give batches that go through Keras's layer of the same purpose."""
    import keras
    import tensorflow as tf

    kind, parameters = PEERS[name]
    layer = getattr(keras.layers, kind)(seed=0, **parameters)

    def augmented(images, labels):
        images = tf.cast(images, tf.float32)
        if name in ("mixup", "cutmix"):
            mixed = layer({"images": images, "labels": tf.one_hot(labels, 10)}, training=True)
            return mixed["images"], mixed["labels"]
        return layer(images, training=True), labels

    return batches_in_memory(side).map(augmented, tf.data.AUTOTUNE).prefetch(1)


def recipe_batches(recipe: str, side: int, files: Path, more: Mapping[str, Any] | None = None):
    """Give the training batches of a recipe, of random images or of files."""
    import numpy as np
    import tensorflow as tf

    from keras_resnet.preprocessing import Preprocessing
    from training.config import load_recipe, make_config
    from training.data.batches import training_batches

    changes = {"epochs": 1, "iterations": None, "batch_size": BATCHES[side], **(more or {})}
    config = make_config(load_recipe(recipe) | changes)
    contract = Preprocessing((side, side), 3, np.full(3, 127.0), np.full(3, 64.0))
    choices = {"augmentation": config.augmentation, "batch_size": config.batch_size, "seed": 0}
    tf.random.set_seed(1)
    source = source_of(files, side) if recipe == "image-folder" else RandomImages(side)
    return training_batches(source, contract, config.data, range(1_000_000), **choices)


def bare_batches(side: int, files: Path):
    """Give windows of JPEG files, random as Inception's, decoded and resized by TensorFlow and not changed further."""
    import tensorflow as tf

    def decoded(encoded, label):
        shape = tf.image.extract_jpeg_shape(encoded)
        boxes = tf.image.sample_distorted_bounding_box(shape, [[[0.0, 0.0, 1.0, 1.0]]], 1, area_range=(0.25, 1))
        box = tf.concat([boxes[0][:2], boxes[1][:2]], 0)
        return tf.image.resize(tf.image.decode_and_crop_jpeg(encoded, box, 3), (side, side), antialias=True), label

    source = source_of(files, side)
    encoded = source.examples(source.train_split).repeat().shuffle(source.count(source.train_split))
    return encoded.map(decoded, tf.data.AUTOTUNE).batch(BATCHES[side], drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def source_of(folder: Path, side: int):
    """Open a folder of JPEG files, after filling it with random smooth images where it is empty."""
    import tensorflow as tf

    from training.data.datasets import Source
    from training.data.image_folder import open_folder

    for number in range(0 if any(folder.iterdir()) else FILES):
        # Blocks of 8 pixels: files of noise would be larger than those of photographs.
        blocks = tf.random.stateless_uniform((side // 8, side // 8, 3), (number, 0), 0, 256, tf.int32)
        place = folder / "train" / str(number % 10)
        place.mkdir(parents=True, exist_ok=True)
        image = tf.cast(tf.image.resize(blocks, (side, side)), tf.uint8)
        (place / f"{number}.jpg").write_bytes(tf.io.encode_jpeg(image).numpy())
    return Source("image_folder", open_folder(folder, "train"), "train", "train")


class RandomImages:
    """A source of random images in memory."""

    name, train_split, classes, is_encoded = "random", "train", tuple("0123456789"), False

    def __init__(self, side: int):
        self.shape = (side, side, 3)

    def count(self, split: str) -> int:
        """Count the images."""
        return 4096

    def examples(self, split: str):
        """Read images and labels."""
        import tensorflow as tf

        count = self.count(split)
        images = tf.cast(tf.random.stateless_uniform((count, *self.shape), (0, 0), 0, 256, tf.int32), tf.uint8)
        return tf.data.Dataset.from_tensor_slices((images, tf.range(count, dtype=tf.int64) % 10))


if __name__ == "__main__":
    sys.exit(main())
