"""The typed description of a run, in groups of which each room of the package takes its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from keras_resnet import __version__
from keras_resnet.choices.registry import complete
from training.data.augmentation import AUGMENTATIONS
from training.data.augmentation.registry import complete_list
from training.data.balance import BALANCES
from training.data.display_names import read_names
from training.data.sizes import SIZES
from training.evaluation.views import VIEWS
from training.limits import LARGEST_SIDE
from training.optimization.averages import AVERAGES
from training.optimization.losses import LOSSES
from training.optimization.optimizers import OPTIMIZERS
from training.optimization.schedules import SCHEDULES

# What a file says besides fields: the version of this package that wrote it.
VERSION = "version"
# The length of a run is one of these fields: what is given replaces the other.
LENGTHS = ("epochs", "iterations")
# The fields of `Architecture` that a run has as fields of their own, beside those among its `network.choices`.
NAMED = ("shortcut", "placement", "activation")
# The choices that take parameters, by path: their registries. Those of a network are checked where it is described.
REGISTRIES: dict[str, Mapping[str, Callable]] = {
    "augmentation": AUGMENTATIONS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "averaging": AVERAGES,
    "data.balance": BALANCES,
    "data.sizes": SIZES,
    "evaluation.views": VIEWS,
}


def _frozen(value: Any) -> Any:
    """Make tuples of the lists within a value, as `Architecture` takes them."""
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


Choice = dict[str, Any]
Optimizer = Annotated[Choice, BeforeValidator(partial(complete, "optimizer", registry=OPTIMIZERS))]
Schedule = Annotated[Choice, BeforeValidator(partial(complete, "schedule", registry=SCHEDULES))]
Loss = Annotated[Choice, BeforeValidator(partial(complete, "loss", registry=LOSSES))]
Averaging = Annotated[Choice, BeforeValidator(partial(complete, "averaging", registry=AVERAGES))]
Balance = Annotated[Choice, BeforeValidator(partial(complete, "balance", registry=BALANCES))]
Views = Annotated[Choice, BeforeValidator(partial(complete, "views", registry=VIEWS))]
Augmentation = Annotated[tuple[Choice, ...], BeforeValidator(complete_list)]
Sizes = Annotated[Choice, BeforeValidator(partial(complete, "sizes", registry=SIZES))]
Names = Annotated[dict[str, str], BeforeValidator(read_names)]
Mapped = Annotated[dict[str, Any], BeforeValidator(_frozen)]


class Group(BaseModel):
    """A part of the description of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, str_min_length=1)


class Network(Group):
    """Which network is trained."""

    name: str | None = Field(
        None,
        description="name in the catalogue, or of any valid CIFAR depth; default that of the weights, else ResNet20",
    )
    shortcut: str | Mapped | None = Field(None, description="shortcut, or a mapping such as '{name: A, zeros: both}'")
    placement: str | None = Field(None, description="where normalization and activation stand in a unit")
    activation: str | Mapped | None = Field(
        None, description="activation, as in relu, gelu, prelu; or a mapping such as '{name: maxout, pieces: 3}'"
    )
    choices: Mapped = Field({}, description="further fields of Architecture, as in '{stride_on: 3x3}'")

    @model_validator(mode="after")
    def _check_choices(self) -> Network:
        for name in NAMED:
            if name in self.choices and (own := getattr(self, name)) is not None:
                among = self.choices[name]
                raise ValueError(f"{name} is given twice, as {own!r} and among choices as {among!r}; give it once")
        if "synchronized" in self.choices:
            raise ValueError("synchronized cannot be among choices; give hardware.synchronized instead")
        return self


class Start(Group):
    """What a run starts from, and what of it learns."""

    weights: str | None = Field(
        None,
        description="what to start from: a run folder, a file of this package, a checkpoint of others, "
        "'hf://owner/name', or 'imagenet'",
    )
    new_head: bool = Field(False, description="put a new classifier on the network of weights")
    whiten: int | None = Field(
        None,
        ge=2,
        le=7,
        description="side of the patches of training images, in pixels, that the stem of a new network whitens; freeze "
        "conv1 to keep it so",
    )
    freeze: Annotated[tuple[str, ...], BeforeValidator(lambda stages: _as_names(stages))] = Field(
        (), description="stages that stay as they are: conv1 (the stem), conv2 or 2 and so on, or backbone for all"
    )
    head_epochs: int = Field(0, ge=0, description="epochs at the start in which only the head learns")
    stage_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="learning rate of a stage as a share of that of the next; the head has the full rate",
    )


def _as_names(stages: Any) -> Any:
    return tuple(map(str, stages)) if isinstance(stages, (list, tuple)) else stages


