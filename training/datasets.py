"""Every source of images through TFDS: registered sets, image folders, the embedded default."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_resnet.messages import unknown
from keras_resnet.preprocessing import Preprocessing
from training import augmentation
from training.config import RunConfig

EMBEDDED = ("digits",)
IMAGE_FOLDER = "image_folder"
TEST_SPLITS = ("test", "validation", "val")
IMAGENET_MEAN = np.array([123.675, 116.28, 103.53])
IMAGENET_STD = np.array([58.395, 57.12, 57.375])
LAYOUT = "DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg (or png)"


@dataclass(frozen=True)
class Source:
    """A data set that is ready to be read.

    Args:
        name: str, TFDS name, or "image_folder".
        builder: tfds.core.DatasetBuilder, prepared.
        classes: tuple of str, names of the classes in the order of the labels.
        shape: tuple (height, width, channels) of the images; a side is None where it varies.
        train_split: str.
        test_split: str.
    """

    name: str
    builder: tfds.core.DatasetBuilder
    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]
    train_split: str
    test_split: str

    @property
    def is_encoded(self) -> bool:
        """Whether images vary in size, and are therefore read as encoded files and decoded one by one."""
        return None in self.shape

    def count(self, split: str) -> int:
        """Count the examples of a split."""
        return self.builder.info.splits[split].num_examples

    def examples(self, split: str) -> tf.data.Dataset:
        """Read a split in an order that never changes.

        Args:
            split: str.

        Returns:
            tf.data.Dataset of (image, label): image uint8 of `shape`, or encoded where sizes vary.
        """
        decoders = {"image": tfds.decode.SkipDecoding()} if self.is_encoded else None
        dataset = self.builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)
        return dataset.map(lambda example: (example["image"], example["label"]), tf.data.AUTOTUNE)


def open_source(config: RunConfig) -> Source:
    """Open the data set of a run, and prepare it where that needs no network or the user allowed it.

    Args:
        config: RunConfig.

    Returns:
        Source.

    Raises:
        ValueError: the data set is unknown, not prepared, or not one of labelled images.
    """
    builder = _image_folder(config) if config.dataset == IMAGE_FOLDER else _registered(config)
    features = builder.info.features
    if not {"image", "label"} <= set(features or ()):
        raise ValueError(f"{config.dataset!r} is not a set of labelled images: its features are {list(features)}.")
    splits = list(builder.info.splits)
    test = config.test_split or next((split for split in TEST_SPLITS if split in splits), None)
    for field, split in (("train_split", config.train_split), ("test_split", test)):
        if split is None or split.split("[")[0] not in splits:
            raise ValueError(f"{unknown(f'{field} of {config.dataset!r}:', split, splits)}")
    height, width, channels = features["image"].shape
    return Source(
        name=config.dataset,
        builder=builder,
        classes=tuple(features["label"].names),
        shape=(height, width, channels or 3),
        train_split=config.train_split,
        test_split=test,
    )


def _image_folder(config: RunConfig) -> tfds.core.DatasetBuilder:
    folder = config.data_dir
    if folder is None or not folder.is_dir():
        raise ValueError(f"dataset 'image_folder' needs --data-dir, a folder laid out as {LAYOUT}; received {folder}.")
    splits = sorted(path for path in folder.iterdir() if path.is_dir() and any(c.is_dir() for c in path.iterdir()))
    if not splits:
        raise ValueError(f"No classes in {folder}: it must be laid out as {LAYOUT}.")
    for split in splits:
        for directory in sorted(path for path in split.iterdir() if path.is_dir()):
            if not any(name.lower().endswith((".jpg", ".jpeg", ".png")) for name in os.listdir(directory)):
                raise ValueError(f"The class folder {directory} holds no image (jpg, jpeg or png). Fill or remove it.")
    return tfds.ImageFolder(str(folder))


def _registered(config: RunConfig) -> tfds.core.DatasetBuilder:
    if config.dataset in EMBEDDED:
        from training import digits  # noqa: F401 - registers the builder with TFDS
    try:
        builder = tfds.builder(config.dataset, data_dir=config.data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        names = [*EMBEDDED, IMAGE_FOLDER, *tfds.list_builders(with_community_datasets=False)]
        if config.dataset.split("/")[0].split(":")[0] in names:
            raise ValueError(f"dataset {config.dataset!r}: {str(error).splitlines()[0]}") from error
        sentence = unknown("data set", config.dataset, names).split(" Allowed:")[0]
        raise ValueError(f"{sentence} It must be registered with TFDS, {IMAGE_FOLDER!r} or 'digits'.") from error
    if not builder.is_prepared():
        prepare(builder, config)
    return builder


def prepare(builder: tfds.core.DatasetBuilder, config: RunConfig) -> None:
    """Prepare a data set that is not, unless that needs a download that the user has not allowed.

    Args:
        builder: tfds.core.DatasetBuilder.
        config: RunConfig.

    Raises:
        ValueError: it would have to be downloaded, or the download fails.
    """
    manual = Path(builder.data_dir).parents[1] / "downloads" / "manual"
    files = builder.url_infos or {}
    urls = sorted(files)
    mebibytes = sum(file.size or 0 for file in files.values()) / 2**20
    size = f"{mebibytes:.0f} MiB" if mebibytes else "an amount it does not state"
    fetched = f"{size} from {', '.join(urls[:3]) or 'its own source'}{' and more' if len(urls) > 3 else ''}"
    by_hand = f"Without a network, put the original files into {manual} and pass --download."
    if config.dataset not in EMBEDDED and not config.download:
        raise ValueError(
            f"The data set {config.dataset!r} is not prepared; looked in {builder.data_dir}. If it lies elsewhere, "
            f"give its folder by --data-dir. --download would fetch {fetched} and prepare it here. {by_hand}"
        )
    if config.download:
        print(f"Preparing {config.dataset!r} in {builder.data_dir}; downloading {fetched}.", flush=True)
        if not any((manual / Path(url).name).exists() for url in urls):
            _check_reachable(urls, by_hand)
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual if manual.is_dir() else None)
        )
    except (OSError, AssertionError, tfds.download.DownloadError) as error:
        raise ValueError(
            f"Preparing {config.dataset!r} failed: {' '.join(str(error).split())[:300]} {by_hand}"
        ) from error


def _check_reachable(urls: list[str], by_hand: str) -> None:
    """Ask once, for TFDS itself would try for minutes without a word."""
    import requests

    for url in urls[:1]:
        try:
            requests.head(url, timeout=10, allow_redirects=True)
        except requests.RequestException as error:
            raise ValueError(f"{url} cannot be reached ({type(error).__name__}). {by_hand}") from error


def make_preprocessing(source: Source, config: RunConfig, default_size: int) -> Preprocessing:
    """Decide what the network will expect of its images, from the training set.

    Args:
        source: Source.
        config: RunConfig.
        default_size: int, side of the images where neither the set nor the user fixes one, in pixels.

    Returns:
        Preprocessing.

    Raises:
        ValueError: ImageNet's constants are asked for grey images.
    """
    height, width, channels = source.shape
    fixed = (height, width) if not source.is_encoded else (default_size, default_size)
    size = (config.image_size, config.image_size) if config.image_size else fixed
    blank = Preprocessing(size, channels, np.zeros(channels), np.ones(channels), config.test_crop)
    if config.standardize == "imagenet":
        if channels != 3:
            raise ValueError(
                f"standardize 'imagenet' is for three channels; the images have {channels}. Use 'channel'."
            )
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    else:
        pixel_mean, square = _pixel_moments(source, blank)
        mean, std = pixel_mean.mean((0, 1)), np.full(channels, 255.0)
        if config.standardize == "channel":
            std = np.sqrt(np.maximum(square.mean((0, 1)) - mean**2, 1e-6))
        else:
            mean = pixel_mean
    return Preprocessing(size, channels, mean, std, config.test_crop)


def _pixel_moments(source: Source, blank: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """Average each pixel and its square over the training set, in the network's size."""
    total = np.zeros((2, *blank.size, blank.channels))
    for images, _ in resized(source, source.train_split, blank).batch(256).prefetch(2):
        images = images.numpy().astype("float64")
        total += images.sum(0), (images**2).sum(0)
    return tuple(total / source.count(source.train_split))


