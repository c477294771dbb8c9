"""`export`: the network of a run in a format that others run, with a card that says how it came about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from keras_resnet.startup import called, start_keras
from training.arguments import Best, DataDir, Download, Run, Verbose, given

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keras_resnet.preprocessing import Preprocessing
    from training.data.datasets import Source
    from training.run_folder import RunFolder

TOGETHER = 32  # images of one size that an engine is given at a time
OF_FOLDERS = ("format", "precision", "fold", "layout", "image_size", "batch_size")  # options of no published weights


@dataclass
class ExportOptions:
    """What an export takes from the command line."""

    run: Run
    to: Path | None = None
    """Folder to write; default RUN/savedmodel, or RUN/exports/FORMAT-PRECISION. Or a file NAME.safetensors: the weights
    of a finished run to publish, with a card NAME.json."""
    format: Literal["savedmodel", "onnx", "openvino", "litert", "keras", "safetensors"] = "savedmodel"
    """What is written; keras and safetensors hold the network and its weights alone, the others all from the image to
    the class."""
    precision: Literal["float32", "bfloat16", "int8"] = "float32"
    """In which convolutions are computed."""
    fold: bool = False
    """Fold batch normalizations into convolutions, and make constants of the weights of a SavedModel."""
    layout: Literal["keras_resnet", "timm"] = "keras_resnet"
    """Whose names the tensors of safetensors have; timm's are torchvision's too."""
    image_size: tuple[int, ...] = ()
    """Side, or height and width, of the images that are to be taken, in pixels; default any one size. They need not be
    of the network's size."""
    batch_size: int | None = None
    """Images that are to be taken together; default any number."""
    calibration: int = 300
    """Training images to which int8 is fitted."""
    tested: int = 1000
    """Test images on which int8 is compared with float32, for the card."""
    data_dir: DataDir = None
    download: Download = False
    license: str | None = None
    """License of the weights, for the card."""
    best: Best = False
    verbose: Verbose = False


def export(arguments: list[str]) -> None:
    """Write the network of a run folder for others to run, or its weights as a file to publish."""
    program = f"{called('training')} export"
    options = tyro.cli(ExportOptions, prog=program, description=export.__doc__, args=arguments)
    start_keras()
    from keras_resnet.weights.card import WEIGHTS
    from training.publishing import publish
    from training.run_folder import RunFolder

    folder = RunFolder(options.run)
    target = options.to or default_target(folder, options)
    if options.to and target.suffix == WEIGHTS:
        check_published(options)
        print(f"weights {target}\ncard    {publish(folder, target, options.best, options.license)}")
        return
    for name, value in export_run(folder, target, options).items():
        print(f"{name} {value}")


def default_target(folder: RunFolder, options: ExportOptions) -> Path:
    """Say where an export lies in its run folder."""
    name = f"{options.format}-{options.precision}"
    others = [
        "-folded" if options.fold else "",
        f"-{'x'.join(map(str, options.image_size))}" if options.image_size else "",
        "" if options.batch_size is None else f"-batch{options.batch_size}",
        "-timm" if options.layout == "timm" else "",
    ]
    is_plain = name == "savedmodel-float32" and not any(others)
    return folder.savedmodel if is_plain else folder.exports / f"{name}{''.join(others)}"


def check_published(options: ExportOptions) -> None:
    """Refuse what would be lost where the weights of a run are published as they are."""
    defaults = ExportOptions(options.run, format="safetensors" if options.format == "safetensors" else "savedmodel")
    changed = [name for name in OF_FOLDERS if getattr(options, name) != getattr(defaults, name)]
    if changed:
        flag = f"--{changed[0].replace('_', '-')}"
        raise ValueError(f"--to {options.to} publishes the weights as they are, without {flag}: name a folder for it.")


