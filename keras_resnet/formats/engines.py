"""Exported folders opened by the engines that they are for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_resnet.formats.network import in_batches
from keras_resnet.messages import unknown

Answer = dict[str, np.ndarray]


def open_engine(
    folder: str | os.PathLike, format: str, precision: str = "float32", batch_size: int | None = None
) -> Callable[[np.ndarray], Answer]:
    """Open what `export` wrote, to compute with it.

    Args:
        folder: folder to open.
        format: "savedmodel", "onnx", "openvino" or "litert".
        precision: str, in which it was written; OpenVINO chooses its own where it is not told.
        batch_size: int, how many images it takes together; None for any number.

    Returns:
        Function from images, uint8 (number, height, width, channels), to named outputs, whatever their number.

    Raises:
        ValueError: the format is not one that an engine computes with.
    """
    if format not in ENGINES:
        raise ValueError(unknown("engine's format", format, ENGINES))
    run = ENGINES[format](Path(folder), precision)
    return run if batch_size is None else functools.partial(_in_batches, run, batch_size)


def _in_batches(run: Callable[[np.ndarray], Answer], batch_size: int, images: np.ndarray) -> Answer:
    """Compute images as many at a time as an engine takes."""
    answers = [run(batch) for batch in in_batches(images, batch_size)]
    return {name: np.concatenate([answer[name] for answer in answers])[: len(images)] for name in answers[0]}


def usable_processors() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _savedmodel(folder: Path, precision: str) -> Callable[[np.ndarray], Answer]:
    import tensorflow as tf

    # A signature alone would not keep the variables alive.
    loaded = tf.saved_model.load(folder)

    def run(images: np.ndarray) -> Answer:
        answer = loaded.signatures["serving_default"](images=tf.constant(images))
        return {name: value.numpy() for name, value in answer.items()}

    return run


def _onnx(folder: Path, precision: str) -> Callable[[np.ndarray], Answer]:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"images": images})))


def _openvino(folder: Path, precision: str) -> Callable[[np.ndarray], Answer]:
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32"}
    compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", hint)
    return lambda images: {key.any_name: value for key, value in compiled({"images": images}).items()}


def _litert(folder: Path, precision: str) -> Callable[[np.ndarray], Answer]:
    from ai_edge_litert.interpreter import Interpreter

    # It computes in one thread unless it is told otherwise; the others take all processors.
    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=usable_processors())
    run = interpreter.get_signature_runner("serving_default")
    return lambda images: run(images=images)


ENGINES: dict[str, Callable[[Path, str], Callable[[np.ndarray], Answer]]] = {
    "savedmodel": _savedmodel,
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
}
