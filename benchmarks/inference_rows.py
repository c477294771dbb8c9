"""What `inference.py` times: a table of rows, each of which is opened by its own engine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch_inference
from inference_network import (
    IMAGES,
    OUR_WEIGHTS,
    PREPARED,
    REFERENCE,
    SEED,
    Plan,
    load_array,
    load_theirs,
    load_weights,
)
from machine import prepare_process

if TYPE_CHECKING:
    import numpy as np

SIDE = 2048  # of the matrices whose product is taken for the most that the machine can compute
PAUSE = 0.1  # seconds in which the threads of the process before go to sleep
EXPORTS = ("savedmodel", "litert", "onnx", "openvino")  # engines of what `keras_resnet.export` writes
PEERS = ("keras", "torch")
BASE = "keras-savedmodel"  # the row that all others are compared with
CEILINGS = {"float32": "matmul", "bfloat16": "matmul-bfloat16"}  # the rows that multiply matrices
# How far logits may be off those of the peer, of their own size, before a row is taken for computing something else;
# those of ResNet-8 and ResNet-50 were at most 1e-6, 0.007 and 0.03 off.
LIMITS = {"float32": 1e-4, "bfloat16": 0.05, "int8": 0.15}

Answer = Callable[[], "np.ndarray"]  # gives probabilities (batch, classes)


class Row(NamedTuple):
    """A contender.

    Args:
        title: str, as the table has it.
        engine: str; the rows of an engine share a process.
        precision: str.
        open: function from a plan and the row's name to what answers.
        is_folded: bool, whether an export is.
        is_compiled: bool, whether `torch.compile` is used.
    """

    title: str
    engine: str
    precision: str
    open: Callable[[Plan, str], Answer]
    is_folded: bool = False
    is_compiled: bool = False


class Contenders:
    """The rows of one engine, opened in one process."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._answers: dict[str, Answer] = {}

    def open(self, name: str) -> float | None:
        """Open a row, and tell how far its logits are off those of the peer; None of a product of matrices.

        Raises ValueError where it computes something else than the peer.
        """
        answer, precision = ROWS[name].open(self._plan, name), ROWS[name].precision
        given, off = answer(), None  # the first call compiles
        if name not in CEILINGS.values():
            off = deviation(given, load_array(self._plan, REFERENCE))
            if not off <= LIMITS[precision]:
                raise ValueError(
                    f"its logits are {off:.2g} of their size off the peer's; at most {LIMITS[precision]:g}"
                )
        self._answers[name] = answer
        return off

    def time(self, name: str, seconds: float) -> float:
        """Call a row for so many seconds, and at least once; give the median of the seconds a call."""
        answer, durations = self._answers[name], []
        time.sleep(PAUSE)
        answer()  # what other processes have driven out of the caches comes back
        while sum(durations) < seconds:
            start = time.perf_counter()
            answer()
            durations.append(time.perf_counter() - start)
        return statistics.median(durations)


def make_contenders(plan: Plan) -> Contenders:
    """Make Contenders in a process of their own."""
    prepare_process()
    return Contenders(plan)


def deviation(given: np.ndarray, wanted: np.ndarray) -> float:
    """Tell how far logits are off, by their probabilities: root mean squares, of those of the logits wanted.

    Logits are the logarithms of probabilities, but for a constant that is another for each image.
    """
    import numpy as np

    logarithms = (np.log(np.maximum(probabilities, 1e-30, dtype="float64")) for probabilities in (given, wanted))
    logits, right = (values - values.mean(axis=1, keepdims=True) for values in logarithms)
    return float(np.sqrt(np.mean((logits - right) ** 2) / np.mean(right**2)))


def open_product(plan: Plan, name: str) -> Answer:
    """Multiply two square matrices; of the product one element is given."""
    import tensorflow as tf

    normal = (tf.random.stateless_normal((SIDE, SIDE), (SEED, number)) for number in range(2))
    factors = [tf.cast(matrix, ROWS[name].precision) for matrix in normal]
    multiply = tf.function(lambda one, other: one @ other)
    return lambda: multiply(*factors)[0, 0].numpy()


