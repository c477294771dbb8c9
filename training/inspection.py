"""A look into the network of a run: everything that `keras_resnet.analysis` measures, as one page with pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

import keras_resnet
from keras_resnet import analysis
from keras_resnet.build.head import has_top
from keras_resnet.files import make_folder, write_text
from training.data.batches import test_batches
from training.distribution import distribution_of
from training.evaluation.candidates import Candidate, open_run
from training.networks import load_start, make_architecture, make_model
from training.run_folder import RunFolder
from training.session import prepare_session, restored
from training.sheet import levels_of
from training.tasks import ONE
from training.whitening import whiten_stem

IMAGES = 64  # of the test split that are looked at
GRADIENT_IMAGES = 32  # of these, what gradients are computed of, in one batch


@dataclass(frozen=True, eq=False)
class Looked:
    """What is looked at.

    Args:
        model: keras.Model, trained.
        start: keras.Model, as the run began.
        plain: keras.Model, untrained, the same without shortcuts; None where the network has none itself.
        images: float32 array (images, height, width, channels), standardized.
        labels: int array (images,).
        levels: uint8 array, the first image as it is seen.
    """

    model: keras.Model
    start: keras.Model
    plain: keras.Model | None
    images: np.ndarray
    labels: np.ndarray
    levels: np.ndarray

    @property
    def few(self) -> tuple[np.ndarray, np.ndarray]:
        """One batch of images and labels, for gradients."""
        return self.images[:GRADIENT_IMAGES], self.labels[:GRADIENT_IMAGES]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        title: str.
        text: str, what is measured and what to look for.
        picture: str, file name.
        write: function of what is looked at and the path of the picture, which gives what goes into `inspection.json`.
    """

    title: str
    text: str
    picture: str
    write: Callable[[Looked, Path], Any]


