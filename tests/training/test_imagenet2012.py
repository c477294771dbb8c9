"""ImageNet as TFDS prepares it of the archives that users fetch by hand; here of a dozen small images."""

import io
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet.images import decode_image
from tests.training.helpers import folder_config
from training.config import Data, make_config
from training.data.batches import training_batches
from training.data.datasets import open_source
from training.data.standardization import make_preprocessing

# The first labels of TFDS's list for the validation images, and a class of which TFDS knows an image of four inks.
CLASSES = ("n01751748", "n02105855", "n09193705")
INKS, HIDDEN_PNG = "n01739381_1309.JPEG", "n02105855_2933.JPEG"
UNKNOWN_INKS = "n01751748_7.JPEG"  # of which TFDS does not know that it is one


def pixels(number: int) -> np.ndarray:
    """Make smooth colors of a size of their own, which survive JPEG."""
    height, width = 20 + 3 * number, 34 - 2 * number
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 4, np.full_like(rows, 20 * number)], -1).astype("uint8")


def encoded(image: np.ndarray, name: str) -> bytes:
    file = io.BytesIO()
    inks = name in (INKS, UNKNOWN_INKS)
    Image.fromarray(image).convert("CMYK" if inks else "RGB").save(file, "PNG" if name == HIDDEN_PNG else "JPEG")
    return file.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    """Make a tar file."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    """The training images by file name."""
    plain = [f"{name}_{number}.JPEG" for name in CLASSES for number in (1, 2)]
    return {name: pixels(place) for place, name in enumerate([*plain, UNKNOWN_INKS, HIDDEN_PNG, INKS])}


@pytest.fixture(scope="module")
def imagenet(images, tmp_path_factory) -> Data:
    """The set, prepared by the builder of TFDS of archives as image-net.org gives them out."""
    folder = tmp_path_factory.mktemp("tfds")
    manual = folder / "downloads" / "manual"
    manual.mkdir(parents=True)
    files = {name: encoded(image, name) for name, image in images.items()}
    classes = sorted({name.partition("_")[0] for name in files})
    of_class = {one: {name: file for name, file in files.items() if name.startswith(one)} for one in classes}
    training = {f"{one}.tar": archive(own) for one, own in of_class.items()}
    others = {f"ILSVRC2012_val_{number:08}.JPEG": encoded(pixels(number), "") for number in range(1, 4)}
    for split, own in (("train", training), ("val", others), ("test", others)):
        (manual / f"ILSVRC2012_img_{split}.tar").write_bytes(archive(own))
    data = Data(dataset="imagenet2012", data_dir=folder, download=True)
    open_source(data)
    return data


@pytest.mark.slow
def test_it_is_tested_on_the_validation_split_as_the_test_split_has_no_labels(imagenet):
    source = open_source(imagenet)
    assert (source.train_split, source.test_split) == ("train", "validation")
    assert (source.count("train"), source.count("validation"), source.count("test")) == (9, 3, 3)
    assert len(source.classes) == 1000 and source.shape == (None, None, 3) and source.is_encoded
    found = {source.classes[label] for label in source.reader.labels("validation")}
    assert found == {"n01751748", "n09193705", "n02105855"}
    message = r"^test_split='test' of 'imagenet2012' has no labels; the splits with labels are \['train', 'valid"
    with pytest.raises(ValueError, match=message):
        open_source(imagenet.model_copy(update={"test_split": "test"}))


def test_every_image_is_read_as_what_it_is_also_of_four_inks_and_one_that_was_a_png(imagenet, images):
    source = open_source(imagenet)
    sums = {image.shape: (image, name.partition("_")[0]) for name, image in images.items()}
    for file, label in source.examples("train"):
        image = decode_image(file, 3).numpy()
        expected, name = sums.pop(image.shape)
        assert source.classes[label] == name
        assert np.abs(image.astype(int) - expected).mean() < 4
    assert sums == {}


@pytest.mark.slow
def test_its_crops_are_those_of_the_same_files_in_a_folder(imagenet, tmp_path):
    """Numbers are drawn by the place of an example, so that the files are laid out in the order of the set."""
    source = open_source(imagenet)
    augmentation = [{"name": "random_resized_crop", "area": 0.2, "overlong": "redraw"}, "flip", "pca_color"]
    batches = {"augmentation": augmentation, "batch_size": 3, "seed": 1}
    for number, (file, label) in enumerate(source.examples("train")):
        path = tmp_path / "train" / source.classes[label] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.numpy())
    config = folder_config(tmp_path, augmentation=augmentation, validation=0.5)
    folder = open_source(config.data.model_copy(update={"validation": 0.0, "test_split": "train"}))
    folder.reader.files["train"].sort(key=lambda file: int(file[0].rpartition("/")[2].removesuffix(".jpg")))
    contract = make_preprocessing(folder, config.data, None, (8, 8))
    tf.random.set_seed(1)
    left, right = (training_batches(one, contract, config.data, range(1), **batches) for one in (source, folder))
    for (ours, _), (theirs, _) in zip(left, right, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_users_must_fetch_is_said(tmp_path):
    message = (
        r"^The data set 'imagenet2012' is not prepared; looked in .*imagenet2012.5\.1\.0\. If it lies elsewhere, give "
        r"its folder by --data-dir\. TFDS cannot download it: manual_dir should contain two files: "
        r"ILSVRC2012_img_train\.tar and ILSVRC2012_img_val\.tar\. .* Put these files into .*downloads.manual and pass "
        r"--download, which prepares them here\.$"
    )
    for download in (False, True):
        with pytest.raises(ValueError, match=message):
            open_source(make_config({"epochs": 1, "data": imagenet_in(tmp_path, download)}).data)


def imagenet_in(folder, download: bool) -> dict:
    return {"dataset": "imagenet2012", "data_dir": folder, "download": download}
