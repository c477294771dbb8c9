"""The model card of an export, README.md: what the network is, what it takes and gives, how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_resnet
from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters
from keras_resnet.architecture.phrase import describe
from keras_resnet.files import write_text
from keras_resnet.formats.folding import normalizations
from keras_resnet.formats.network import Exported
from keras_resnet.preprocessing import Preprocessing

CARD = "README.md"
LICENSE = "\n## License\n\n"  # the last heading
MOST_LABELS = 20  # classes that are listed; all are in labels.txt
# How a folder is opened by the engine alone. Images stand for a uint8 array (batch, height, width, channels).
USES: dict[str, str] = {
    "savedmodel": """import tensorflow as tf

served = tf.saved_model.load(".").signatures
answer = served["serving_default"](images=tf.constant(images))
answer = served["serve_bytes"](bytes=tf.constant([open("image.jpg", "rb").read()]))""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
answer = dict(zip([output.name for output in session.get_outputs()], session.run(None, {{"images": images}})))""",
    "openvino": """import openvino

network = openvino.Core().compile_model("model.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "{hint}"}})
answer = network({{"images": images}})""",
    "litert": """import os

from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter("model.tflite", num_threads=os.cpu_count())  # one unless it is told
answer = interpreter.get_signature_runner("serving_default")(images=images)""",
    "keras": """import keras
import keras_resnet

model = keras.models.load_model("model.keras")
print(keras_resnet.classify(model, "image.jpg"))""",
    "safetensors": """import keras_resnet

model = keras_resnet.network_of("model.safetensors")""",
}
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # of what is left to OpenVINO to choose


def card_of(exported: Exported, format: str, size: int) -> str:
    """Write the card.

    Args:
        exported: Exported.
        format: str, a name in `exporting.FORMATS`.
        size: int, bytes of the folder's other files.

    Returns:
        str, Markdown.
    """
    model, about = exported.model, dict(exported.about)
    license = about.pop("license", None)
    network = {
        "network": model.name,
        **_architecture(exported),
        "parameters": f"{count_parameters(model):,}",
        "batch normalizations": sum(1 for _ in normalizations(model)),
        **_multiply_adds(exported),
        "format": format,
        "precision": exported.precision,
        "size": f"{size / 1e6:.1f} MB",
        "written by": f"keras-resnet-suite {keras_resnet.__version__}",
    }
    use = USES[format].format(hint=HINTS[exported.precision])
    training = _table(about) if about else "Nothing is known of its training.\n"
    return (
        f"# {model.name}, {len(exported.labels)} classes\n\n{_table(network)}\n"
        f"{_interface(exported, format)}\n"
        f"## Use\n\n```python\n{use}\n"
        f"```\n\n## Training\n\n{training}\n"
        f"## Classes\n\n{_classes(exported.labels)}\n{LICENSE}{license or 'Not stated.'}\n"
    )


def add_section(folder: Path, heading: str, rows: Mapping[str, Any]) -> None:
    """Add facts that are known only when a folder is written to its card."""
    before, license_heading, license = (folder / CARD).read_text(encoding="utf-8").rpartition(LICENSE)
    write_text(folder / CARD, f"{before}\n## {heading}\n\n{_table(rows)}{license_heading}{license}")


def _architecture(exported: Exported) -> dict[str, str]:
    architecture = getattr(exported.model, "architecture", None)
    return {} if architecture is None else {"architecture": describe(architecture)}


def _multiply_adds(exported: Exported) -> dict[str, str]:
    if None in exported.model.input_shape[1:]:
        return {}
    return {"multiply-adds an image": f"{count_multiply_adds(exported.model):,}"}


def _interface(exported: Exported, format: str) -> str:
    """Say what goes in and what comes out."""
    contract, is_savedmodel = exported.contract, format == "savedmodel"
    lines = ["## Images in, classes out\n"]
    if format in ("keras", "safetensors"):
        lines.append("The network alone: images are prepared as follows before it.\n")
    else:
        names = ("batch", "height", "width", "channels")
        batch, *sides = (name if side is None else str(side) for name, side in zip(names, exported.images))
        number = "any number" if exported.batch_size is None else f"exactly {batch}"
        size = "any one size" if exported.image_size is None else f"{' x '.join(sides[:2])} pixels"
        lines += [
            f"- `images`: uint8, ({', '.join([batch, *sides])}), {number} of {size}, values 0 to 255"
            f"{', RGB' if contract.channels == 3 else ''}",
            *([f"- `bytes`, signature `serve_bytes`: encoded images, {number} of any sizes"] if is_savedmodel else []),
            f"- `probabilities`: float32, ({batch}, {len(exported.labels)})",
            "- `classes`: int64, the most probable one"
            if exported.outputs[1] == "classes"
            else "- `present`: bool, whether the probability of each class is over 1/2",
            "\nInside, and in this order:\n",
        ]
    return "\n".join([*lines, *_steps(contract), ""])


def _steps(contract: Preprocessing) -> list[str]:
    """Say how images are prepared."""
    height, width = contract.size
    mean, std = (_numbers(values) for values in (contract.mean, contract.std))
    window = "square" if height == width else f"window of the aspect {width}:{height}"
    kept = f", of whose sides {100 * contract.crop:g} % are kept" if contract.crop < 1 else ""
    return [
        f"1. the largest central {window}{kept}",
        f"2. {contract.interpolation} resize to {height} x {width} pixels, antialiased",
        *(["3. channels from RGB to BGR"] if contract.order == "BGR" else []),
        f"{4 if contract.order == 'BGR' else 3}. less {mean}, divided by {std}",
    ]


def _numbers(values: Any) -> str:
    if values.ndim > 1:
        return "a value for each pixel"
    return ", ".join(f"{value:g}" for value in values)


def _classes(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:MOST_LABELS])
    more = len(labels) - MOST_LABELS
    return f"{shown} and {more} more, in `labels.txt`." if more > 0 else f"{shown}."


def _table(rows: Mapping[str, Any]) -> str:
    """Lay out facts as a table of Markdown; a mapping in one line."""
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items() if value not in (None, {}, [])]
    return "\n".join(["| | |", "|---|---|", *lines, ""])


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = "; ".join(f"{name}: {own}" for name, own in value.items())
    return " ".join(str(value).split()).replace("|", "\\|")
