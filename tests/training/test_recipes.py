"""Recipes: what their sources say of them, and that each of them trains."""

import re
from importlib import resources

import numpy as np
import pytest

from tests.shared import shared_file
from training.config import load_recipe, make_config, recipe_names
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule
from training.resizing import size_in
from training.run import train
from training.run_folder import RunFolder

# Of each recipe that follows a source: epochs of ImageNet, or steps; images in a step; rates at some shares of the run,
# in steps of that batch; weight decay, and what decays.
SOURCES = {
    "he2015-imagenet": ("iterations", 600_000, 256, {0: 0.1, 0.9: 0.1}, 1e-4, "all"),
    "he2016-imagenet": ("epochs", 90, 256, {0: 0.1, 0.3333: 0.1, 1 / 3: 0.01, 0.6666: 0.01, 2 / 3: 0.001}, 1e-4, "all"),
    "flax-imagenet": ("epochs", 100, 1024, {0: 0.0, 0.025: 0.2, 0.05: 0.4, 0.525: 0.2, 1: 0.0}, 1e-4, "kernels"),
    "torchvision-v2": ("epochs", 600, 1024, {0: 0.005, 5 / 600: 0.5, (5 + 297.5) / 600: 0.25, 1: 0.0}, 2e-5, "kernels"),
    "strikes-back-a3": ("epochs", 100, 2048, {0: 1e-4, 0.05: 8e-3, 0.525: 4e-3, 1: 0.0}, 0.02, "kernels"),
    "cifar100": (
        "iterations",
        64_000,
        128,
        {0: 0.01, 0.00624: 0.01, 0.00625: 0.1, 0.5: 0.01, 0.75: 0.001},
        1e-4,
        "all",
    ),
}
IMAGES = 1_281_167


@pytest.mark.parametrize("name", SOURCES)
def test_recipe_is_that_of_its_source(name):
    length, amount, batch, rates, decay, decayed = SOURCES[name]
    config = make_config(load_recipe(name))
    assert (getattr(config, length), config.batch_size) == (amount, batch)
    assert (config.optimizer["weight_decay"], config.optimizer["decayed"]) == (decay, decayed)
    steps = amount if length == "iterations" else amount * (IMAGES // batch)
    optimizer = make_optimizer(config.optimizer, make_schedule(config.schedule, steps), batch_size=batch)
    optimizer.build([])
    for share, rate in rates.items():
        optimizer.iterations.assign(round(share * steps))
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-3, abs=1e-6), share


@pytest.mark.parametrize(
    ("name", "trained", "shown"),
    [
        ("he2015-imagenet", 224, 256),
        ("he2016-imagenet", 224, 256),
        ("flax-imagenet", 224, 256),
        ("torchvision-v2", 176, 232),
        ("strikes-back-a3", 160, 236),
    ],
)
def test_recipe_trains_and_tests_on_the_sizes_of_its_source(name, trained, shown):
    """What is tested is the middle 224 pixels of an image whose shorter side has so many as are shown."""
    config = make_config(load_recipe(name))
    size = (config.data.image_size,) * 2
    assert size == (224, 224)
    assert {size_in(config.data.sizes, size, epoch, 10) for epoch in range(10)} == {(trained, trained)}
    assert round(224 / config.evaluation.test_crop) == shown


def test_average_of_torchvision_is_as_slow_as_theirs():
    """A share of 2e-5 in every 32nd step, which its script multiplies by the images of 32 steps, over the epochs."""
    averaging = make_config(load_recipe("torchvision-v2")).averaging
    theirs = 1 - 2e-5 * 1024 * 32 / 600
    assert averaging["name"] == "ema" and averaging["decay"] ** 32 == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_is_complete_and_says_where_it_comes_from(name):
    recipe = load_recipe(name)
    own = {"network", "data", "augmentation", "batch_size", "optimizer", "schedule"}
    assert own - set(recipe) <= ({"network"} if recipe.get("start") else set())
    assert {"name", "learning_rate", "weight_decay", "decayed"} <= set(recipe["optimizer"])
    assert {"dataset", "standardize"} <= set(recipe["data"]) and ("epochs" in recipe) != ("iterations" in recipe)
    text = resources.files("training").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
    if name in SOURCES:
        assert re.search(r"arXiv \d{4}\.\d{5}|examples/imagenet|torchvision", comment)
        assert re.search(r"\d\d\.\d+ %", comment) and "Cost: " in comment


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Some photographs of each class of Imagenette, as an image folder."""
    folder, source = tmp_path_factory.mktemp("imagenette"), shared_file("data/imagenette")
    for split, count in (("train", 30), ("val", 2)):
        for name in sorted(path.name for path in (source / split).iterdir()):
            (folder / split / name).mkdir(parents=True)
            for path in sorted((source / split / name).iterdir())[:count]:
                (folder / split / name / path.name).symlink_to(path)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in ("digits", "fine-tune")])
def test_recipe_trains(name, photographs, tmp_path):
    """The images, the network and the time are small, the rate follows the batch, and all else is the recipe's."""
    recipe, folder = load_recipe(name), RunFolder(tmp_path / "run")
    small = {"network.name": "ResNet8", "image_size": 32, "dataset": "image_folder", "data_dir": photographs}
    short = {"epochs": 4, "batch_size": 15, "test_split": "val", "hardware.dtype": "float32"}
    if recipe["data"].get("validation"):
        short["validation"] = 0.1  # a share that leaves an image of each class
    if recipe["schedule"].get("warmup_steps"):
        short["schedule.warmup_steps"] = 2
    if not recipe["optimizer"].get("scaling"):
        short |= {"optimizer.scaling": "sqrt", "optimizer.reference_batch": recipe["batch_size"]}
    results = train(make_config({**small, **short}, base=recipe), folder)
    losses = [row["loss"] for row in folder.read_metrics()]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert results["split"] == "val" and np.isfinite(results["loss"])
