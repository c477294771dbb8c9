"""A served folder asked in a fresh process that has nothing of this package, by the engines' own loaders for Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

# What the fresh process runs, alone: it reads the requests that lie in the folder, as a client sends them.
SCRIPT = """
import base64, json, pathlib, sys
folder, answers = pathlib.Path(sys.argv[1]), {}
for place in folder.glob("tensorflow_serving/*/1"):
    import tensorflow as tf
    request = json.loads((folder / "tensorflow_serving/request.json").read_text())
    files = tf.constant([base64.b64decode(one["b64"]) for one in request["instances"]])
    served = tf.saved_model.load(str(place)).signatures[request["signature_name"]](bytes=files)
    answers["tensorflow_serving"] = {name: value.numpy().tolist() for name, value in served.items()}
for place in folder.glob("triton/*/1/model.onnx"):
    import numpy, onnxruntime
    request = json.loads((folder / "triton-request.json").read_text())
    (given,) = request["inputs"]
    images = numpy.array(given["data"], "uint8").reshape(given["shape"])
    session = onnxruntime.InferenceSession(str(place), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {given["name"]: images})
    answers["triton"] = {name: value.tolist() for name, value in zip(names, values)}
assert not any(name.startswith(("keras_resnet", "training")) for name in sys.modules)
print(json.dumps(answers))
"""


def check_serving(folder: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """Ask a folder of `write_serving` its own requests.

    Args:
        folder: folder to ask.

    Returns:
        Dict of the answer of each server's engine: a dict of outputs to lists.

    Raises:
        ValueError: the folder does not answer.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT, os.path.abspath(folder)],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = process.stdout.strip().splitlines()
    if process.returncode or not lines:
        reason = (process.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ValueError(f"{os.fspath(folder)!r} does not answer: {reason}")
    answers = json.loads(lines[-1])
    if not answers:
        raise ValueError(
            f"{os.fspath(folder)!r} holds nothing that is served; `serve RUN --to DIR` writes such a folder."
        )
    return answers