def inspect_run(
    folder: RunFolder,
    to: Path | None = None,
    images: int = IMAGES,
    best: bool = False,
    *,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Look into the network of a run on images of its test split; write a page, its pictures and all numbers.

    Args:
        folder: RunFolder.
        to: Path of the folder to write; default the folder `inspection` of the run.
        images: int, how many images of the test split are looked at, from its beginning.
        best: bool, whether to take the network of the run's best epoch.
        changes: mapping of fields of the configuration to set otherwise, by name, such as data_dir.

    Returns:
        Path of the page.

    Raises:
        ValueError: the folder is not one of a run, its network cannot be made anew, or images may have several classes.
        OSError: a file cannot be written.
    """
    if images < 1:
        raise ValueError(f"--images must be a positive integer; received {images}.")
    # A stem that whitens is made anew from training images.
    whitens = folder.read_config().start.whiten is not None
    candidate = open_run(folder, changes, best, only_test=not whitens)
    if candidate.source.task is not ONE:
        raise ValueError(f"The images of {folder.path} may have several classes each; inspect takes runs of one class.")
    target = to or folder.inspection
    make_folder(target)
    looked = _looked_at(candidate, images)
    found: dict[str, Any] = {"network": candidate.model.name, "images": len(looked.images)}
    lines = [f"# A look into {candidate.model.name} of {folder.path.name}", "", _introduction(candidate, looked), ""]
    for section in SECTIONS:
        numbers = section.write(looked, target / section.picture)
        if numbers is None:
            continue
        found[section.picture.removesuffix(".png")] = numbers
        lines += [f"## {section.title}", "", section.text, "", f"![{section.title}]({section.picture})", ""]
    write_text(target / "inspection.json", json.dumps(_plain(found), indent=1) + "\n")
    page = target / "inspection.md"
    write_text(page, "\n".join(lines).rstrip() + "\n")
    return page


def _looked_at(candidate: Candidate, count: int) -> Looked:
    """Make the network as it began, its plain counterpart, and read images."""
    config, source, contract = candidate.config, candidate.source, candidate.preprocessing
    architecture = make_architecture(config.network, config.start, config.hardware.synchronized)
    with restored():
        prepare_session(config)
        with distribution_of(config.hardware).scope():
            loaded = load_start(config.network, config.start, architecture, config.hardware.synchronized)
            start = make_model(
                architecture,
                contract,
                len(source.classes),
                name=config.network.name,
                start=config.start,
                loaded=loaded,
            )
            whiten_stem(start, config, source)
            plain = _plain_counterpart(start)
    images, labels = next(iter(test_batches(source, source.test_split, contract, count, 1)))
    images = images.numpy()
    return Looked(
        model=candidate.model,
        start=start,
        plain=plain,
        images=images,
        labels=labels.numpy(),
        levels=levels_of(images[:1], contract)[0],
    )


def _plain_counterpart(model: keras.Model) -> keras.Model | None:
    """Build the same network without shortcuts, untrained; None where it has none, or cannot be without."""
    architecture = getattr(model, "architecture", None)
    if architecture is None or not has_top(model) or architecture.shortcut == "none":
        return None
    try:
        without = architecture.replace(shortcut="none", zero_init_residual=False, stochastic_depth=0.0)
    except ValueError:
        return None
    return keras_resnet.ResNet(without, input_shape=model.input_shape[1:], classes=model.output_shape[-1])


def _introduction(candidate: Candidate, looked: Looked) -> str:
    split, data = candidate.source.test_split, candidate.config.data.dataset
    return (
        f"Measured on the first {len(looked.images)} images of {data}, split {split}; gradients on "
        f"{len(looked.few[0])} of them. All numbers are in [inspection.json](inspection.json). The network at the "
        "start is the one that configuration and seed of the run make."
    )


def _responses(looked: Looked, path: Path) -> Any:
    found = {
        "at the start": analysis.layer_responses(looked.start, looked.images, training=True),
        "trained": analysis.layer_responses(looked.model, looked.images),
    }
    analysis.draw_responses(found, path)
    return found


def _gradients(looked: Looked, path: Path) -> Any:
    found = {
        "at the start": analysis.gradient_norms(looked.start, *looked.few),
        "trained": analysis.gradient_norms(looked.model, *looked.few),
    }
    analysis.draw_gradients(found, path)
    return found


def _propagation(looked: Looked, path: Path) -> Any:
    if getattr(looked.model, "architecture", None) is None:
        return None
    found = analysis.propagation(looked.model, *looked.few)
    analysis.draw_propagation(found, path)
    return found


def _negative(looked: Looked, path: Path) -> Any:
    found = analysis.negative_shares(looked.model, looked.images)
    analysis.draw_negative_shares(found, path)
    return found


def _identity(looked: Looked, path: Path) -> Any:
    found = {"at the start": analysis.identity_distances(looked.start, looked.images)}
    if looked.plain is not None:
        found["plain, at the start"] = analysis.identity_distances(looked.plain, looked.images)
    found["trained"] = analysis.identity_distances(looked.model, looked.images, training=False)
    analysis.draw_identity_distances(found, path)
    return found


def _paths(looked: Looked, path: Path) -> Any:
    units = analysis.negative_shares(looked.model, looked.images[:1])
    try:
        found = analysis.path_gradients(looked.model, *looked.few)
    except ValueError:  # a plain network is a single path
        return None
    analysis.draw_paths(found, analysis.path_lengths(len(units)), path)
    return found


def _lesions(looked: Looked, path: Path) -> Any:
    found = analysis.lesions(looked.model, looked.images, looked.labels)
    analysis.draw_lesions(found, path)
    return found


def _kernels(looked: Looked, path: Path) -> Any:
    analysis.draw_kernels(looked.model, path)
    return {"filters": len(analysis.first_kernels(looked.model))}


def _maps(looked: Looked, path: Path) -> Any:
    shown = looked.levels[..., :3] if looked.levels.shape[-1] >= 3 else looked.levels[..., :1]
    analysis.draw_maps(looked.model, looked.images[0], path, shown)
    return {"label": int(looked.labels[0])}


def _line(looked: Looked, path: Path) -> Any:
    found = analysis.loss_along_line(looked.start, looked.model, looked.images, looked.labels)
    analysis.draw_line(found, path, ("start", "trained"))
    return found


SECTIONS: tuple[Section, ...] = (
    Section(
        "Responses of the layers",
        "Standard deviation of what each convolution gives, after normalization and before the activation. In trained "
        "residual networks responses are smaller than in plain ones, and the smaller the deeper (arXiv 1512.03385, "
        "Figure 7).",
        "responses.png",
        _responses,
    ),
    Section(
        "Gradients",
        "Norm of the gradient of the loss with respect to the kernel of each layer, in the order of the network. It "
        "vanishes where the line falls towards the left by orders of magnitude.",
        "gradients.png",
        _gradients,
    ),
    Section(
        "Propagation",
        "What shortcuts put on signal and gradient: the product of the formula (arXiv 1603.05027, equations 3 to 8), "
        "which takes what follows an addition for the identity, and what is measured along the shortcuts alone and "
        "along all paths. Where the measurement lies below the formula, the activation behind the additions cuts.",
        "propagation.png",
        _propagation,
    ),
    Section(
        "Negative values at the additions",
        "Share of negative values in what the residual branches add, in the sum, and in what the activation behind the "
        "addition receives. In pre-activation networks none stands there (arXiv 1603.05027, section 4.2).",
        "negative.png",
        _negative,
    ),
    Section(
        "Distance from the identity",
        "How far what leaves a unit is from what enters it, for units that keep the shape. A residual unit starts from "
        "its shortcut; a plain one has to learn the identity (arXiv 1512.03385, section 3.1).",
        "identity.png",
        _identity,
    ),
    Section(
        "Paths",
        "A network of n residual units has 2 to the n paths, most of them through half of the units. Where the "
        "gradient that a path carries to the first unit falls with its length, short paths train the network, however "
        "deep it is: the product of both says which do (arXiv 1605.06431).",
        "paths.png",
        _paths,
    ),
    Section(
        "Without one unit",
        "Error on the images where the residual branch of one unit is left out. Of a plain network, a unit that "
        "changes the shape has nothing in its place and is not shown.",
        "lesions.png",
        _lesions,
    ),
    Section("First kernels", "Kernels of the first convolution, each stretched to its range.", "kernels.png", _kernels),
    Section("Feature maps", "The liveliest maps that leave each stage for one image.", "maps.png", _maps),
    Section(
        "Loss along a line",
        "Loss and error of networks on the straight line between the weights at the start and the trained ones, with "
        "normalization by batches (arXiv 1412.6544).",
        "line.png",
        _line,
    ),
)


def _plain(value: Any) -> Any:
    """Bring what was measured to what JSON holds; what is no number becomes null."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(own) for own in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
