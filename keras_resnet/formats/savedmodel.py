"""A trained network as a TensorFlow SavedModel that serves: pixels or files in, named outputs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_resnet.classification import labels_for
from keras_resnet.files import prepare_place, write_atomically
from keras_resnet.formats.network import Exported, check_fit, network_of
from keras_resnet.images import decode_image
from keras_resnet.labels import check_labels, write_labels
from keras_resnet.preprocessing import Preprocessing, contract_of


def export_savedmodel(
    model: keras.Model,
    path: str | os.PathLike,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> None:
    """Write a SavedModel whose graph holds everything from the image to the class.

    Its signatures are `serving_default` (`images`: uint8, batch of any one size) and `serve_bytes` (`bytes`: files
    as `images.decode_image` reads them, turned as their EXIF says). Both give `probabilities` (batch, classes) and
    `classes` (int64, the most probable one); of a network that ends in sigmoids, `present` (bool, whether the
    probability of each class is over 1/2) instead. The names of the classes lie in `assets/labels.txt`, one a line.

    Args:
        model: keras.Model that gives probabilities, or logits, of which the graph makes probabilities.
        path: folder to write; must not exist, the folders above it may not.
        labels: the names of the classes, in the order of the outputs; default those that the model carries.
        preprocessing: Preprocessing, what the model expects of images; default what it carries.

    Raises:
        ValueError: the backend is not TensorFlow, the folder exists, the model has another number of classes, takes
            other images than the contract prepares, or does not carry what it expects of images or the names of its
            classes, or a label is no line of text.
        OSError: the folder cannot be written; no part of it is left behind.
    """
    exported = Exported(model, preprocessing or contract_of(model), tuple(labels_for(model, labels)))
    check_fit(model, exported.contract)
    if keras.backend.backend() != "tensorflow":
        raise ValueError("A SavedModel needs the TensorFlow backend: set KERAS_BACKEND=tensorflow.")
    if os.path.exists(path):
        raise ValueError(f"{os.fspath(path)!r} exists; remove it or name another folder.")
    write = prepare(exported)
    prepare_place(path)
    write_atomically(path, write)


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Trace a network, so that what fails there is no failure to save, and give the function that writes a folder."""
    import tensorflow as tf

    check_labels(exported.labels)
    module = tf.Module()
    if not exported.constants:
        module.model = exported.model
    signatures = {name: function.get_concrete_function() for name, function in _signatures(exported).items()}

    def write(part: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_labels(asset := Path(folder, "labels.txt"), exported.labels)
            module.labels = tf.saved_model.Asset(str(asset))
            tf.saved_model.save(module, os.fspath(part), signatures=signatures)

    return write


def _signatures(exported: Exported) -> dict:
    import tensorflow as tf

    outputs, preprocessing = network_of(exported), exported.contract

    @tf.function(input_signature=[tf.TensorSpec(exported.images, tf.uint8, "images")])
    def serving_default(images):
        return outputs(preprocessing(images))

    @tf.function(input_signature=[tf.TensorSpec((exported.batch_size,), tf.string, "bytes")])
    def serve_bytes(encoded):
        def prepare_one(one):
            return preprocessing.resize(decode_image(one, preprocessing.channels)[tf.newaxis])[0]

        shape = tf.TensorSpec((*preprocessing.size, preprocessing.channels), tf.float32)
        return outputs(preprocessing.standardize(tf.map_fn(prepare_one, encoded, fn_output_signature=shape)))

    return {"serving_default": serving_default, "serve_bytes": serve_bytes}
