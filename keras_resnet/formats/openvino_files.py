"""OpenVINO: its own converter reads the graph, NNCF makes int8 of it."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_resnet.formats.network import PREPARATION, Exported, calibration_batches, save_pixels

NAME = "model.xml"


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Convert a network, and give the function that writes its folder."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        save_pixels(exported, folder)
        model = openvino.convert_model(folder)
        if exported.precision == "int8":
            model = _quantized(model, exported)
        for key, value in exported.metadata().items():
            model.set_rt_info(value, ["keras_resnet", key])

        # Written while the folder stands, of which constants may be read only then.
        written = Path(folder, "written")
        written.mkdir()
        openvino.save_model(model, written / NAME, compress_to_fp16=False)
        files = {path.name: path.read_bytes() for path in written.iterdir()}

    def write(part: Path) -> None:
        part.mkdir()
        for name, content in files.items():
            (part / name).write_bytes(content)

    return write


def _quantized(model: Any, exported: Exported) -> Any:
    """Make convolutions and what stands between them int8; what prepares images stays in float32.

    Source: NNCF, "Post-training quantization".
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    batches = list(calibration_batches(exported))
    scope = nncf.IgnoredScope(patterns=[f".*{PREPARATION}.*"], validate=False)
    with contextlib.redirect_stdout(io.StringIO()):  # its bars of progress
        return nncf.quantize(
            model,
            nncf.Dataset(batches, lambda batch: {"images": batch}),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=scope,
        )
