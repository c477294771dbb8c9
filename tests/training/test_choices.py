"""Every augmentation, optimizer, schedule and loss that may be named, against its formula in NumPy.

A new one needs a row in the table of its kind; a test names the row that is missing. More of each is tested in the
files of their modules.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.augmenting import augmented, given, jittered, levels
from training.data.augmentation import AUGMENTATIONS
from training.data.augmentation.automatic import DRAWN
from training.optimization.averages import AVERAGES, make_average
from training.optimization.losses import LOSSES, make_loss
from training.optimization.optimizers import OPTIMIZERS, make_optimizer
from training.optimization.schedules import SCHEDULES, make_schedule


def row_of(table, kind, name):
    assert name in table, f"give the {kind} {name!r} a row in {kind.upper()} of {__file__}"
    return table[name]


def pad_crop(images, numbers):
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    places = (5 * numbers).astype(int)
    return [image[top : top + 8, left : left + 8] for image, (top, left) in zip(padded, places)]


def flip(images, numbers):
    return [image[:, ::-1] if number < 0.5 else image for image, (number,) in zip(images, numbers)]


def random_resized_crop(images, numbers):
    """A quarter of the area at the aspect of a square: a window of half the side, which is the size asked for."""
    return [image[top : top + 4, left : left + 4] for image, (top, left) in zip(images, (5 * numbers).astype(int))]


def rotate(images, numbers):
    return np.rot90(images, axes=(1, 2))


def shear(images, numbers):
    """Rows are shifted by twice their distance from the middle."""
    places = np.arange(8) + 0.5 - 4
    sheared = np.full((16, 8, 8, 3), 9.0)
    for row, column in itertools.product(range(8), repeat=2):
        place = round(places[column] + 2 * places[row] + 4 - 0.5)
        if 0 <= place < 8:
            sheared[:, row, column] = images[:, row, place]
    return sheared


def translate(images, numbers):
    """Two columns and no row."""
    return np.pad(images[:, :, :6], [(0, 0), (0, 0), (2, 0), (0, 0)])


def scale(images, numbers):
    """Half the size: means of four pixels, in the middle of black."""
    return np.pad(images.reshape(16, 4, 2, 4, 2, 3).mean((2, 4)), [(0, 0), (2, 2), (2, 2), (0, 0)])


def color_jitter(images, numbers):
    """Every image in its own order of brightness, contrast and saturation, at an unmoved hue."""
    orders = list(itertools.permutations(range(4)))
    changed = [
        jittered(image[None], 0.6 + 0.8 * row[:3], orders[int(24 * row[4])])[0] for image, row in zip(images, numbers)
    ]
    return np.clip(changed, 0, 255)


def pca_color(images, numbers):
    a, b, c, d = numbers.T
    first, second = np.sqrt(-2 * np.log(1 - a)), np.sqrt(-2 * np.log(1 - c))
    normal = [first * np.cos(2 * np.pi * b), second * np.cos(2 * np.pi * d), first * np.sin(2 * np.pi * b)]
    axes = [(-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203)]
    shares = [0.1 * 255 * deviation * axis for deviation, axis in zip((0.2175, 0.0188, 0.0045), np.array(axes))]
    return np.clip(images + np.transpose(normal).dot(shares)[:, None, None], 0, 255)


def grayscale(images, numbers):
    gray = np.repeat((images @ (0.299, 0.587, 0.114))[..., None], 3, axis=3)
    return np.where(numbers[:, :, None, None] < 0.5, gray, images)


def cutout(images, numbers):
    """A square of 4 pixels around any pixel."""
    for image, (row, column) in zip(images, (8 * numbers).astype(int)):
        image[max(row - 2, 0) : row + 2, max(column - 2, 0) : column + 2] = 0
    return images


def random_erasing(images, numbers):
    """Half of the pixels in half of the images: 8 rows of 4, or any rectangle up to 4 rows of 8, always whole."""
    for image, (happens, _, by_aspect, by_top, by_left) in zip(images, numbers):
        ratio = 0.5 + 1.5 * by_aspect
        rows, columns = round(np.sqrt(32 * ratio)), round(np.sqrt(32 / ratio))
        top, left = int(by_top * (9 - rows)), int(by_left * (9 - columns))
        if happens < 0.5:
            image[top : top + rows, left : left + columns] = 0
    return images


def rand_augment(images, numbers):
    """Solarize at half of the magnitude."""
    return np.where(images < 128, images, 255 - images)


def trivial_augment(images, numbers):
    """Posterize at half of the magnitude: 5 bits."""
    return images // 8 * 8


def auto_augment(images, numbers):
    """The 15th pair of CIFAR-10's policy: solarize at 2 of 9 in half of the images, and invert in none."""
    happens = numbers[:, 0, None, None, None] < 0.5
    return np.where(happens & (images >= 256 * 7 / 9), 255 - images, images)


