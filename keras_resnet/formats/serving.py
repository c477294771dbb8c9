"""Folders that TensorFlow Serving and Triton load: versions, requests to warm up by, files that start the servers."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_resnet.classification import labels_for
from keras_resnet.files import prepare_place, write_atomically
from keras_resnet.formats.exporting import export
from keras_resnet.labels import write_labels
from keras_resnet.messages import unknown
from keras_resnet.preprocessing import Preprocessing, contract_of

VERSION = "1"
WARMUP = Path("assets.extra", "tf_serving_warmup_requests")  # where TensorFlow Serving looks for it in a SavedModel
MOST = 32  # images that Triton computes together
COMPOSE = {
    "tensorflow_serving": """  tensorflow-serving:
    image: ${{TENSORFLOW_SERVING_IMAGE:-tensorflow/serving}}
    environment: {{MODEL_NAME: "{name}"}}
    volumes: ["./tensorflow_serving/{name}:/models/{name}:ro"]
    ports: ["8501:8501", "8500:8500"]
""",
    "triton": """  triton:
    image: ${{TRITON_IMAGE:?name an image of Triton with its ONNX Runtime backend}}
    command: ["tritonserver", "--model-repository=/models"]
    volumes: ["./triton:/models:ro"]
    ports: ["8000:8000", "8001:8001"]
""",
}
TRITON = """name: "{name}"
backend: "onnxruntime"
max_batch_size: {most}
input [
  {{ name: "images", data_type: TYPE_UINT8, dims: [ -1, -1, {channels} ] }}
]
output [
  {{ name: "probabilities", data_type: TYPE_FP32, dims: [ {classes} ], label_filename: "labels.txt" }},
  {second}
]
dynamic_batching {{ }}
model_warmup [
  {{
    name: "an image of the network's size"
    batch_size: 1
    inputs {{
      key: "images"
      value: {{ data_type: TYPE_UINT8, dims: [ {height}, {width}, {channels} ], random_data: true }}
    }}
  }}
]
"""
SECOND = {
    "classes": '{ name: "classes", data_type: TYPE_INT64, dims: [ 1 ], reshape: { shape: [ ] } }',
    "present": '{{ name: "present", data_type: TYPE_BOOL, dims: [ {classes} ] }}',
}
README = """# {name}, to be served

`docker compose up {services}` starts what `compose.yaml` names.

{requests}
`python -m training serve RUN --to DIR --check` asks a folder in a fresh process without keras-resnet-suite, by the
engines' own loaders for Python. The servers themselves were not started when it was written.
"""
REQUESTS = {
    "tensorflow_serving": """TensorFlow Serving takes encoded images by `serve_bytes`, and pixels by `serving_default`:

```sh
curl -d @tensorflow_serving/request.json http://localhost:8501/v1/models/{name}:predict
```
""",
    "triton": """Triton takes pixels, and encoded images not at all:

