"""The thousand classes of ImageNet, by the index that keras.applications publishes."""

from __future__ import annotations

import json
from collections import Counter

import keras
import numpy as np

from keras_resnet.downloads import fetch

ADDRESS = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
MD5 = "c2c37ea517e94d9795004a39431a14cb"


def decode_predictions(predictions, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Name the most probable classes of each image.

    Args:
        predictions: float array (batch, 1000), probabilities.
        top: int, how many.

    Returns:
        List, one an image, of lists of (WordNet id, name, probability), most probable first.

    Raises:
        ValueError: the predictions are of another shape, or the names can neither be found nor fetched.

    Source: the call and the result are those of keras.applications.
    """
    predictions = np.asarray(keras.ops.convert_to_numpy(predictions))
    if predictions.ndim != 2 or predictions.shape[1] != 1000:
        raise ValueError(f"predictions must have the shape (batch, 1000); received {predictions.shape}.")
    names = class_names()
    best = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*names[i], float(row[i])) for i in indices] for row, indices in zip(predictions, best)]


def class_names() -> list[tuple[str, str]]:
    """Fetch the 1000 pairs of WordNet id and name, or find them where an earlier call left them."""
    path = fetch(ADDRESS, MD5, "class names")
    with open(path, encoding="utf-8") as index:
        classes = json.load(index)
    return [tuple(classes[str(number)]) for number in range(1000)]


def labels() -> list[str]:
    """Name the classes in words, and by their id too where two have the same: a crane is a bird and a machine."""
    classes = class_names()
    counts = Counter(name for _, name in classes)
    return [name if counts[name] == 1 else f"{name} ({identity})" for identity, name in classes]
