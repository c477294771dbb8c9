"""LiteRT: TensorFlow's converter translates the graph, AI Edge Quantizer makes int8 of it."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from keras_resnet.formats.network import PREPARATION, Exported, calibration_batches, save_pixels

NAME = "model.tflite"
SIGNATURE = "serving_default"


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Convert a network, and give the function that writes its folder."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        save_pixels(exported, folder)
        converted = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE]).convert()
    if exported.precision == "int8":
        converted = _quantized(converted, exported)
    written = _with_metadata(converted, exported)

    def write(part: Path) -> None:
        part.mkdir()
        (part / NAME).write_bytes(written)

    return write


def _quantized(converted: bytes, exported: Exported) -> bytes:
    """Make convolutions and the additions between them int8; what prepares images, and the head, stay in float32.

    Source: AI Edge Quantizer, static quantization of weights by channel and of activations by tensor.
    """
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import TFLOperationName

    tool = quantizer.Quantizer(bytearray(converted))
    for operation in (TFLOperationName.CONV_2D, TFLOperationName.ADD):
        tool.add_static_config(f"^(?!.*{PREPARATION}).*", operation, activation_num_bits=8, weight_num_bits=8)
    batches = [{"images": batch} for batch in calibration_batches(exported)]
    with contextlib.redirect_stderr(io.StringIO()):  # its bars of progress
        ranges = tool.calibrate({SIGNATURE: batches}, num_threads=1)
        quantized = tool.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(quantized.quantized_model)


def _with_metadata(converted: bytes, exported: Exported) -> bytes:
    """Put files of metadata behind the graph, as a zip archive that engines pass over.

    Source: LiteRT, "Adding metadata to TensorFlow Lite models": associated files are zipped behind the flat buffer.
    """
    file = io.BytesIO()
    file.write(converted)
    with zipfile.ZipFile(file, "a") as archive:
        for key, value in exported.metadata().items():
            archive.writestr(zipfile.ZipInfo(f"{key}.json" if value.startswith(("{", "[")) else f"{key}.txt"), value)
    return file.getvalue()