def export_run(folder: RunFolder, target: Path, options: ExportOptions) -> dict[str, Any]:
    """Export the network of a run.

    Args:
        folder: RunFolder.
        target: Path of the folder to write.
        options: ExportOptions.

    Returns:
        Dict of what was written: the format and its folder, and of int8 the accuracies before and after.

    Raises:
        ValueError: the folder is not one of a run, or a choice cannot be had.
        ImportError: what writes the format is not installed.
        OSError: the folder cannot be written; no part of it is left behind.
    """
    import keras_resnet
    from keras_resnet.formats.exporting import FORMATS
    from training.publishing import known_about

    model, epoch = folder.load_saved(options.best)
    about = known_about(folder, model, epoch, options.best)
    model.preprocessing, model.labels = folder.read_preprocessing(), tuple(folder.read_labels())
    size = image_size(options)
    source = open_data(folder, options) if options.precision == "int8" else None
    figures: dict[str, Any] = {}

    def compare(written: Path) -> None:
        figures.update(compared(model, source, written, options))

    keras_resnet.export(
        model,
        target,
        format=options.format,
        precision=options.precision,
        fold=options.fold,
        calibration=calibration_images(source, folder, options.calibration, size) if source else None,
        layout=options.layout,
        about={**about, **({"license": options.license} if options.license else {})},
        image_size=size,
        batch_size=options.batch_size,
        check=compare if source else None,  # so that no int8 stands there without its accuracies
    )
    return {FORMATS[options.format].title: target, **figures}


def image_size(options: ExportOptions) -> tuple[int, ...] | None:
    """Give height and width of the images that are to be taken, a side for both where it is one; None for any."""
    return options.image_size * 2 if len(options.image_size) == 1 else options.image_size or None


def open_data(folder: RunFolder, options: ExportOptions) -> Source:
    """Open the data of a run, for calibration and comparison."""
    from training.data.datasets import open_source
    from training.data_record import check_classes

    for name in ("calibration", "tested"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1; received {getattr(options, name)}.")
    data = folder.read_config().data
    source = open_source(data.model_copy(update=given(options, ("data_dir", "download"))))
    check_classes(folder, source)
    return source


def calibration_images(
    source: Source, folder: RunFolder, count: int, size: tuple[int, ...] | None
) -> Iterator[np.ndarray]:
    """Draw training images, in batches of one size."""
    drawn, contract = source.sample(source.train_split, count, folder.read_config().seed), folder.read_preprocessing()
    return (fitted(images, contract, size) for images, _ in as_they_are(source, drawn, contract.channels))


def fitted(images: np.ndarray, contract: Preprocessing, size: tuple[int, ...] | None) -> np.ndarray:
    """Bring images to the one size that an export takes: the central window of its aspect, in whole levels."""
    import numpy as np

    if size is None or images.shape[1:3] == size:
        return images
    of_size = dataclasses.replace(contract.for_images(size, contract.channels), crop=1.0)
    return np.clip(np.round(of_size.resize(images)), 0, 255).astype("uint8")


def as_they_are(source: Source, examples: Any, channels: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Decode images and give them in their own sizes, with their labels: one by one where sizes differ."""
    from keras_resnet.images import decode_image

    if source.is_encoded:
        examples = examples.map(lambda image, label: (decode_image(image, channels), label)).batch(1)
    else:
        examples = examples.batch(TOGETHER)
    return examples.as_numpy_iterator()


def compared(model: keras.Model, source: Source, folder: Path, options: ExportOptions) -> dict[str, Any]:
    """Compare an exported network with the one in Keras on the first test images, and add that to its card."""
    import numpy as np

    from keras_resnet.formats.engines import open_engine
    from keras_resnet.formats.model_card import add_section
    from training.tasks import ONE

    if source.task is not ONE:
        return {}
    run = open_engine(folder, options.format, options.precision, options.batch_size)
    contract, size, tested = model.preprocessing, image_size(options), source.examples(source.test_split)
    before, after, same = [], [], []
    for images, labels in as_they_are(source, tested.take(options.tested), contract.channels):
        images = fitted(images, contract, size)
        classes = run(images)["classes"]
        known = np.argmax(model.predict_on_batch(contract(images)), axis=-1)
        before += [*(known == labels)]
        after += [*(classes == labels)]
        same += [*(classes == known)]
    figures = {
        "accuracy in float32": float(np.mean(before)),
        f"accuracy in {options.precision}": float(np.mean(after)),
        "same class": float(np.mean(same)),
    }
    shown = {name: f"{100 * figure:.2f} %" for name, figure in figures.items()}
    brought = f", brought to {size[0]} x {size[1]} pixels" if size else ""
    images = f"the first {len(same)} images of {source.test_split!r}{brought}, each once in a single view"
    calibrated = f"{min(options.calibration, source.count(source.train_split))} of {source.train_split!r}"
    add_section(folder, "Precision", {**shown, "images": images, "fitted to": calibrated})
    return shown
