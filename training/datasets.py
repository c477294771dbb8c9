"""Every source of images through TFDS: registered sets, image folders, the embedded default."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_resnet.messages import unknown
from training.config import RunConfig

EMBEDDED = ("digits",)
IMAGE_FOLDER = "image_folder"
TEST_SPLITS = ("test", "validation", "val")
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
        parts: dict of names of splits that TFDS does not know: a split that it knows, and a bool array that says which
            of its examples belong to the part.
    """

    name: str
    builder: tfds.core.DatasetBuilder
    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]
    train_split: str
    test_split: str
    parts: dict[str, tuple[str, np.ndarray]] = dataclasses.field(default_factory=dict)

    @property
    def is_encoded(self) -> bool:
        """Whether images vary in size, and are therefore read as encoded files and decoded one by one."""
        return None in self.shape

    def count(self, split: str) -> int:
        """Count the examples of a split."""
        if split in self.parts:
            return int(self.parts[split][1].sum())
        return self.builder.info.splits[split].num_examples

    def examples(self, split: str) -> tf.data.Dataset:
        """Read a split in an order that never changes.

        Args:
            split: str.

        Returns:
            tf.data.Dataset of (image, label): image uint8 of `shape`, or encoded where sizes vary.
        """
        decoders = {"image": tfds.decode.SkipDecoding()} if self.is_encoded else None
        known, members = self.parts.get(split, (split, None))
        dataset = self.builder.as_dataset(split=known, shuffle_files=False, decoders=decoders)
        if members is not None:
            dataset = dataset.enumerate().filter(lambda index, _: tf.constant(members)[index]).map(lambda _, one: one)
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
    if not isinstance(dict(features or {}).get("label"), tfds.features.ClassLabel) or "image" not in features:
        raise ValueError(f"{config.dataset!r} is not a set of labelled images: its features are {list(features)}.")
    splits = list(builder.info.splits)
    test = config.test_split or next((split for split in TEST_SPLITS if split in splits), None)
    if test is None:
        raise ValueError(f"{config.dataset!r} has no split to test on; name one of {splits} by --test-split.")
    for field, split in (("train_split", config.train_split), ("test_split", test)):
        if split.split("[")[0] not in splits:
            raise ValueError(f"{unknown(f'{field} of {config.dataset!r}:', split, splits)}")
    height, width, channels = features["image"].shape
    source = Source(
        name=config.dataset,
        builder=builder,
        classes=tuple(features["label"].names),
        shape=(height, width, channels or 3),
        train_split=config.train_split,
        test_split=test,
    )
    return _hold_out(source, config) if config.validation else source


def _hold_out(source: Source, config: RunConfig) -> Source:
    """Part a training split in two and test on the smaller one, unless another was named."""
    members = validation_members(source, config.validation, config.validation_seed)
    if not members.any():
        raise ValueError(
            f"validation={config.validation} of {len(members)} examples in {len(source.classes)} classes leaves none; "
            "give a larger share."
        )
    rest, kept = f"{source.train_split} without validation", f"validation of {source.train_split}"
    return dataclasses.replace(
        source,
        train_split=rest,
        test_split=config.test_split or kept,
        parts={rest: (source.train_split, ~members), kept: (source.train_split, members)},
    )


def validation_members(source: Source, share: float, seed: int) -> np.ndarray:
    """Draw the examples of a validation split: the same share of each class.

    Args:
        source: Source.
        share: float in (0, 1).
        seed: int.

    Returns:
        bool array, one an example of the training split in its order.
    """
    decoders = {"image": tfds.decode.SkipDecoding()}
    dataset = source.builder.as_dataset(split=source.train_split, shuffle_files=False, decoders=decoders)
    labels = np.concatenate([*dataset.map(lambda example: example["label"]).batch(10_000).as_numpy_iterator()])
    generator, members = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in range(len(source.classes)):
        own = generator.permutation(np.flatnonzero(labels == label))
        members[own[: round(share * len(own))]] = True
    return members


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
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
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
    folder = Path(builder.data_dir)  # root / name / configuration, if any / version
    manual = folder.parents[len(Path(builder.info.full_name).parts) - 1] / "downloads" / "manual"
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


@contextlib.contextmanager
def naming_broken_images(source: Source) -> Iterator[None]:
    """Name the files that are no images where reading a data set fails.

    TensorFlow's own error does not say which file it met, and looking into each beforehand would read the whole
    set once more.

    Args:
        source: Source.

    Yields:
        None.

    Raises:
        ValueError: files of an image folder are no images.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        broken = broken_images(source) if source.name == IMAGE_FOLDER else []
        if not broken:
            raise
        raise ValueError(f"Not an image, or damaged: {', '.join(broken[:5])}. Replace or remove it.") from error


def broken_images(source: Source) -> list[str]:
    """Find the files of an image folder that are no images.

    Args:
        source: Source of an image folder.

    Returns:
        List of paths.
    """
    decoders = {"image": tfds.decode.SkipDecoding()}
    broken = []
    for split in {source.parts.get(split, (split,))[0] for split in (source.train_split, source.test_split)}:
        for example in source.builder.as_dataset(split=split, decoders=decoders):
            try:
                decode(example["image"], source.shape[2])
            except tf.errors.InvalidArgumentError:
                broken.append(example["image/filename"].numpy().decode())
    return broken
