"""Classes of unequal size and repeated augmentation: what an epoch shows, and what an example weighs."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from keras_resnet.preprocessing import Preprocessing
from tests.training.helpers import Keep, folder_config, same_weights, write_image
from training import plan
from training.config import make_config
from training.data import batches as pipeline
from training.data.arrays import make_arrays
from training.data.balance import BALANCES
from training.data.datasets import open_source
from training.data.sampling import Sampling, balance_of
from training.run import train
from training.run_folder import RunFolder
from training.session import prepare_session

COUNTS = np.array([60, 8, 30, 2])
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), COUNTS))
GRAY, COLORS = (Preprocessing((8, 8), channels, np.zeros(channels), np.ones(channels)) for channels in (1, 3))
# Every image has a level of its own, by which it is known.
IMAGES = np.broadcast_to(np.arange(100, dtype="uint8")[:, None, None, None] + 1, (100, 8, 8, 1)).copy()


@pytest.fixture(scope="module")
def source():
    data = make_config({"dataset": "arrays", "epochs": 1}).data
    return open_source(data, make_arrays((IMAGES, LABELS), (IMAGES, LABELS)))


def shown(source, first: int, last: int, **fields) -> list[list[np.ndarray]]:
    """Read the training batches of some epochs, not standardized: images, labels and perhaps weights."""
    config = make_config(fields, base={"dataset": "arrays", "epochs": 9, "batch_size": 20, "seed": 3})
    prepare_session(config)
    own = {"augmentation": config.augmentation, "batch_size": config.batch_size, "seed": config.seed}
    read = pipeline.training_batches(source, GRAY, config.data, range(first, last), **own)
    return [[part.numpy() for part in batch] for batch in read]


def numbers(batches) -> np.ndarray:
    """Tell which example each image is, by its highest level, which shifts and mirroring leave."""
    return np.concatenate([images.max((1, 2, 3)) for images, *_ in batches]).astype(int) - 1


# Weights.


def test_weights_are_those_that_scikit_learn_calls_balanced(source):
    data = make_config({"dataset": "arrays", "epochs": 1, "data.balance": "weights"}).data
    weights = balance_of(source, data).weights
    np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(4), y=LABELS))
    assert weights[LABELS].mean() == pytest.approx(1)


def test_power_is_that_of_the_counts_and_empty_classes_have_no_part():
    counts = np.array([16, 0, 4, 1])
    weights = BALANCES["weights"](counts, power=0.5).weights
    np.testing.assert_allclose(weights / weights[0], [1, 0, 2, 4])
    assert (weights * counts).sum() == pytest.approx(21)
    np.testing.assert_allclose(BALANCES["sampling"](counts, power=0.5).shares, np.array([4, 0, 2, 1]) / 7)
    np.testing.assert_allclose(BALANCES["sampling"](counts).shares, np.array([1, 0, 1, 1]) / 3)


def test_examples_carry_the_weights_of_their_classes_and_mixtures_their_mean(source):
    weights = 100 / (4 * COUNTS)
    for _, labels, own in shown(source, 0, 1, **{"data.balance": "weights"}):
        np.testing.assert_allclose(own, weights[labels], rtol=1e-6)
    for _, labels, own in shown(source, 0, 1, **{"data.balance": "weights"}, augmentation=["mixup"]):
        assert labels.shape == (20, 4)
        np.testing.assert_allclose(own, labels @ weights, rtol=1e-5)
    unweighted = shown(source, 0, 1)
    assert {len(batch) for batch in unweighted} == {2}
    for one, other in zip(unweighted, shown(source, 0, 1, **{"data.balance": "weights"}), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_weights_multiply_the_loss_of_training_and_leave_that_of_tests(source):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Rescaling(0.01), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.SGD(0.0))
    (images, labels, own), *_ = shown(source, 0, 1, **{"data.balance": "weights"})
    each = -np.log(model.predict(images, verbose=0)[np.arange(20), labels])
    assert model.train_on_batch(images, labels, own) == pytest.approx((own * each).mean(), rel=1e-5)
    assert {len(batch) for batch in pipeline.test_batches(source, "test", GRAY, 20, 1)} == {2}


# Sampling.


def times_in_numpy(labels, shares, count, numbers) -> np.ndarray:
    """Draw class by class in a plain loop, as `Sampling.times` does for all at once."""
    times, end, before = np.zeros(len(labels), int), 0.0, 0
    for group, share in enumerate(shares):
        end += share * count
        quota = int(np.floor(end + numbers[0] + 1e-12)) - before
        before += quota
        members = np.flatnonzero(labels == group)
        by_chance = members[np.argsort(numbers[1:][members])]
        for place in range(quota):
            times[by_chance[place % len(members)]] += 1
    return times


@pytest.mark.parametrize("count", [100, 34, 7])
@pytest.mark.parametrize("power", [1.0, 0.5])
def test_draws_of_an_epoch_are_those_of_a_plain_loop(count, power):
    shares = BALANCES["sampling"](COUNTS, power=power).shares
    sampling = Sampling(LABELS, shares, count, 1, 5)
    for epoch in (0, 1):
        seed = [sampling.key, epoch]
        numbers = tf.random.stateless_uniform((101,), tf.constant(seed, tf.int64)).numpy().astype("float64")
        times = sampling.times(tf.constant(epoch, tf.int64)).numpy()
        np.testing.assert_array_equal(times, times_in_numpy(LABELS, shares, count, numbers))
        assert times.sum() == count


def test_every_class_is_drawn_equally_often_and_its_images_too(source):
    seen = collections.Counter()
    for epoch in range(4):
        batches = shown(source, epoch, epoch + 1, **{"data.balance": "sampling"})
        assert len(batches) == 5 == plan.steps_per_epoch(source, 20)
        labels = np.concatenate([labels for _, labels in batches])
        np.testing.assert_array_equal(np.bincount(labels), [25] * 4)
        drawn = numbers(batches)
        np.testing.assert_array_equal(LABELS[drawn], labels)
        for label, count in enumerate(COUNTS):
            own = np.bincount(drawn, minlength=100)[label == LABELS]
            assert own.sum() == 25 and own.min() == 25 // count and own.max() == -(-25 // count)
        seen.update(drawn.tolist())
    assert 25 + 40 < len(seen) < 100  # of the largest class others in each epoch
    assert np.bincount(LABELS[list(seen)])[1:].tolist() == COUNTS[1:].tolist()


SAMPLED = {"data.balance": "sampling", "augmentation": [{"name": "pad_crop", "pixels": 2}, "flip"]}
REPEATED = {"data.repeats": 3, "augmentation": [{"name": "pad_crop", "pixels": 2}, "flip"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "cache"),
    [(SAMPLED, True), (REPEATED, True), (SAMPLED | REPEATED, False)],
    ids=["balanced", "repeated", "both"],
)
def test_resumed_epochs_are_those_of_the_longer_run(source, fields, cache):
    longer, resumed = (shown(source, first, 3, **fields, **{"data.cache": cache}) for first in (0, 1))
    assert (len(longer), len(resumed)) == (15, 10)
    for one, other in zip(longer[5:], resumed, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(numbers(longer[:5]), numbers(longer[5:10]))
    assert not np.array_equal(numbers(shown(source, 0, 1, **fields, seed=4)), numbers(longer[:5]))


def test_copies_of_an_image_are_augmented_anew(source):
    crop = [{"name": "pad_crop", "pixels": 3}]
    batches = shown(source, 0, 1, **{"data.balance": "sampling"}, augmentation=crop)
    kinds = collections.defaultdict(set)
    for image, number in zip(np.concatenate([images for images, _ in batches]), numbers(batches)):
        kinds[number].add(image.tobytes())
    rare = [number for number in kinds if LABELS[number] == 3]
    assert len(rare) == 2 and min(len(kinds[number]) for number in rare) > 5


@pytest.mark.slow
def test_validation_split_and_files_are_balanced_too(tmp_path):
    for split, sizes in (("train", (12, 4)), ("val", (3, 1))):
        for name, count in zip(("cat", "dog"), sizes):
            for number in range(count):
                write_image(tmp_path / split / name / f"{number}.png", (8, 8), seed=number)
    fields = {"data.balance": "sampling", "batch_size": 4}
    for changes, expected in (({}, 8), ({"validation": 0.25}, 6)):
        config = folder_config(tmp_path, **fields, **changes)
        source = open_source(config.data)
        prepare_session(config)
        own = {"augmentation": (), "batch_size": 4, "seed": 0}
        read = list(pipeline.training_batches(source, COLORS, config.data, range(1), **own))
        labels = np.concatenate([labels for _, labels in read])
        assert np.bincount(labels).tolist() == [expected, expected]
        test = np.concatenate([y for _, y in pipeline.test_batches(source, source.watched.test_split, COLORS, 4, 1)])
        assert np.bincount(test).tolist() == [3, 1]


# Repeated augmentation.


def test_an_epoch_shows_a_part_of_the_images_several_times_in_a_row(source):
    batches = shown(source, 0, 1, **{"data.repeats": 3})
    assert len(batches) == 5
    drawn = numbers(batches)
    groups = [drawn[place : place + 3] for place in range(0, 99, 3)]
    assert all(len(set(group)) == 1 for group in groups) and len({group[0] for group in groups}) == 33
    several = shown(source, 0, 3, **{"data.repeats": 3})
    assert len(set(numbers(several))) > 60  # another third each epoch


def test_copies_in_a_batch_differ_and_crops_are_drawn_for_each(tmp_path):
    for number in range(6):
        write_image(tmp_path / "train" / ["cat", "dog"][number % 2] / f"{number}.png", (24, 24), seed=number)
    config = folder_config(tmp_path, **{"data.repeats": 3, "validation": 0.34}, augmentation=["random_resized_crop"])
    source = open_source(config.data)
    prepare_session(config)
    own = {"augmentation": config.augmentation, "batch_size": 3, "seed": 0}
    read = list(pipeline.training_batches(source, COLORS, config.data, range(4), **own))
    assert len(read) == 4
    for images, labels in read:
        assert len(set(labels.numpy())) == 1 and len({image.numpy().tobytes() for image in images}) == 3


@pytest.mark.parametrize("batch_size", [51, 33])
def test_steps_of_an_epoch_stay_where_copies_do_not_fit(source, batch_size):
    batches = shown(source, 0, 2, **{"data.repeats": 3}, batch_size=batch_size)
    assert len(batches) == 2 * (100 // batch_size)
    halves = np.split(numbers(batches), 2)
    assert not np.array_equal(*halves)


def test_unknown_balance_and_no_copies_raise_an_error():
    with pytest.raises(ValueError, match=r"data\.balance: Unknown balance 'sample'\. Did you mean 'sampling'\?"):
        make_config({"epochs": 1, "data.balance": "sample"})
    with pytest.raises(ValueError, match=r"power must be a number above 0 and at most 1; received 0"):
        make_config({"epochs": 1, "data.balance": {"name": "weights", "power": 0}})
    with pytest.raises(ValueError, match=r"data\.repeats: Input should be greater than or equal to 1; received 0"):
        make_config({"epochs": 1, "data.repeats": 0})


def test_images_of_any_number_of_classes_are_repeated_but_not_balanced():
    table = np.eye(4, dtype="int64")[LABELS] | np.eye(4, dtype="int64")[::-1][LABELS]
    arrays = make_arrays((IMAGES, table), (IMAGES, table))
    with pytest.raises(
        ValueError, match=r"^balance='weights' is for images of one class each; in 'arrays' they have any"
    ):
        open_source(make_config({"dataset": "arrays", "epochs": 1, "data.balance": "weights"}).data, arrays)
    several = open_source(make_config({"dataset": "arrays", "epochs": 1}).data, arrays)
    batches = shown(several, 0, 1, **{"data.repeats": 3})
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), table[numbers(batches)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields", [{"data.balance": "weights"}, {"data.balance": "sampling", "data.repeats": 2}], ids=["weights", "both"]
)
def test_resumed_run_learns_the_same(tiny, tmp_path, fields):
    fields |= {"data.train_split": "train[:128]", "test_split": "test[:64]", "augmentation": ["flip", "cutmix"]}
    whole, parted = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parted")
    expected = train(tiny(**fields), whole, callbacks=[Keep(whole, parted)])
    assert len(parted.read_metrics()) == 1
    assert train(tiny(**fields), parted, resume=True) == expected
    assert same_weights(whole, parted)
    assert whole.metrics_file.read_bytes() == parted.metrics_file.read_bytes()