def open_predict(plan: Plan, name: str) -> Answer:
    """Answer by `predict` of the peer."""
    model, images = load_theirs(plan), load_array(plan, PREPARED)
    return lambda: model.predict(images, batch_size=plan.batch, verbose=0)


def open_function(plan: Plan, name: str) -> Answer:
    """Answer by a `tf.function` of the peer."""
    import tensorflow as tf

    model, images = load_theirs(plan), load_array(plan, PREPARED)
    call = tf.function(lambda prepared: model(prepared, training=False))
    return lambda: call(tf.constant(images)).numpy()


def open_theirs(plan: Plan, name: str) -> Answer:
    """Answer by the SavedModel of the peer."""
    import tensorflow as tf

    # A signature alone would not keep the variables alive.
    loaded, images = tf.saved_model.load(plan.folder / name), load_array(plan, PREPARED)
    (argument,) = loaded.signatures["serving_default"].structured_input_signature[1]

    def answer() -> np.ndarray:
        (probabilities,) = loaded.signatures["serving_default"](**{argument: tf.constant(images)}).values()
        return probabilities.numpy()

    return answer


def open_export(plan: Plan, name: str) -> Answer:
    """Answer by an export of ours, which prepares the images too."""
    from keras_resnet.formats.engines import open_engine

    run = open_engine(plan.folder / name, ROWS[name].engine, ROWS[name].precision)
    images = load_array(plan, IMAGES)
    return lambda: run(images)["probabilities"]


def open_torch(plan: Plan, name: str) -> Answer:
    """Answer by PyTorch."""
    from keras_resnet.architecture.catalogue import get_architecture

    row, images = ROWS[name], load_array(plan, PREPARED)
    arrays = load_weights(plan, OUR_WEIGHTS)
    return torch_inference.prepare(get_architecture(plan.network), arrays, images, row.precision, row.is_compiled)


ROWS: dict[str, Row] = {
    "matmul": Row("matrix product", "matmul", "float32", open_product),
    "matmul-bfloat16": Row("matrix product", "matmul", "bfloat16", open_product),
    "keras-predict": Row("keras.applications, predict", "keras", "float32", open_predict),
    "keras-function": Row("keras.applications, tf.function", "keras", "float32", open_function),
    BASE: Row("keras.applications, SavedModel", "keras", "float32", open_theirs),
    "savedmodel": Row("ours, SavedModel", "savedmodel", "float32", open_export),
    "savedmodel-folded": Row("ours, SavedModel folded", "savedmodel", "float32", open_export, is_folded=True),
    "savedmodel-folded-bfloat16": Row("ours, SavedModel folded", "savedmodel", "bfloat16", open_export, is_folded=True),
    "litert": Row("ours, LiteRT", "litert", "float32", open_export, is_folded=True),
    "litert-int8": Row("ours, LiteRT", "litert", "int8", open_export, is_folded=True),
    "onnx": Row("ours, ONNX Runtime", "onnx", "float32", open_export, is_folded=True),
    "onnx-int8": Row("ours, ONNX Runtime", "onnx", "int8", open_export, is_folded=True),
    "openvino": Row("ours, OpenVINO", "openvino", "float32", open_export, is_folded=True),
    "openvino-bfloat16": Row("ours, OpenVINO", "openvino", "bfloat16", open_export, is_folded=True),
    "openvino-int8": Row("ours, OpenVINO", "openvino", "int8", open_export, is_folded=True),
    "torch": Row("PyTorch", "torch", "float32", open_torch),
    "torch-bfloat16": Row("PyTorch", "torch", "bfloat16", open_torch),
    "torch-compiled": Row("PyTorch, torch.compile", "torch", "float32", open_torch, is_compiled=True),
    "torch-compiled-bfloat16": Row("PyTorch, torch.compile", "torch", "bfloat16", open_torch, is_compiled=True),
}