```sh
curl -d @triton-request.json http://localhost:8000/v2/models/{name}/infer
```
""",
}


def write_serving(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    name: str | None = None,
    servers: Sequence[str] = ("tensorflow_serving", "triton"),
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> None:
    """Write a folder from which TensorFlow Serving and Triton serve a network, folded and in float32.

    Args:
        model: keras.Model that gives probabilities or logits.
        path: folder to write; must not exist.
        name: str, by which requests name the network; default the model's.
        servers: sequence of "tensorflow_serving", which takes the SavedModel, and "triton", which takes ONNX.
        labels: the names of the classes; default those that the model carries.
        preprocessing: Preprocessing; default what the model carries.

    Raises:
        ValueError: as of `export`, or a server is unknown.
        ImportError: what writes ONNX is not installed.
        OSError: the folder cannot be written; no part of it is left behind.
    """
    for server in servers:
        if server not in WRITERS:
            raise ValueError(unknown("server", server, WRITERS))
    if not servers or len(set(servers)) < len(servers):
        raise ValueError(f"servers must name one or several, each once: {', '.join(WRITERS)}; received {servers!r}.")
    if os.path.exists(path):
        raise ValueError(f"{os.fspath(path)!r} exists; remove it or name another folder.")
    name, contract = name or model.name, preprocessing or contract_of(model)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"name={name!r} is no name of a folder and a request: use letters, digits, '_', '-' and '.'.")
    labels = tuple(labels_for(model, labels))
    with tempfile.TemporaryDirectory() as made:
        exports = {}
        for server in servers:
            exports[server] = Path(made, server)
            kind = "onnx" if server == "triton" else "savedmodel"
            export(model, exports[server], format=kind, fold=True, labels=labels, preprocessing=contract)

        def write(part: Path) -> None:
            part.mkdir()
            for server in servers:
                WRITERS[server](part, exports[server], name, contract, labels)
            fields = {"name": name, "services": " ".join(server.replace("_", "-") for server in servers)}
            requests = "\n".join(REQUESTS[server].format(**fields) for server in servers)
            (part / "README.md").write_text(README.format(requests=requests, **fields), encoding="utf-8")
            services = "".join(COMPOSE[server].format(name=name) for server in servers)
            (part / "compose.yaml").write_text(f"services:\n{services}", encoding="utf-8")

        prepare_place(path)
        write_atomically(path, write)


def _write_tensorflow_serving(
    part: Path, exported: Path, name: str, contract: Preprocessing, labels: Sequence[str]
) -> None:
    folder = part / "tensorflow_serving" / name / VERSION
    _copy(exported, folder)
    image = _sample(contract)
    (folder / WARMUP).parent.mkdir()
    encoded = _encoded(image)
    (folder / WARMUP).write_bytes(
        _records(
            [
                _prediction_log(name, "serving_default", {"images": image[np.newaxis]}),
                _prediction_log(name, "serve_bytes", {"bytes": [encoded]}),
            ]
        )
    )
    request = {"signature_name": "serve_bytes", "instances": [{"b64": base64.b64encode(encoded).decode()}]}
    (part / "tensorflow_serving" / "request.json").write_text(json.dumps(request), encoding="utf-8")


def _write_triton(part: Path, exported: Path, name: str, contract: Preprocessing, labels: Sequence[str]) -> None:
    import onnx

    folder = part / "triton" / name
    _copy(exported, folder / VERSION, only=("model.onnx",))
    write_labels(folder / "labels.txt", labels)
    height, width = contract.size
    outputs = [output.name for output in onnx.load(folder / VERSION / "model.onnx").graph.output]
    second = next(name for name in SECOND if name in outputs)
    fields = {"name": name, "most": MOST, "channels": contract.channels, "classes": len(labels)}
    shown = SECOND[second].format(**fields) if second == "present" else SECOND[second]
    text = TRITON.format(second=shown, height=height, width=width, **fields)
    (folder / "config.pbtxt").write_text(text, encoding="utf-8")
    image = _sample(contract)
    given = {"name": "images", "shape": [1, *image.shape], "datatype": "UINT8", "data": image.ravel().tolist()}
    (part / "triton-request.json").write_text(json.dumps({"inputs": [given]}), encoding="utf-8")


WRITERS: dict[str, Callable] = {"tensorflow_serving": _write_tensorflow_serving, "triton": _write_triton}


def _copy(source: Path, target: Path, only: Sequence[str] = ()) -> None:
    """Copy the files of an export, all or some."""
    for file in source.rglob("*"):
        if file.is_file() and (not only or file.name in only):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())


def _sample(contract: Preprocessing) -> np.ndarray:
    """Draw an image of the network's size, to ask a server for."""
    return np.random.default_rng(0).integers(0, 256, (*contract.size, contract.channels), "uint8")


def _encoded(image: np.ndarray) -> bytes:
    """Write an image as PNG; of channels that PNG does not have, the first."""
    import tensorflow as tf

    return tf.io.encode_png(image if image.shape[-1] in (1, 3, 4) else image[..., :1]).numpy()


def _prediction_log(name: str, signature: str, inputs: dict[str, np.ndarray | list]) -> bytes:
    """Write a request as the message that TensorFlow Serving keeps logs in.

    Source: tensorflow/serving, apis/prediction_log.proto, predict.proto and model.proto, whose numbers of fields these
        are: PredictionLog.predict_log = 6, PredictLog.request = 1, PredictRequest.model_spec = 1 and inputs = 2,
        ModelSpec.name = 1 and signature_name = 3.
    """
    import tensorflow as tf

    spec = _field(1, name.encode()) + _field(3, signature.encode())
    tensors = {key: tf.make_tensor_proto(value).SerializeToString() for key, value in inputs.items()}
    entries = (_field(2, _field(1, key.encode()) + _field(2, tensor)) for key, tensor in tensors.items())
    return _field(6, _field(1, _field(1, spec) + b"".join(entries)))


def _field(number: int, content: bytes) -> bytes:
    """Write a field of a protocol buffer that holds bytes, text or another message."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _records(messages: Iterable[bytes]) -> bytes:
    """Write messages as a file of TFRecord."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records")
        with tf.io.TFRecordWriter(os.fspath(path)) as writer:
            for message in messages:
                writer.write(message)
        return path.read_bytes()
