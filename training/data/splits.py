"""Splits of a data set and slices of them, as TFDS writes them: `train`, `train[:10%]`, `train[:40%]+train[60%:]`."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow_datasets as tfds

from keras_resnet.messages import unknown

Splits = Mapping[str, tfds.core.SplitInfo]


def splits_of(counts: Mapping[str, int]) -> Splits:
    """Describe splits of so many examples, as TFDS describes its own."""
    return {name: tfds.core.SplitInfo(name=name, shard_lengths=[count], num_bytes=0) for name, count in counts.items()}


def slices(split: str, splits: Splits) -> list[tuple[str, slice]]:
    """Work out which examples of which splits are meant: a name and a slice, with its bounds, for each part."""
    if split in splits:
        return [(split, slice(0, splits[split].num_examples))]
    return [
        (part.splitname, slice(part.from_ or 0, splits[part.splitname].num_examples if part.to is None else part.to))
        for part in tfds.core.ReadInstruction.from_spec(split).to_absolute(splits)
    ]


def length(split: str, splits: Splits) -> int:
    """Count the examples that are meant."""
    return sum(part.stop - part.start for _, part in slices(split, splits))


def split_names(split: str) -> list[str]:
    """List the names that stand in a split, `train` and `test` in `train[:40%]+test`."""
    return [part.split("[")[0].strip() for part in split.split("+")]


def first_name(split: str) -> str:
    """Give the name that stands first in a split."""
    return split_names(split)[0]


def check_split(name: str, split: str, splits: Splits) -> None:
    """Raise an error for a split that does not exist or is empty."""
    first = first_name(split)
    if first not in splits:
        raise ValueError(unknown(f"{name}:", split, splits))
    try:
        empty = [part for _, part in slices(split, splits) if part.start >= part.stop]
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{name}: {split!r} cannot be read: {' '.join(str(error).split())}") from error
    if empty:
        raise ValueError(
            f"{name}: {split!r} asks for examples {empty[0].start} to {empty[0].stop}, an empty range; the second "
            f"number must be greater, as in '{first}[10%:50%]'."
        )
