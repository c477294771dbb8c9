"""Batches: how pixels are standardized, in which order examples come, augmented how, shared out how."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet.preprocessing import Preprocessing
from tests.training.helpers import folder_config, write_image
from training import plan
from training.config import RunConfig
from training.data import batches as pipeline
from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.streams import check_images, open_streams
from training.data.datasets import open_source
from training.data.shares import Share
from training.data.standardization import IMAGENET_MEAN, IMAGENET_STD, make_preprocessing
from training.session import prepare_session


@pytest.fixture
def digits(tiny):
    return open_source(tiny().data)


@pytest.fixture
def plain(digits) -> Preprocessing:
    """The pixels as they are."""
    return Preprocessing((8, 8), 1, np.zeros(1), np.ones(1))


def examples(source, split: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(image.numpy(), label.numpy()) for image, label in source.examples(split)]
    return np.array([image for image, _ in pairs]), np.array([label for _, label in pairs])


def training_batches(source, config: RunConfig, preprocessing, epochs: range):
    own = {"augmentation": config.augmentation, "batch_size": config.batch_size, "seed": config.seed}
    return pipeline.training_batches(source, preprocessing, config.data, epochs, **own)


def preprocessing_of(source, config: RunConfig) -> Preprocessing:
    return make_preprocessing(source, config.data, config.evaluation.test_crop, (224, 224))


def batches(source, config: RunConfig, preprocessing, first: int, last: int) -> list[tuple[np.ndarray, np.ndarray]]:
    prepare_session(config)
    dataset = training_batches(source, config, preprocessing, range(first, last))
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def rows(images: np.ndarray) -> list[bytes]:
    """Make the images of a batch comparable and sortable."""
    return [image.tobytes() for image in images.astype("float32")]


# Standardisation.


def test_channel_standardisation_is_the_training_sets_mean_and_deviation(digits, tiny):
    images, _ = examples(digits, "train")
    made = preprocessing_of(digits, tiny(data={"standardize": "channel"}))
    np.testing.assert_allclose(made.mean, [images.mean()], rtol=1e-9)
    np.testing.assert_allclose(made.std, [images.astype("float64").std()], rtol=1e-9)
    assert (made.size, made.channels, made.crop) == ((8, 8), 1, 1.0)


def test_pixel_standardisation_is_the_mean_image_and_the_full_scale(digits, tiny):
    images, _ = examples(digits, "train")
    made = preprocessing_of(digits, tiny(data={"standardize": "pixel"}))
    np.testing.assert_allclose(made.mean, images.mean(0), rtol=1e-9)
    np.testing.assert_array_equal(made.std, [255.0])


def test_moments_are_those_of_the_training_split_asked_for(digits, tiny):
    images, _ = examples(digits, "train")
    made = preprocessing_of(digits, tiny(data={"train_split": "train[:100]"}))
    config = tiny(data={"train_split": "train[:100]"})
    from_slice = preprocessing_of(open_source(config.data), config)
    np.testing.assert_allclose(from_slice.mean, [images[:100].mean()], rtol=1e-9)
    np.testing.assert_allclose(made.mean, [images.mean()], rtol=1e-9)


def test_moments_are_taken_in_the_networks_size(digits, tiny):
    images, _ = examples(digits, "train")
    made = preprocessing_of(digits, tiny(data={"standardize": "pixel", "image_size": 5}))
    expected = tf.image.resize(images.astype("float32"), (5, 5), antialias=True).numpy().mean(0)
    np.testing.assert_allclose(made.mean, expected, rtol=1e-4)


def test_imagenet_constants_are_refused_for_grey_images(digits, tiny):
    with pytest.raises(ValueError, match=r"'imagenet' is for three channels; the images have 1\. Use 'channel'\."):
        preprocessing_of(digits, tiny(data={"standardize": "imagenet"}))


def test_imagenet_constants_are_those_of_torchvision():
    np.testing.assert_allclose(IMAGENET_MEAN / 255, [0.485, 0.456, 0.406], rtol=1e-12)
    np.testing.assert_allclose(IMAGENET_STD / 255, [0.229, 0.224, 0.225], rtol=1e-12)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_border_as_wide_as_the_images_is_refused(border):
    check_images([{"name": "pad_crop", "pixels": 7, "border": border}], (8, 9), 1)
    sentence = "pad_crop: pixels=8 needs images of more than 8 pixels; these are 8x9."
    with pytest.raises(ValueError, match=sentence):
        check_images(["flip", {"name": "pad_crop", "pixels": 8, "border": border}], (8, 9), 1)


def test_sides_shorter_than_the_networks_images_are_refused():
    check_images([{"name": "resize_crop", "sides": [9, 16]}, "flip"], (8, 9), 1)
    sentence = r"resize_crop: sides=\[8, 16\] begin below the network's images, 8x9; the least one must be 9 or more\."
    with pytest.raises(ValueError, match=sentence):
        check_images([{"name": "resize_crop", "sides": [8, 16]}], (8, 9), 1)


# Training batches.


def test_an_epoch_shows_each_example_at_most_once(digits, tiny, plain):
    config = tiny(augmentation=[])
    shown = batches(digits, config, plain, 0, 1)
    assert len(shown) == plan.steps_per_epoch(digits, config.batch_size) == 1433 // 64
    images, labels = examples(digits, "train")
    known = {(image, label) for image, label in zip(rows(images), labels)}
    drawn = [pair for batch in shown for pair in zip(rows(batch[0]), batch[1])]
    assert len(known) == len(images) and len(set(drawn)) == len(drawn) == 22 * 64
    assert set(drawn) <= known


def test_batches_repeat_bit_for_bit(digits, tiny, plain):
    for left, right in zip(batches(digits, tiny(), plain, 0, 2), batches(digits, tiny(), plain, 0, 2), strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])


@pytest.mark.parametrize("cache", [True, False])
def test_resumed_batches_are_those_of_the_longer_run(digits, tiny, plain, cache):
    longer = batches(digits, tiny(data={"cache": cache}), plain, 0, 3)[22:]
    resumed = batches(digits, tiny(data={"cache": cache}), plain, 1, 3)
    assert len(resumed) == 44
    for left, right in zip(longer, resumed, strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_order_changes_with_the_epoch(digits, tiny, plain, seed):
    config = tiny(seed=seed, augmentation=[])
    shown = batches(digits, config, plain, 0, 2)
    assert not np.array_equal(shown[0][1], shown[22][1])


def test_order_and_augmentation_change_with_the_seed(digits, tiny, plain):
    (first, labels), (other, other_labels) = (batches(digits, tiny(seed=s), plain, 0, 1)[0] for s in (0, 1))
    assert not np.array_equal(labels, other_labels)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("crop", [1.0, 0.75])
def test_cache_changes_nothing(digits, tiny, plain, crop):
    preprocessing = dataclasses.replace(plain, crop=crop)
    (cached, _), (read, _) = (
        batches(digits, tiny(data={"cache": cache}), preprocessing, 1, 2)[3] for cache in (True, False)
    )
    np.testing.assert_array_equal(cached, read)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [50, 64])
def test_augmentation_depends_on_seed_epoch_and_example_only(digits, tiny, plain, batch_size):
    choices = [{"name": "pad_crop", "pixels": 2}, {"name": "flip", "alternating": True}]
    config = tiny(batch_size=batch_size, augmentation=choices, seed=5)
    expected, epoch = tf.constant(examples(digits, "train")[0], tf.float32), tf.constant(1, tf.int64)
    for stream in open_streams(choices, 5, 1433):
        drawn = Drawn(stream.draw(epoch), stream.first, epoch)
        expected = AUGMENTATIONS[stream.name](expected, drawn, **stream.parameters)
    shown = [row for batch, _ in batches(digits, config, plain, 1, 2) for row in rows(batch)]
    assert len(shown) == 1433 // batch_size * batch_size
    assert set(shown) <= set(rows(expected.numpy()))


def test_another_augmentation_moves_no_pixel_otherwise(digits, tiny, plain):
    crop = {"name": "pad_crop", "pixels": 2}
    alone, both = (batches(digits, tiny(augmentation=choices), plain, 1, 2)[3] for choices in ([crop], [crop, "flip"]))
    np.testing.assert_array_equal(alone[1], both[1])
    sides = [(np.array_equal(a, b), np.array_equal(a[:, ::-1], b)) for a, b in zip(alone[0], both[0])]
    assert all(same or turned for same, turned in sides) and 10 < sum(same for same, _ in sides) < 54


# Of all batches of an epoch, images and labels, as version 0.2.0 first made them.
KNOWN = [
    ([], "78ddc86976132ca7"),
    ([{"name": "pad_crop", "pixels": 1}, "flip"], "614e3078ac442d53"),
    (
        [{"name": "pad_crop", "pixels": 2, "border": "reflect"}, {"name": "flip", "alternating": True}],
        "89b80c8a31a2a920",
    ),
]


@pytest.mark.parametrize(("augmentation", "known"), KNOWN, ids=["none", "zeros", "reflect"])
def test_batches_of_the_recipes_keep_their_bits(digits, tiny, augmentation, known):
    means = Preprocessing((8, 8), 1, np.arange(64.0).reshape(8, 8, 1), np.array([64.0]))
    config, digest = tiny(seed=3, augmentation=augmentation), hashlib.sha256()
    for images, labels in batches(digits, config, means, 1, 2):
        digest.update(images.tobytes() + labels.astype("int64").tobytes())
    assert digest.hexdigest()[:16] == known


def test_padding_is_the_mean_of_the_training_set(digits, tiny):
    config = tiny(augmentation=[{"name": "pad_crop", "pixels": 1}])
    preprocessing = preprocessing_of(digits, config)
    images, _ = batches(digits, config, preprocessing, 0, 1)[0]
    level = -preprocessing.mean / preprocessing.std
    assert np.any(np.all(images[:, 0] == 0, axis=(1, 2)))
    assert images.min() == pytest.approx(level[0], rel=1e-6)


OF_ALL_KINDS = [
    "flip",
    "rotate",
    "color_jitter",
    "rand_augment",
    {"name": "pad_crop", "pixels": 1},
    {"name": "cutout", "size": 3},
    {"name": "mixup", "share": 0.5, "by": "example"},
    "cutmix",
]


@pytest.mark.parametrize(
    "augmentation", [OF_ALL_KINDS[-2:], pytest.param(OF_ALL_KINDS, marks=pytest.mark.slow)], ids=["mixed", "all kinds"]
)
def test_augmented_batches_are_repeated_by_a_resumed_run(tiny, plain, augmentation):
    config = tiny(seed=4, augmentation=augmentation, **{"data.train_split": "train[:128]"})
    source = open_source(config.data)
    longer, resumed = batches(source, config, plain, 1, 3), batches(source, config, plain, 2, 3)
    for left, right in zip(longer[2:], resumed, strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])
    images, labels = resumed[0]
    assert images.shape == (64, 8, 8, 1) and labels.shape == (64, 10) and labels.dtype == "float32"
    np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    assert not np.array_equal(longer[0][0], images)


def test_small_shuffle_buffer_still_shows_each_example_once(digits, tiny, plain):
    config = tiny(augmentation=[], data={"shuffle_buffer": 10, "cache": False})
    shown = [row for images, _ in batches(digits, config, plain, 0, 1) for row in rows(images)]
    assert len(set(shown)) == len(shown) == 1408
    images, _ = examples(digits, "train")
    assert set(shown[:5]) <= set(rows(images[:15]))


def test_too_large_batch_is_refused(digits, tiny):
    with pytest.raises(ValueError, match=r"'train' has 1433 examples, fewer than batch_size=1434.*at most 1433"):
        plan.steps_per_epoch(digits, 1434)


# Test batches.


@pytest.mark.parametrize(("batch", "replicas"), [(64, 1), (50, 2), (364, 4)])
def test_each_test_example_comes_exactly_once_and_in_order(digits, tiny, batch, replicas):
    preprocessing = preprocessing_of(digits, tiny())
    shown = list(pipeline.test_batches(digits, "test", preprocessing, batch, replicas))
    images, labels = examples(digits, "test")
    np.testing.assert_array_equal(np.concatenate([part for _, part in shown]), labels)
    expected = (images.astype("float32") - preprocessing.mean) / preprocessing.std
    np.testing.assert_allclose(np.concatenate([part for part, _ in shown]), expected, atol=1e-5)
    assert max(len(part) for _, part in shown) <= batch


@pytest.mark.parametrize(("count", "batch", "replicas"), [(7, 96, 3), (1, 96, 3), (364, 9, 3), (64, 50, 4), (10, 3, 4)])
def test_blank_examples_of_no_weight_let_every_batch_be_shared_out(digits, tiny, plain, count, batch, replicas):
    shown = list(pipeline.test_batches(digits, f"test[:{count}]", plain, batch, replicas))
    images, labels, *weights = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*shown))
    expected, expected_labels = examples(digits, f"test[:{count}]")
    np.testing.assert_array_equal(images[:count], expected.astype("float32"))
    np.testing.assert_array_equal(labels[:count], expected_labels)
    sizes = [len(batch_labels) for _, batch_labels, *_ in shown]
    assert all(size % replicas == 0 for size in sizes) and max(sizes) <= max(batch, replicas)
    assert len(labels) - count == pipeline.blanks(count, replicas) < replicas
    assert bool(weights) == (len(labels) > count)
    losses = np.random.default_rng(0).uniform(size=len(labels)).astype("float32")
    # Keras adds up weight times loss and divides by all examples; the mean must be that of the real ones.
    kept = losses * weights[0] if weights else losses
    assert kept.sum() / len(labels) == pytest.approx(losses[:count].mean(), rel=1e-6)
    assert not kept[count:].any()


def test_host_whose_share_of_a_small_split_is_blank_shows_blanks(image_dir):
    config = folder_config(image_dir)
    source = open_source(config.data)
    blank = Preprocessing((8, 8), 3, np.zeros(3), np.ones(3))
    weights = []
    for host in range(2):
        ((images, _, own),) = pipeline.test_batches(source, "val", blank, 16, 16, share=Share(host, 2))
        assert images.shape == (8, 8, 8, 3)
        weights.append(own.numpy())
    np.testing.assert_allclose(weights, [[16 / 3] * 3 + [0] * 5, [0] * 8], rtol=1e-6)


# Readers that are dropped halfway, as Keras drops those that it peeks into.


@pytest.mark.slow
def test_dropped_reader_costs_no_test_example(digits, plain):
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    for _ in range(8):  # TFDS's own cache came out short in every second case
        dataset = pipeline.test_batches(digits, "train", plain, 717, 1)
        distributed = strategy.experimental_distribute_dataset(dataset)
        next(iter(distributed))
        assert sum(len(labels) for _, labels in distributed) == 1433


def test_training_set_is_in_memory_before_anybody_reads_it(digits, tiny, plain, monkeypatch):
    read, reads = type(digits).examples, []

    def note(image, label):
        reads.append(int(label))
        return image

    def noted(self, split):
        return read(self, split).map(
            lambda image, label: (tf.ensure_shape(tf.py_function(note, (image, label), tf.uint8), (8, 8, 1)), label)
        )

    monkeypatch.setattr(type(digits), "examples", noted)
    config = tiny(data={"cache": True})
    prepare_session(config)
    dataset = training_batches(digits, config, plain, range(2))
    assert len(reads) == 1433
    assert sum(len(labels) for _, labels in dataset) == 2 * 1408
    assert len(reads) == 1433


def test_training_set_that_lacks_examples_is_refused(digits, tiny, plain, monkeypatch):
    monkeypatch.setattr(type(digits), "count", lambda self, split: 1434)
    with pytest.raises(ValueError, match=r"'digits' holds 1433 examples in 'train', and says that there are 1434\."):
        training_batches(digits, tiny(data={"cache": True}), plain, range(1))


# Image folders.


def test_image_folder_is_resized_and_standardized(image_dir):
    shutil.rmtree(image_dir / "val")
    pixels = write_image(image_dir / "val" / "dog" / "one.png", (20, 10), seed=3)
    write_image(image_dir / "val" / "cat" / "none.png", (8, 8))
    config = folder_config(image_dir)
    source = open_source(config.data)
    preprocessing = preprocessing_of(source, config)
    by_label = {
        int(label): image.numpy()
        for images, labels in pipeline.test_batches(source, "val", preprocessing, 1, 1)
        for image, label in zip(images, labels)
    }
    square = tf.image.resize(pixels[5:15].astype("float32"), (8, 8), antialias=True).numpy()
    np.testing.assert_allclose(by_label[1], (square - IMAGENET_MEAN) / IMAGENET_STD, atol=1e-4)


def test_photographs_are_trained_on_and_tested_on_upright(tmp_path):
    information = Image.Exif()
    information[0x0112] = 6  # stored lying, twice as wide as high; upright its upper half is dark
    stored = np.zeros((20, 40, 3), "uint8")
    stored[:, 20:] = 200
    for folder in ("train/cat", "train/dog", "val/cat"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(stored).save(tmp_path / folder / "0.png", exif=information)
    config = folder_config(tmp_path, batch_size=1)
    source = open_source(config.data)
    preprocessing = preprocessing_of(source, config)
    upright = tf.image.resize(np.rot90(stored, -1)[10:30].astype("float32"), (8, 8), antialias=True).numpy()
    read = [*batches(source, config, preprocessing, 0, 1), *pipeline.test_batches(source, "val", preprocessing, 1, 1)]
    assert len(read) == 3
    for images, _ in read:
        np.testing.assert_allclose(images[0], (upright - IMAGENET_MEAN) / IMAGENET_STD, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("cache", [True, False])
def test_random_resized_crop_trains_on_crops_of_the_training_images(image_dir, cache):
    for path in (image_dir / "train").glob("*/*"):
        path.unlink()
    for name, level in (("cat", 10), ("dog", 200)):
        image = np.full((12, 20, 3), level, "uint8")
        write_image(image_dir / "train" / name / "0.png", (12, 20))
        tf.io.write_file(str(image_dir / "train" / name / "0.png"), tf.io.encode_png(image))
    config = folder_config(image_dir, augmentation=["random_resized_crop", "flip"], **{"data.cache": cache})
    source = open_source(config.data)
    preprocessing = preprocessing_of(source, config)
    ((images, labels),) = batches(source, config, preprocessing, 0, 1)
    assert sorted(labels) == [0, 1]
    levels = np.where(labels == 0, 10, 200)[:, np.newaxis, np.newaxis, np.newaxis]
    expected = np.broadcast_to((levels - IMAGENET_MEAN) / IMAGENET_STD, (2, 8, 8, 3))
    np.testing.assert_allclose(images, expected, atol=1e-4)
