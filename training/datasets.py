"""Every source of images: sets registered with TFDS, the embedded default among them, and image folders."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_resnet.labels import check_labels
from keras_resnet.messages import unknown
from training import image_folder
from training.config import RunConfig
from training.image_folder import ImageFolder
from training.splits import Splits, check_split, first_name, slices

EMBEDDED = ("digits",)
IMAGE_FOLDER = "image_folder"
TEST_SPLITS = ("test", "validation", "val")


class Reader(Protocol):
    """What a `Source` reads: a data set that TFDS has prepared, or a folder of image files.

    A split is a name in `splits`, or slices of such as TFDS writes them, `train[:10%]`.
    """

    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]

    @property
    def splits(self) -> Splits:
        """The splits by name."""

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""


@dataclass(frozen=True)
class Registered:
    """A data set that TFDS has prepared.

    Args:
        builder: tfds.core.DatasetBuilder.
    """

    builder: tfds.core.DatasetBuilder

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels."""
        return tuple(self.builder.info.features["label"].names)

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels of the images; a side is None where it varies."""
        height, width, channels = self.builder.info.features["image"].shape
        return height, width, channels or 3

    @property
    def splits(self) -> Splits:
        """The splits by name."""
        return self.builder.info.splits

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""
        dataset = self._read(split, encoded=True).map(lambda example: example["label"])
        return np.concatenate([*dataset.batch(10_000).as_numpy_iterator()])

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""
        dataset = self._read(split, encoded=None in self.shape)
        if members is not None:
            dataset = dataset.enumerate().filter(lambda index, _: tf.constant(members)[index]).map(lambda _, one: one)
            # Or Keras, not knowing how many there are, would warn that the data have run out.
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(int(members.sum())))
        return dataset.map(lambda example: (example["image"], example["label"]), tf.data.AUTOTUNE)

    def _read(self, split: str, encoded: bool) -> tf.data.Dataset:
        decoders = {"image": tfds.decode.SkipDecoding()} if encoded else None
        # A cache of TFDS's own would come out short wherever Keras drops a reader; see `batches.in_memory`.
        uncached = tfds.ReadConfig(try_autocache=False)
        return self.builder.as_dataset(split, shuffle_files=False, decoders=decoders, read_config=uncached)


@dataclass(frozen=True)
class Source:
    """A data set that is ready to be read.

    Args:
        name: str, TFDS name, or "image_folder".
        reader: Reader.
        train_split: str.
        test_split: str.
        parts: dict of names of splits that the reader does not know: a split that it knows, and a bool array that says
            which of its examples belong to the part.
    """

    name: str
    reader: Reader
    train_split: str
    test_split: str
    parts: dict[str, tuple[str, np.ndarray]] = dataclasses.field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels."""
        return self.reader.classes

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels of the images; a side is None where it varies."""
        return self.reader.shape

    @property
    def is_encoded(self) -> bool:
        """Whether images vary in size, and are therefore read as encoded files and decoded one by one."""
        return None in self.shape

    def count(self, split: str) -> int:
        """Count the examples of a split."""
        if split in self.parts:
            return int(self.parts[split][1].sum())
        return sum(part.stop - part.start for _, part in slices(split, self.reader.splits))

    def examples(self, split: str) -> tf.data.Dataset:
        """Read a split in an order that never changes.

        Args:
            split: str.

        Returns:
            tf.data.Dataset of (image, label): image uint8 of `shape`, or encoded where sizes vary.
        """
        return self.reader.examples(*self.parts.get(split, (split, None)))


def open_source(config: RunConfig) -> Source:
    """Open the data set of a run, and prepare it where that needs no network or the user allowed it.

    Args:
        config: RunConfig.

    Returns:
        Source.

    Raises:
        ValueError: the data set is unknown, not prepared, or not one of labelled images; or it lacks a split, or
            examples in it, or classes that the other has.
    """
    reader = _open_reader(config)
    check_labels(reader.classes)
    splits = list(reader.splits)
    test = config.test_split
    if not test and not config.validation:
        test = next((split for split in TEST_SPLITS if split in splits), None)
        if test is None:
            raise ValueError(
                f"{config.dataset!r} has no split to test on: keep a share of the training images by --validation 0.2, "
                f"or name one of {splits} by --test-split."
            )
    for field, split in (("train_split", config.train_split), ("test_split", test)):
        if split:
            check_split(f"{field} of {config.dataset!r}", split, reader.splits)
    if test and isinstance(reader, ImageFolder):
        reader.check_classes(test)
    source = Source(config.dataset, reader, config.train_split, test)
    return _hold_out(source, config) if config.validation else source


def _open_reader(config: RunConfig) -> Reader:
    if config.dataset == IMAGE_FOLDER:
        return image_folder.open_folder(config.data_dir, first_name(config.train_split))
    builder = _registered(config)
    features = builder.info.features
    if not isinstance(dict(features or {}).get("label"), tfds.features.ClassLabel) or "image" not in features:
        raise ValueError(f"{config.dataset!r} is not a set of labelled images: its features are {list(features)}.")
    return Registered(builder)


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
    labels = source.reader.labels(source.train_split)
    generator, members = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in range(len(source.classes)):
        own = generator.permutation(np.flatnonzero(labels == label))
        members[own[: round(share * len(own))]] = True
    return members


def check_images(source: Source, *splits: str) -> None:
    """Decode every image that will be read from an image folder, for a damaged one would end a run halfway.

    Args:
        source: Source; nothing is done for a data set that TFDS has prepared.
        *splits: str.

    Raises:
        ValueError: files are no images; it names them.
    """
    if isinstance(source.reader, ImageFolder):
        files = [file for split in splits for file in source.reader.members(*source.parts.get(split, (split, None)))]
        image_folder.check_images((path for path, _ in files), source.shape[2])


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
        ValueError: it would have to be downloaded, or the download or the preparation fails.
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
        with _without_a_word() if config.dataset in EMBEDDED else contextlib.nullcontext():
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=manual if manual.is_dir() else None)
            )
    except ImportError:
        raise
    except Exception as error:  # TFDS wraps what its sets and its writers raise, a full disk too, in kinds of its own
        hint = by_hand if config.download else "Make room or give another folder by --data-dir, and try again."
        raise ValueError(
            f"Preparing {config.dataset!r} in {builder.data_dir} failed: {' '.join(str(error).split())[:300]}. {hint}"
        ) from error


@contextlib.contextmanager
def _without_a_word() -> Iterator[None]:
    """Keep TFDS from printing lines and progress bars while it prepares what takes a second."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


def _check_reachable(urls: list[str], by_hand: str) -> None:
    """Ask once, for TFDS itself would try for minutes without a word."""
    import requests

    for url in urls[:1]:
        try:
            requests.head(url, timeout=10, allow_redirects=True)
        except requests.RequestException as error:
            raise ValueError(f"{url} cannot be reached ({type(error).__name__}). {by_hand}") from error
