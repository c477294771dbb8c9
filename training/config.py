"""The typed description of a run, and the recipes that fill it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# A batch of larger images, and what a network makes of them, fits no memory.
LARGEST_SIDE = 4096


class RunConfig(BaseModel):
    """Everything that decides a run; `config.yaml` of a run folder holds one, complete."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, str_min_length=1)

    # The network.
    network: str | None = Field(
        None,
        description="name in the catalogue, or of any valid CIFAR depth; default what weights hold, else ResNet20",
    )
    shortcut: str | None = Field(None, description="shortcut, or a mapping such as '{name: A, zeros: both}'")
    placement: str | None = Field(None, description="where normalisation and activation stand in a unit")
    activation: str | None = Field(
        None, description="activation, as in relu, gelu, prelu; or a mapping such as '{name: maxout, pieces: 3}'"
    )
    choices: str | None = Field(None, description="further fields of Architecture, as in '{stride_on: 3x3}'")

    # What it starts from, and what of it learns.
    weights: str | None = Field(
        None,
        description="what to start from: a run folder, a file of this package, a checkpoint of others, or 'imagenet'",
    )
    new_head: bool = Field(False, description="put a new classifier on the network of weights")
    freeze: tuple[str, ...] = Field(
        (), description="stages that stay as they are: conv1 (the stem), conv2 or 2 and so on, or backbone for all"
    )
    head_epochs: int = Field(0, ge=0, description="epochs at the start in which only the head learns")
    stage_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="what a stage's learning rate is of that of the stage behind it; the head has it all",
    )

    # The data.
    dataset: str = Field("digits", description="any data set registered with TFDS, or 'image_folder'")
    data_dir: Path | None = Field(None, description="where TFDS keeps its data; or the image folder itself")
    download: bool = Field(False, description="let TFDS download a data set that is not prepared")
    train_split: str = Field("train", description="split to train on, TFDS slices allowed")
    test_split: str | None = Field(None, description="split to test on; default the first of test, validation, val")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training split, the same of each class, that is kept to test on instead",
    )
    validation_seed: int = Field(0, ge=0, description="decides which examples these are")
    image_size: int | None = Field(None, ge=1, le=LARGEST_SIDE, description="side of the network's input, in pixels")
    cache: bool = Field(False, description="keep the decoded training images in memory")
    shuffle_buffer: int = Field(50_000, ge=1, description="examples among which the next one is drawn")

    # What the network sees.
    standardize: Literal["channel", "pixel", "imagenet", "weights"] = Field(
        "channel",
        description="mean and deviation of each channel of the training set; the mean of each pixel, as the 2015 "
        "paper; ImageNet's constants; or what the weights expect, which decides image size and crop too",
    )
    test_crop: float | None = Field(
        None, gt=0, le=1, description="share of the shorter side in the test images' crop; default all of it"
    )
    random_area: float | None = Field(None, gt=0, le=1, description="least area of a random training crop")
    pad_crop: int = Field(0, ge=0, description="pixels to pad on each side before a random crop")
    border: Literal["zeros", "reflect"] = Field("zeros", description="what is padded")
    flip: Literal["none", "random", "alternating"] = Field("none", description="mirroring left to right")

    # How it learns.
    batch_size: int = Field(128, ge=1, description="examples in a step, over all devices together")
    epochs: int | None = Field(None, ge=1, description="passes over the training set")
    iterations: int | None = Field(None, ge=1, description="steps; instead of epochs")
    optimizer: Literal["sgd", "muon", "adamw"] = Field(
        "sgd", description="SGD with momentum; Muon for convolution kernels and SGD for the rest; AdamW"
    )
    learning_rate: float = Field(0.1, gt=0, description="highest learning rate")
    kernel_rate: float = Field(0.015, gt=0, description="highest rate of Muon's steps for convolution kernels")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD and Muon")
    nesterov: bool = Field(False, description="Nesterov's momentum")
    weight_decay: float = Field(1e-4, ge=0, description="L2 coefficient of SGD; decoupled decay of AdamW")
    decayed: Literal["all", "kernels"] = Field("all", description="parameters that decay")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="probability spread over all classes")
    schedule: Literal["constant", "steps", "one_cycle", "cosine"] = Field("constant", description="of the rate")
    milestones: tuple[int | float, ...] = Field(
        (),
        description="where schedule 'steps' divides the rate by ten: steps, or shares of the run between 0 and 1, as "
        "in 0.5 0.75",
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the run in which the rate rises linearly")
    dtype: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field("float32", description="dtype policy")
    seed: int = Field(0, ge=0, description="decides initial weights, order and augmentation")
    deterministic: bool = Field(True, description="repeat bit for bit on one machine; slower on some GPUs")

    # What it runs on.
    devices: tuple[str, ...] | None = Field(None, description="devices to use; default all GPUs, else the CPU")
    synchronized: bool = Field(False, description="take batch statistics over all devices")
    jit_compile: bool = Field(False, description="compile steps with XLA; one device only")
    steps_per_execution: int = Field(1, ge=1, description="steps in one call of the device")

    @field_validator("freeze", mode="before")
    @classmethod
    def _take_numbers_for_names(cls, value: Any) -> Any:
        return tuple(map(str, value)) if isinstance(value, (list, tuple)) else value

    @field_validator("shortcut", "activation", "choices", mode="before")
    @classmethod
    def _keep_mapping_as_text(cls, value: Any) -> Any:
        return json.dumps(dict(value)) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _check_length(self) -> RunConfig:
        if (self.epochs is None) == (self.iterations is None):
            raise ValueError(
                f"give either epochs or iterations; received epochs={self.epochs} and iterations={self.iterations}"
            )
        if self.schedule == "steps" and not self.milestones:
            raise ValueError("schedule 'steps' needs milestones, the steps at which the rate falls")
        return self

    @model_validator(mode="after")
    def _check_milestones(self) -> RunConfig:
        shares, stones = [0 < stone < 1 for stone in self.milestones], self.milestones
        steps = [stone >= 1 and stone == int(stone) for stone in stones]
        if not (all(shares) or all(steps)) or list(stones) != sorted(set(stones)):
            raise ValueError(
                "milestones must ascend, and be either steps, as in 32000 48000, or shares of the run, as in 0.5 0.75; "
                f"received {' '.join(map(str, stones))}"
            )
        return self

    def to_yaml(self) -> str:
        """Write the configuration as YAML.

        Returns:
            str, one field a line in the order of the class.
        """
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


FIELDS: tuple[str, ...] = tuple(RunConfig.model_fields)


def recipe_names() -> list[str]:
    """Name the recipes that come with the package.

    Returns:
        List of str.
    """
    files = resources.files("training").joinpath("recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_recipe(name: str) -> dict[str, Any]:
    """Read a recipe.

    Args:
        name: str, one of `recipe_names()`.

    Returns:
        Dict of fields of `RunConfig`.

    Raises:
        ValueError: there is no such recipe.
    """
    if name not in recipe_names():
        from keras_resnet.messages import unknown  # imports Keras, which would slow down --help

        raise ValueError(unknown("recipe", name, recipe_names()))
    text = resources.files("training").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def read_fields(path: Path) -> dict[str, Any]:
    """Read fields of a configuration from a YAML file.

    Args:
        path: Path of the file.

    Returns:
        Dict of fields of `RunConfig`.

    Raises:
        ValueError: there is no such file, or it is not a mapping of fields.
    """
    try:
        fields = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"Cannot read the configuration {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The configuration {str(path)!r} is not text in UTF-8.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{str(path)!r} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{str(path)!r} must hold a mapping of fields, one a line, as in 'epochs: 30'.")
    return fields


def make_config(fields: Mapping[str, Any], origin: str) -> RunConfig:
    """Check fields and make a configuration of them.

    Args:
        fields: mapping of field names to values.
        origin: str, where they come from, for the message.

    Returns:
        RunConfig.

    Raises:
        ValueError: a field is unknown or its value not allowed; one line says which and what to do.
    """
    for field in fields:
        if field not in FIELDS:
            from keras_resnet.messages import unknown

            raise ValueError(f"{origin}: {unknown('field', field, FIELDS)}")
    try:
        return RunConfig(**fields)
    except pydantic.ValidationError as error:
        raise ValueError(f"{origin}: {explain(error)}") from error


def explain(error: pydantic.ValidationError, fields: Collection[str] = FIELDS) -> str:
    """Put pydantic's report into one line.

    Args:
        error: pydantic.ValidationError.
        fields: names of the fields of the model.

    Returns:
        str, "field: what is wrong; received ...", one clause a fault.
    """
    clauses = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"] if isinstance(part, str) and part in fields)
        what = fault["msg"].removeprefix("Value error, ")
        clauses.append(f"{where}: {what}; received {fault['input']!r}" if where else what)
    return ". ".join(clauses) + "."