def decode(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode an encoded image; grey ones are repeated to as many channels as the network takes.

    Args:
        image: string scalar tensor, JPEG or PNG.
        channels: int, 1 or 3.

    Returns:
        uint8 tensor (height, width, channels).
    """
    image = tf.io.decode_image(image, channels=channels, expand_animations=False)
    return tf.ensure_shape(image, (None, None, channels))


def resized(source: Source, split: str, preprocessing: Preprocessing) -> tf.data.Dataset:
    """Read a split as images of the network's size, not yet standardised.

    Args:
        source: Source.
        split: str.
        preprocessing: Preprocessing.

    Returns:
        tf.data.Dataset of (image, label), the image uint8 or, where it was resized, float32.
    """

    def prepare(image, label):
        image = decode(image, preprocessing.channels) if source.is_encoded else image
        image = preprocessing.resize(image[tf.newaxis])[0]
        return tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels)), label

    return source.examples(split).map(prepare, tf.data.AUTOTUNE)


def test_batches(source: Source, split: str, preprocessing: Preprocessing, batch: int, replicas: int):
    """Read a split in order, once, every example in exactly one batch.

    Args:
        source: Source.
        split: str.
        preprocessing: Preprocessing.
        batch: int, examples wanted in a batch, a multiple of the replicas.
        replicas: int.

    Returns:
        tf.data.Dataset of (images, labels).

    Raises:
        ValueError: the split cannot be shared out among so many replicas.
    """
    size = shared_batch(source.count(split), batch, replicas)
    dataset = resized(source, split, preprocessing).batch(size)
    standardise = preprocessing.standardise
    return dataset.map(lambda images, labels: (standardise(images), labels), tf.data.AUTOTUNE).prefetch(2)


def shared_batch(examples: int, batch: int, replicas: int) -> int:
    """Find the largest batch size at which even the last batch leaves no replica empty-handed.

    A replica without an example makes Keras fail.

    Args:
        examples: int, in the whole split.
        batch: int, the size wanted.
        replicas: int.

    Returns:
        int, at most `batch`.

    Raises:
        ValueError: there is none.
    """

    def serves(rest: int) -> bool:
        share = -(-rest // replicas)
        return rest == 0 or -(-rest // share) == replicas

    sizes = range(batch - batch % replicas, 0, -replicas)
    for size in sizes:
        if serves(examples % size):
            return size
    raise ValueError(f"{examples} examples cannot be shared out among {replicas} devices; use fewer --devices.")


def training_batches(
    source: Source, config: RunConfig, preprocessing: Preprocessing, first_epoch: int, last_epoch: int
) -> tf.data.Dataset:
    """Read the training set epoch after epoch, shuffled and augmented.

    Order and augmentation depend on the seed, the epoch and the example only, so that a run that was
    interrupted goes on with the same batches.

    Args:
        source: Source.
        config: RunConfig.
        preprocessing: Preprocessing.
        first_epoch: int, where to begin, from 0.
        last_epoch: int, the first one not to read.

    Returns:
        tf.data.Dataset of (images, labels), `steps_per_epoch(...)` batches an epoch.
    """
    count = source.count(source.train_split)
    examples = _training_examples(source, config, preprocessing).enumerate()
    first_draws = augmentation.draw(count, config.seed, tf.constant(0, tf.int64))
    sample, augment = _sampler(config, preprocessing), _augmenter(config, preprocessing)

    def one_epoch(epoch):
        draws = augmentation.draw(count, config.seed, epoch)
        order = tf.constant(config.seed, tf.int64) * 1_000_003 + epoch
        batches = (
            examples.shuffle(min(count, config.shuffle_buffer), seed=order)
            .map(lambda index, example: (index, sample(example[0], draws[index]), example[1]), tf.data.AUTOTUNE)
            .batch(config.batch_size, drop_remainder=True)
        )

        def finish(index, images, labels):
            own = tf.gather(draws, index)
            mirrored = augmentation.mirrored(config.flip, own, tf.gather(first_draws, index), epoch)
            return augment(images, own, mirrored), labels

        return batches.map(finish, tf.data.AUTOTUNE)

    return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def _training_examples(source: Source, config: RunConfig, preprocessing: Preprocessing) -> tf.data.Dataset:
    if not config.cache:
        return source.examples(source.train_split)
    if config.random_area:
        return source.examples(source.train_split).cache()
    return resized(source, source.train_split, preprocessing).cache()


def _sampler(config: RunConfig, preprocessing: Preprocessing) -> Callable:
    """Make the function that turns one example into an image of the network's size."""

    def sample(image, draws):
        image = decode(image, preprocessing.channels) if image.dtype == tf.string else image
        if config.random_area:
            image = augmentation.random_area(image, draws, config.random_area)
            image = tf.image.resize(image, preprocessing.size, antialias=True)
        else:
            image = preprocessing.resize(image[tf.newaxis])[0]
        return tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels))

    return sample