def mixup(images, numbers):
    """Even weights for all images by the first one's number."""
    return numbers[0, 0] * images + (1 - numbers[0, 0]) * images[::-1]


def cutmix(images, numbers):
    """A quarter of the area, around the center that the first one's numbers say."""
    row, column = (8 * numbers[0]).astype(int)
    box = np.s_[:, max(row - 2, 0) : row + 2, max(column - 2, 0) : column + 2]
    changed = images.copy()
    changed[box] = images[::-1][box]
    return changed


def resize_crop(images, numbers):
    """At the size that they have, the windows of another crop."""
    return random_resized_crop(images, numbers)


# Parameters, numbers that are not drawn but given first, and the images that the others lead to.
AUGMENTATION = {
    "pad_crop": ({"pixels": 2}, [], pad_crop),
    "flip": ({}, [], flip),
    "random_resized_crop": ({"area": 0.25}, [0.0, 0.5], random_resized_crop),
    "rotate": ({"degrees": 180}, [0.75], rotate),
    "shear": ({"horizontal": 2, "fill": 9}, [1.0, 0.5], shear),
    "translate": ({"horizontal": 0.25, "vertical": 0.25}, [0.0, 0.5], translate),
    "scale": ({"factor": 2}, [0.0], scale),
    "color_jitter": ({}, [], color_jitter),
    "pca_color": ({}, [], pca_color),
    "grayscale": ({"share": 0.5}, [], grayscale),
    "cutout": ({"size": 4}, [], cutout),
    "random_erasing": ({"area": (0.5, 0.5), "aspect": (0.01, 100)}, [], random_erasing),
    "rand_augment": ({"magnitude": 5, "count": 1}, [DRAWN.index("solarize") / 14 + 0.01], rand_augment),
    "trivial_augment": ({}, [DRAWN.index("posterize") / 14 + 0.01, 0.5], trivial_augment),
    "resize_crop": ({"sides": (8, 8)}, [0.0], resize_crop),
    "mixup": ({"alpha": 1}, [0.0], mixup),
    "cutmix": ({}, [0.0, 0.75], cutmix),
    "auto_augment": ({"policy": "cifar10"}, [14.5 / 25], auto_augment),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_computes_its_formula(name):
    parameters, first, formula = row_of(AUGMENTATION, "augmentation", name)
    function = AUGMENTATIONS[name]
    generator = np.random.default_rng(0)
    images = levels(16, 8, 8)
    numbers = generator.uniform(size=(16, function.draws - len(first))).astype("float32")
    drawn = np.concatenate([np.broadcast_to(np.array(first, "float32"), (16, len(first))), numbers], axis=1)
    if function.kind == "crop":
        actual = [function(image, given(row), (4, 4), **parameters) for image, row in zip(images, drawn)]
    else:
        actual = augmented(images, (name, drawn, parameters))
    np.testing.assert_allclose(actual, formula(images.astype("float32"), numbers), rtol=1e-5, atol=2e-3)


def lars_step(g, w):
    return -0.1 * 0.5 * np.linalg.norm(w) / (np.linalg.norm(g) + 0.01 * np.linalg.norm(w)) * (g + 0.01 * w)


def lamb_step(g, w):
    step = np.sign(g) + 0.01 * w
    return -0.1 * np.linalg.norm(w) / np.linalg.norm(step) * step


# What the first step adds to a bias, by its gradient and itself, at a rate of 0.1; of kernels, see test_optimizers.py.
OPTIMIZER = {
    "sgd": ({"weight_decay": 0.01}, lambda g, w: -0.1 * (g + 0.01 * w)),
    "muon": ({"momentum": 0.8, "nesterov": True}, lambda g, w: -0.1 * g * (1 + 0.8)),
    "adamw": ({"weight_decay": 0.01, "decayed": "all"}, lambda g, w: -0.1 * (np.sign(g) + 0.01 * w)),
    "lion": ({"weight_decay": 0.01, "decayed": "all"}, lambda g, w: -0.1 * (np.sign(g) + 0.01 * w)),
    "lamb": ({"weight_decay": 0.01, "decayed": "all"}, lamb_step),
    "lars": ({"weight_decay": 0.01, "decayed": "all", "trust": 0.5}, lars_step),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_takes_its_first_step(name):
    parameters, formula = row_of(OPTIMIZER, "optimizer", name)
    weights, gradient = np.array([1.0, -2.0, 0.5], "float32"), np.array([0.3, -0.2, 4.0], "float32")
    bias = keras.Variable(weights, name="bias")
    choice = {"name": name, "learning_rate": 0.1, **parameters}
    make_optimizer(choice, lambda peak: peak).apply([tf.constant(gradient)], [bias])
    np.testing.assert_allclose(bias.numpy() - weights, formula(gradient, weights), rtol=1e-4)


# The rate in 100 steps as a share of the highest, by the step.
SCHEDULE = {
    "constant": ({}, lambda step: 1.0),
    "steps": ({"milestones": (0.5, 0.75)}, lambda step: 1.0 if step < 50 else 0.1 if step < 75 else 0.01),
    "one_cycle": ({"warmup": 0.2}, lambda step: step / 20 if step < 20 else (100 - step) / 80),
    "cosine": ({}, lambda step: (1 + np.cos(np.pi * step / 100)) / 2),
    "polynomial": ({"power": 2.0, "end": 0.1}, lambda step: 0.1 + 0.9 * (1 - step / 100) ** 2),
    "plateau": ({"warmup": 0.2, "warmup_from": 0.5}, lambda step: min(1.0, 0.5 + step / 40)),
    "exponential": ({"rate": 0.9, "every": 4}, lambda step: 0.9 ** (step / 4)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_gives_its_rates(name):
    parameters, formula = row_of(SCHEDULE, "schedule", name)
    rate = make_schedule({"name": name, **parameters}, 100)(0.4)
    steps = range(0, 100, 5)
    rates = [rate if isinstance(rate, float) else float(rate(step)) for step in steps]
    np.testing.assert_allclose(rates, [0.4 * formula(step) for step in steps], rtol=1e-5, atol=1e-7)


# The loss of each example, by logits, the probabilities that they make, and the true class as 0 and 1.
LOSS = {
    "cross_entropy": (
        {"label_smoothing": 0.1},
        lambda logits, p, hot: -((0.9 * hot + 0.1 / 3) * np.log(p)).sum(axis=1),
    ),
    "binary_cross_entropy": ({}, lambda logits, p, hot: np.log1p(np.exp(np.where(hot, -logits, logits))).mean(axis=1)),
    "focal": ({"gamma": 3.0}, lambda logits, p, hot: -(hot * (1 - p) ** 3 * np.log(p)).sum(axis=1)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_computes_its_formula(name):
    parameters, formula = row_of(LOSS, "loss", name)
    labels = np.array([0, 2, 1])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]], "float32")
    logits = np.log(probabilities) + 3
    expected = formula(logits, probabilities, np.eye(3)[labels]).mean()
    actual = make_loss({"name": name, **parameters})(labels, keras.activations.softmax(logits))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    from_logits = make_loss({"name": name, **parameters}, from_logits=True)
    np.testing.assert_allclose(from_logits(labels, logits), expected, rtol=1e-5)


# The share of the way to the new weights that an average goes after a step of 100; None where there is no average.
AVERAGE = {
    "none": ({}, None),
    "ema": ({"decay": 0.8}, lambda step: 1 - min(0.8, (1 + step) / (10 + step))),
    "swa": ({"start": 0.3}, lambda step: 1 if step < 30 else 1 / (step - 29)),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_average_follows_by_its_shares(name):
    parameters, formula = row_of(AVERAGE, "average", name)
    average = make_average({"name": name, **parameters}, 100)
    if formula is None:
        assert average is None
        return
    shares = [float(average.share(tf.constant(float(step)))) for step in range(100)]
    np.testing.assert_allclose(shares, [formula(step) for step in range(100)], rtol=1e-5)
