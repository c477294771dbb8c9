"""ONNX: tf2onnx translates the graph, ONNX Runtime's own tool makes int8 of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_resnet.formats.network import Exported, calibration_batches, pixels_function

OPSET = 18
NAME = "model.onnx"
AXES = {
    "images": ("batch", "height", "width"),
    "probabilities": ("batch",),
    "classes": ("batch",),
    "present": ("batch",),
}


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Convert a network, and give the function that writes its folder."""
    import tf2onnx

    function = pixels_function(exported)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPSET)
    _name_axes(proto.graph, exported)
    if exported.precision == "int8":
        proto = _quantized(proto, exported)
    for key, value in exported.metadata().items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    written = proto.SerializeToString()

    def write(part: Path) -> None:
        part.mkdir()
        (part / NAME).write_bytes(written)

    return write


def _name_axes(graph: Any, exported: Exported) -> None:
    """Name the axes of any size, which tf2onnx numbers, and state the others."""
    sizes = dict(zip(AXES["images"], exported.images))
    for value in (*graph.input, *graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, AXES[value.name]):
            if sizes[name] is None:
                axis.dim_param = name
            else:
                axis.dim_value = sizes[name]


def _quantized(proto: Any, exported: Exported) -> Any:
    """Make convolutions and the additions between them int8; what prepares images, and the head, stay in float32.

    Source: ONNX Runtime, "Quantize ONNX models": static quantization by QuantizeLinear and DequantizeLinear.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self):
            self.batches: Iterator[np.ndarray] = calibration_batches(exported)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch}

    first = next(place for place, node in enumerate(proto.graph.node) if node.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, NAME)
        quantize_static(
            proto,
            target,
            Images(),
            op_types_to_quantize=["Conv", "Add"],
            nodes_to_exclude=[node.name for node in proto.graph.node[:first]],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(target)