def _augmenter(config: RunConfig, preprocessing: Preprocessing) -> Callable:
    """Make the function that standardises and augments a batch."""

    def augment(images, draws, mirrored):
        images = preprocessing.standardise(images)
        if config.pad_crop:
            images = augmentation.pad_and_crop(images, draws, config.pad_crop, config.border)
        return images if config.flip == "none" else augmentation.flip(images, mirrored)

    return augment


def steps_per_epoch(source: Source, config: RunConfig) -> int:
    """Count the full batches in a pass over the training set.

    Args:
        source: Source.
        config: RunConfig.

    Returns:
        int.

    Raises:
        ValueError: the training set is smaller than one batch.
    """
    count = source.count(source.train_split)
    if count < config.batch_size:
        raise ValueError(
            f"The training split {source.train_split!r} has {count} examples, fewer than batch_size="
            f"{config.batch_size}. Choose a batch_size of at most {count}."
        )
    return count // config.batch_size


def broken_images(source: Source) -> list[str]:
    """Find the files of an image folder that are no images.

    Args:
        source: Source of an image folder.

    Returns:
        List of paths.
    """
    decoders = {"image": tfds.decode.SkipDecoding()}
    broken = []
    for split in (source.train_split, source.test_split):
        for example in source.builder.as_dataset(split=split, decoders=decoders):
            try:
                decode(example["image"], source.shape[2])
            except tf.errors.InvalidArgumentError:
                broken.append(example["image/filename"].numpy().decode())
    return broken
