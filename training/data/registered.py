"""Data sets registered with TFDS: found, prepared where that is allowed, and read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_resnet.messages import unknown_of_many
from training.config import Data
from training.config.fields import IMAGE_FOLDER, TABLE
from training.data.splits import Splits, length, slices
from training.tasks import ANY, ONE, Task

LABEL, SEVERAL = "label", "labels"  # features: the class of an image, or a sequence of any number of classes
EMBEDDED = ("digits",)


@dataclass(frozen=True)
class Registered:
    """A data set that TFDS has prepared."""

    builder: tfds.core.DatasetBuilder

    @property
    def task(self) -> Task:
        """What the labels of an image are, by the name of their feature."""
        return ONE if LABEL in self.builder.info.features else ANY

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels."""
        features = self.builder.info.features
        return tuple((features[LABEL] if self.task is ONE else features[SEVERAL].feature).names)

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
        dataset = self._read(split, encoded=True).map(self._label)
        return np.concatenate([*dataset.batch(10_000).as_numpy_iterator()])

    def has_labels(self, split: str) -> bool:
        """Tell whether the examples of a split have labels: those of ImageNet's test split are all -1."""
        return self.task is ANY or all(example[LABEL] >= 0 for example in self._read(split, encoded=True).take(1))

    @property
    def has_random_access(self) -> bool:
        """Whether each record can be read by itself: those of ArrayRecord files; others come in their order only."""
        return self.builder.info.file_format is tfds.core.FileFormat.ARRAY_RECORD

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""
        if self.has_random_access:
            numbers, read = self.unread(split, members)
            return numbers.map(read, tf.data.AUTOTUNE)
        dataset = self._read(split, encoded=None in self.shape)
        if members is not None:
            dataset = dataset.enumerate().filter(lambda index, _: tf.constant(members)[index]).map(lambda _, one: one)
            # Without a known size Keras would warn that the data ran out.
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(int(members.sum())))
        return dataset.map(self._pair, tf.data.AUTOTUNE)

    def unread(self, split: str, members: np.ndarray | None = None) -> tuple[tf.data.Dataset, Callable]:
        """Give the same, as numbers where each record can be read by itself, and the function that reads an example."""
        if not self.has_random_access:
            return self.examples(split, members), lambda image, label: (image, label)
        read = self._reading(split, encoded=None in self.shape)
        return _numbers(length(split, self.splits), members), lambda number: self._pair(read(number))

    def fingerprint(self, split: str) -> bytes:
        """Tell a split from others by what TFDS notes of it: preparation, order and size, without reading it."""
        parts = [
            (name, part.start, part.stop, self.splits[name].num_bytes, tuple(self.splits[name].shard_lengths))
            for name, part in slices(split, self.splits)
        ]
        return repr((self.builder.info.full_name, self.builder.info.file_format, parts)).encode()

    def _pair(self, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Give image and label of an example."""
        return example["image"], self._label(example)

    def _label(self, example: dict[str, tf.Tensor]) -> tf.Tensor:
        """Give the label of an example: a number, or 0 and 1 for each class."""
        if self.task is ONE:
            return example[LABEL]
        marks = tf.one_hot(example[SEVERAL], len(self.classes), dtype=tf.float32)
        return tf.cast(tf.reduce_sum(marks, axis=0) > 0, tf.float32)

    def _read(self, split: str, encoded: bool) -> tf.data.Dataset:
        if self.has_random_access:
            return _numbers(length(split, self.splits)).map(self._reading(split, encoded), tf.data.AUTOTUNE)
        # A cache of TFDS's own would come out short wherever Keras drops a reader; see `batches.in_memory`.
        uncached = tfds.ReadConfig(try_autocache=False)
        own = {"decoders": _decoders(encoded), "read_config": uncached}
        return self.builder.as_dataset(split, shuffle_files=False, **own)

    def _reading(self, split: str, encoded: bool) -> Callable:
        """Make the function that reads the example of a number from records of which each can be read by itself."""
        whole = tfds.decode.DeserializeMethod.RAW_BYTES
        records, features = self.builder.as_data_source(split, deserialize_method=whole), self.builder.info.features

        def read(number):
            # It changes nothing, so that tf.data may read several at a time, also where runs repeat bit for bit.
            record = tf.numpy_function(lambda own: records[own], [number], tf.string, stateful=False)
            return features.deserialize_example(tf.ensure_shape(record, ()), decoders=_decoders(encoded))

        return read


def _decoders(encoded: bool) -> dict[str, tfds.decode.Decoder] | None:
    """Say how TFDS decodes an example, where its image is to stay encoded."""
    return {"image": tfds.decode.SkipDecoding()} if encoded else None


def _numbers(count: int, members: np.ndarray | None = None) -> tf.data.Dataset:
    """Give the numbers of examples, as tuples of one; of those for which a bool array says so."""
    return tf.data.Dataset.from_tensor_slices((np.arange(count) if members is None else np.flatnonzero(members),))


def open_registered(data: Data) -> Registered:
    """Open a data set that is registered with TFDS; raises ValueError where it is not one of labelled images."""
    builder = _builder(data)
    features = builder.info.features
    label, several = (dict(features or {}).get(name) for name in (LABEL, SEVERAL))
    kinds = label, getattr(several, "feature", None) if label is None else None
    if "image" not in (features or {}) or not any(isinstance(kind, tfds.features.ClassLabel) for kind in kinds):
        raise ValueError(f"{data.dataset!r} is not a set of labelled images: its features are {list(features)}.")
    return Registered(builder)


def _builder(data: Data) -> tfds.core.DatasetBuilder:
    if data.dataset in EMBEDDED:
        from training.data import digits  # noqa: F401 - registers the builder with TFDS
    try:
        builder = tfds.builder(data.dataset, data_dir=data.data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        names = [*EMBEDDED, IMAGE_FOLDER, TABLE, *tfds.list_builders(with_community_datasets=False)]
        if data.dataset.split("/")[0].split(":")[0] in names:
            raise ValueError(f"dataset {data.dataset!r}: {str(error).splitlines()[0]}") from error
        listing = f"It must be registered with TFDS, {IMAGE_FOLDER!r}, {TABLE!r} or 'digits'."
        raise ValueError(unknown_of_many("data set", data.dataset, names, listing)) from error
    if builder.is_prepared():
        return builder
    try:
        prepare(builder, data)
    except ValueError:
        builder = tfds.builder(data.dataset, data_dir=data.data_dir)
        if not builder.is_prepared():  # else another process did it meanwhile
            raise
    return builder


def prepare(builder: tfds.core.DatasetBuilder, data: Data) -> None:
    """Prepare a data set; where that needs a download that the user has not allowed, raise an error."""
    folder = Path(builder.data_dir)  # root / name / configuration, if any / version
    manual = folder.parents[len(Path(builder.info.full_name).parts) - 1] / "downloads" / "manual"
    hint = "Make room or give another folder by --data-dir, and try again."
    if data.dataset not in EMBEDDED and builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _check_placed(builder, data, manual)
    elif data.dataset not in EMBEDDED:
        _check_fetchable(builder, data, manual)
    if data.download:
        hint = f"Without a network, put the original files into {manual} and pass --download."
    try:
        with _silenced() if data.dataset in EMBEDDED else contextlib.nullcontext():
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=manual if manual.is_dir() else None)
            )
    except ImportError:
        raise
    except Exception as error:  # TFDS wraps what its sets and its writers raise, a full disk too, in kinds of its own
        raise ValueError(
            f"Preparing {data.dataset!r} in {builder.data_dir} failed: {' '.join(str(error).split())[:300]}. {hint}"
        ) from error


def _check_placed(builder: tfds.core.DatasetBuilder, data: Data, manual: Path) -> None:
    """Raise an error where the files of a set that TFDS cannot download do not lie where it looks for them."""
    if not (data.download and manual.is_dir()):
        said = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split()).removesuffix(".")
        raise ValueError(
            f"{_not_prepared(builder, data)} TFDS cannot download it: {said}. Put these files into {manual} and pass "
            "--download, which prepares them here."
        )
    print(f"Preparing {data.dataset!r} in {builder.data_dir} from the files in {manual}.", flush=True)


def _check_fetchable(builder: tfds.core.DatasetBuilder, data: Data, manual: Path) -> None:
    """Raise an error where the user has not allowed a download, or its address cannot be reached."""
    files = builder.url_infos or {}
    urls = sorted(files)
    mebibytes = sum(file.size or 0 for file in files.values()) / 2**20
    size = f"{mebibytes:.0f} MiB" if mebibytes else "an amount it does not state"
    fetched = f"{size} from {', '.join(urls[:3]) or 'its own source'}{' and more' if len(urls) > 3 else ''}"
    by_hand = f"Without a network, put the original files into {manual} and pass --download."
    if not data.download:
        raise ValueError(
            f"{_not_prepared(builder, data)} --download would fetch {fetched} and prepare it here. {by_hand}"
        )
    print(f"Preparing {data.dataset!r} in {builder.data_dir}; downloading {fetched}.", flush=True)
    if not any((manual / Path(url).name).exists() for url in urls):
        _check_reachable(urls, by_hand)


def _not_prepared(builder: tfds.core.DatasetBuilder, data: Data) -> str:
    return (
        f"The data set {data.dataset!r} is not prepared; looked in {builder.data_dir}. If it lies elsewhere, give its "
        "folder by --data-dir."
    )


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep TFDS from printing lines and progress bars while it prepares what takes a second."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


def _check_reachable(urls: list[str], by_hand: str) -> None:
    """Try the first address once, because TFDS itself would retry silently for minutes."""
    import requests

    for url in urls[:1]:
        try:
            requests.head(url, timeout=10, allow_redirects=True)
        except requests.RequestException as error:
            raise ValueError(f"{url} cannot be reached ({type(error).__name__}). {by_hand}") from error
