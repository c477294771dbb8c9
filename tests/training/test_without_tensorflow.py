"""What a program that trains in its own way takes from this package: it needs no TensorFlow."""

import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from tests.training.augmenting import levels, mixed
from training.data.augmentation import AUGMENTATIONS

CODE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import numpy as np
from training.config import load_recipe, make_config
from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.registry import keyed
from training.data.standardization import make_preprocessing
from training.networks import make_architecture, make_model
from training.optimization.losses import make_loss
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule
from training.plan import Plan

class Source:
    shape, train_split = (9, 8, 3), "train"

    def count(self, split):
        return len(images)

images = np.random.default_rng(0).integers(0, 256, (300, 9, 8, 3)).astype("uint8")
config = make_config(load_recipe("cifar10") | {"network": "ResNet8"})
source, plan = Source(), Plan.of(Source(), config)
read = lambda source, blank: (images[first : first + 128] for first in range(0, 300, 128))
contract = make_preprocessing(source, config.data, None, (8, 9), read=read)
assert np.allclose(contract.mean, images.mean(0), rtol=1e-12)
assert make_architecture(config.network, config.start).blocks == (1, 1, 1) and callable(make_model)
optimizer = make_optimizer(config.optimizer, make_schedule(config.schedule, plan.iterations), {})
standardized = np.asarray(contract.standardize(images))
for name, parameters, _ in keyed(config.augmentation, 0):
    numbers = np.full((300, 2), 0.4, "float32")
    standardized = np.asarray(AUGMENTATIONS[name](standardized, Drawn(numbers, numbers, 0), **parameters))
expected = np.zeros((300, 9, 8, 3), "float32")  # top and left of 9 places are the fourth ones: one pixel up and left
expected[:, 1:, 1:] = np.asarray(contract.standardize(images))[:, :-1, :-1]
np.testing.assert_array_equal(standardized, expected[:, :, ::-1])
loss = float(make_loss(config.loss)(np.array([1]), np.array([[0.5, 0.5]])))
print(plan.steps, plan.iterations, type(optimizer).__name__, loss)
"""


def test_configuration_augmentation_and_optimization_need_no_tensorflow():
    pytest.importorskip("jax", reason="needs another backend than TensorFlow: pip install jax")
    printed = run_python("-c", CODE, KERAS_BACKEND="jax").stdout.split()
    assert printed[:3] == ["2", "64000", "L2SGD"]
    assert abs(float(printed[3]) - 0.6931472) < 1e-6


EVERY = """
import sys
import jax, numpy as np
from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Step

given = np.load(sys.argv[1])
labels = np.arange(len(given["images"])) % 3

def augmented(name, numbers):
    step = Step(name, {}, Drawn(numbers, numbers, 0))
    return augment(given["images"], labels, [step], lambda images: images.astype("float32"), 3)

both = lambda name: jax.jit(jax.vmap(lambda numbers: augmented(name, numbers)))(given[name])
np.savez(sys.argv[2], **{f"{name}.{part}": array for name in given if name in AUGMENTATIONS
                         for part, array in zip(("images", "labels"), both(name))})
"""


@pytest.mark.slow
def test_augmentations_give_the_same_batches_compiled_for_several_seeds_by_jax(tmp_path):
    pytest.importorskip("jax", reason="needs JAX: pip install 'keras-resnet-suite[reproduce]'")
    generator, images = np.random.default_rng(0), levels(6, 24, 32)
    names = [name for name, function in AUGMENTATIONS.items() if function.kind != "crop"]
    numbers = {name: generator.uniform(size=(2, 6, AUGMENTATIONS[name].draws)).astype("float32") for name in names}
    np.savez(tmp_path / "given.npz", images=images, **numbers)
    run_python("-c", EVERY, tmp_path / "given.npz", tmp_path / "made.npz", KERAS_BACKEND="jax")
    made = np.load(tmp_path / "made.npz")
    for name in names:
        for seed in (0, 1):
            expected, labels = mixed(images, np.arange(6) % 3, 3, (name, numbers[name][seed]))
            # A sum that falls on the other side of a half is another level, of which an operation may make any other.
            close = np.isclose(made[f"{name}.images"][seed], expected, atol=1e-2)
            assert close.mean() > (0.99 if AUGMENTATIONS[name].kind == "pixels" else 1 - 1e-9), name
            np.testing.assert_allclose(made[f"{name}.labels"][seed], labels, atol=1e-6)