class Data(Group):
    """Which images are read, and how."""

    dataset: str = Field("digits", description="any data set registered with TFDS, 'image_folder' or 'csv'")
    data_dir: Path | None = Field(
        None, description="where TFDS keeps its data; or the image folder itself, or the CSV file of paths and labels"
    )
    label_separator: str | None = Field(
        None, description="what stands between the labels of an image in a CSV file, where it may have any number"
    )
    arrays: str | None = Field(None, description="digest of the arrays that training.train was given")
    download: bool = Field(False, description="let TFDS download a data set that is not prepared")
    train_split: str = Field("train", description="split to train on, TFDS slices allowed")
    test_split: str | None = Field(None, description="split to test on; default the first of test, validation, val")
    validation: float = Field(
        0.0, ge=0, lt=1, description="share of the training split, the same of each class, to test on instead"
    )
    validation_seed: int = Field(0, ge=0, description="decides which examples these are")
    image_size: int | None = Field(None, ge=1, le=LARGEST_SIDE, description="side of the network's input, in pixels")
    sizes: Sizes = Field("full", description="size of the training images along the run")
    cache: bool = Field(False, description="keep the decoded training images in memory")
    shuffle_buffer: int = Field(50_000, ge=1, description="examples among which the next one is drawn")
    display_names: Names = Field(
        {},
        description="names by which classes are shown: a CSV file of class and name, a YAML file, or a mapping as in "
        "'{n02102040: English springer}'",
    )
    on_bad_image: Literal["refuse", "skip"] = Field(
        "refuse", description="what becomes of image files that cannot be decoded: an error before the run, or left out"
    )
    balance: Balance = Field("none", description="what is done in training about classes of unequal size")
    repeats: int = Field(
        1, ge=1, description="copies of an image in a batch, each augmented anew; so many times fewer images an epoch"
    )
    standardize: Literal["channel", "pixel", "imagenet", "weights"] = Field(
        "channel",
        description="mean and deviation of each channel of the training set; the mean of each pixel, as the 2015 "
        "paper; ImageNet's constants; or what the weights expect, which decides image size and crop too",
    )


class Evaluation(Group):
    """How a network is tested."""

    test_crop: float | None = Field(
        None, gt=0, le=1, description="share of the shorter side in the test images' crop; default all of it"
    )
    views: Views = Field("single", description="what a network is shown of an image at the test, not at the validation")
    each_epoch: bool = Field(True, description="test after each epoch, and not only after the last")
    keep_best: bool = Field(
        False, description="keep the network of the best validation accuracy, or mAP, beside the last one"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs without a better validation accuracy, or mAP, after which a run ends; those of a warm-up, "
        "and in which only the head learns, are not counted",
    )


class Hardware(Group):
    """What a run computes on, and in which numbers."""

    devices: tuple[str, ...] | None = Field(None, description="devices to use; default all GPUs, else the CPU")
    synchronized: bool = Field(False, description="take batch statistics over all devices")
    jit_compile: bool = Field(False, description="compile steps with XLA; one device only")
    steps_per_execution: int = Field(1, ge=1, description="steps in one call of the device")
    accumulation: int = Field(
        1, ge=1, description="parts in which each device takes its share of a batch, one after another, to save memory"
    )
    remat: bool = Field(
        False, description="compute the activations within a unit anew in the backward pass, to save memory"
    )
    dtype: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field("float32", description="dtype policy")


class RunConfig(Group):
    """Everything that decides a run; `config.yaml` of a run folder holds one, complete.

    A choice, such as `optimizer`, is written as its name or as a mapping of `name` and parameters; here it has all of
    its parameters.
    """

    network: Network = Network()
    start: Start = Start()
    data: Data = Data()
    augmentation: Augmentation = Field((), description="what training images go through, in this order")
    batch_size: int = Field(128, ge=1, description="examples in a step, over all devices together")
    epochs: int | None = Field(None, ge=1, description="passes over the training set")
    iterations: int | None = Field(None, ge=1, description="steps; instead of epochs")
    optimizer: Optimizer = Field("sgd", description="update rule")
    schedule: Schedule = Field("constant", description="course of the learning rate")
    loss: Loss = Field("cross_entropy", description="what is minimized")
    averaging: Averaging = Field("none", description="average of the weights, which is what is tested and saved")
    evaluation: Evaluation = Evaluation()
    hardware: Hardware = Hardware()
    seed: int = Field(0, ge=0, lt=2**32 - 1, description="decides initial weights, order and augmentation")
    deterministic: bool = Field(True, description="repeat bit for bit on one machine; slower on some GPUs")

    @model_validator(mode="after")
    def _check_length(self) -> RunConfig:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError(
                f"give either epochs or iterations; received epochs={self.epochs} and iterations={self.iterations}"
            )
        return self

    @model_validator(mode="after")
    def _check_selection(self) -> RunConfig:
        chosen = {"keep_best": self.evaluation.keep_best, "patience": self.evaluation.patience}
        for name, value in chosen.items():
            if value and not self.data.validation:
                raise ValueError(
                    f"{name}={value} chooses by validation accuracy and needs validation, a share of the training "
                    "images, as in --validation 0.1; a test set chooses nothing"
                )
            if value and not self.evaluation.each_epoch:
                raise ValueError(f"{name}={value} chooses among epochs and needs each_epoch, a test after each of them")
        return self

    def to_yaml(self) -> str:
        """Write the configuration as YAML.

        Returns:
            str, the version of this package and the groups in the order of the class.
        """
        return yaml.safe_dump({VERSION: __version__, **self.model_dump(mode="json")}, sort_keys=False)
