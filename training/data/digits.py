"""The embedded default data set: scikit-learn's handwritten digits, as a TFDS builder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

TEST_EVERY = 5


class Digits(tfds.core.GeneratorBasedBuilder):
    """1797 grey images of 8x8 pixels in ten classes; one in five of each class is for testing.

    Source: scikit-learn's `load_digits`, a copy of the test set of the UCI optical recognition of
    handwritten digits.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits, 8x8 pixels, bundled with scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        # Sixteen grey levels, brought to the range of a byte.
        images = np.round(digits.images * (255 / 16)).astype("uint8")[..., np.newaxis]
        rank = _rank_within_class(digits.target)
        test = rank % TEST_EVERY == 0
        return {
            "train": self._generate_examples(images[~test], digits.target[~test]),
            "test": self._generate_examples(images[test], digits.target[test]),
        }

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict]]:
        for index, (image, label) in enumerate(zip(images, labels)):
            yield index, {"image": image, "label": int(label)}


def _rank_within_class(labels: np.ndarray) -> np.ndarray:
    rank = np.empty_like(labels)
    for label in np.unique(labels):
        members = labels == label
        rank[members] = np.arange(members.sum())
    return rank
