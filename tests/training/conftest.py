"""Data, a configuration of a tiny run and one finished run, which the tests of training share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.training.helpers import write_image
from training.__main__ import main
from training.config import RunConfig, make_config
from training.data.datasets import open_source
from training.run import train
from training.run_folder import RunFolder
from training.session import restored


@pytest.fixture(autouse=True)
def process():
    """Take back seeds and determinism, which some tests set as a run does, and under which Keras leaves out XLA."""
    with restored():
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """Folder in which TFDS has prepared the digits."""
    folder = tmp_path_factory.mktemp("tfds")
    open_source(make_config({"data_dir": folder, "epochs": 1}).data)
    return folder


@pytest.fixture(scope="session")
def tiny(data_dir):
    """Make the configuration of a run of seconds on the digits, with any fields set otherwise."""

    def make(**fields) -> RunConfig:
        usual = {
            "network": "ResNet8",
            "data_dir": data_dir,
            "data.cache": True,
            "augmentation": [{"name": "pad_crop", "pixels": 1}, {"name": "flip", "alternating": True}],
            "batch_size": 64,
            "epochs": 2,
            "optimizer": {"name": "sgd", "learning_rate": 0.05, "decayed": "kernels"},
            "schedule": {"name": "one_cycle", "warmup": 0.2},
        }
        return make_config(fields, base=usual)

    return make


@dataclass(frozen=True)
class Trained:
    """A run that has ended."""

    folder: RunFolder
    config: RunConfig
    results: dict[str, Any]


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory) -> Trained:
    """A finished run of two epochs with its SavedModel. No test may write into its folder."""
    config, folder = tiny(), RunFolder(tmp_path_factory.mktemp("runs") / "trained")
    return Trained(folder, config, train(config, folder, export=True))


@pytest.fixture
def image_dir(tmp_path) -> Path:
    """An image folder: grey JPEGs and RGB PNGs of several sizes, six to train on and three to test."""
    folder = tmp_path / "images"
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            write_image(folder / split / "cat" / f"{number}.jpg", (10 + number, 12), grey=True, seed=number)
            write_image(folder / split / "dog" / f"{number}.png", (9, 14 + number), seed=10 + number)
    write_image(folder / "val" / "dog" / "more.PNG", (16, 16), seed=20)
    return folder


@pytest.fixture
def said(capsys):
    """Make the function that gives what a command prints."""

    def run_and_read(*arguments) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run_and_read


@pytest.fixture
def refused(capsys):
    """Make the function that gives the one sentence with which a command line is refused."""

    def run_and_read(*arguments) -> str:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        errors = capsys.readouterr().err
        assert status == 1
        assert errors.startswith("error: ") and errors.count("\n") == 1 and errors.endswith("\n")
        return errors.removeprefix("error: ").rstrip()

    return run_and_read


@pytest.fixture
def training(data_dir, tmp_path) -> list:
    """The arguments of a tiny run."""
    arguments = {"network": "ResNet8", "data-dir": data_dir, "batch-size": 64, "epochs": 1, "run-dir": tmp_path / "run"}
    return [part for name, value in arguments.items() for part in (f"--{name}", value)]


@pytest.fixture
def digit(trained, tmp_path):
    """A test digit as a file."""
    ((image, _),) = open_source(trained.config.data).examples("test").take(1)
    path = tmp_path / "digit.png"
    Image.fromarray(image.numpy()[..., 0]).save(path)
    return path
