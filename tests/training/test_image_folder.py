"""Folders of images: which files are read, in which order, as what; and what is said of the others."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image, ImageOps

from keras_resnet.images import IMAGE_SUFFIXES, decode_image
from tests.training.helpers import folder_config, write_image
from training.config import Data
from training.data import datasets, image_files
from training.data.datasets import open_source
from training.data.image_files import ImageFiles, broken_images
from training.data.image_folder import open_folder
from training.run_folder import RunFolder


def names(folder: ImageFiles, split: str) -> list[str]:
    """Name the files of a split in the order in which they are read, with their classes."""
    return [os.path.join(label, os.path.basename(path)) for path, label in folder.members(split)]


# Which files, in which order.


@pytest.fixture
def many(tmp_path):
    """An image folder of JPEGs and PNGs whose names do not sort as they were written."""
    folder, generator = tmp_path / "many", np.random.default_rng(0)
    for split, count in (("train", 15), ("val", 4), ("test", 2)):
        for name in ("dog", "Cat", "10", "9"):
            for number in generator.choice(1000, count, replace=False):
                suffix = generator.choice(["jpg", "JPEG", "png"])
                write_image(folder / split / name / f"{number}.{suffix}", (4, 4), seed=int(number))
    return folder


def test_order_and_labels_are_those_of_tfds(many):
    theirs, ours = tfds.ImageFolder(str(many)), open_folder(many, "train")
    assert list(ours.classes) == theirs.info.features["label"].names == ["10", "9", "Cat", "dog"]
    for split in ("train", "val", "test"):
        dataset = theirs.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        expected = [(example["image"].numpy(), int(example["label"])) for example in dataset]
        actual = [(image.numpy(), int(label)) for image, label in ours.examples(split)]
        assert actual == expected and len(actual) == theirs.info.splits[split].num_examples
        assert ours.labels(split).tolist() == [label for _, label in expected]


def test_slices_are_those_of_the_order(many):
    folder, source = (
        open_folder(many, "train"),
        open_source(folder_config(many, data={"train_split": "train[10%:50%]"}).data),
    )
    whole = names(folder, "train")
    assert names(folder, "train[10%:50%]") == whole[6:30]
    assert names(folder, "train[:5]+train[-5:]") == whole[:5] + whole[-5:]
    assert source.count(source.train_split) == len(list(source.examples(source.train_split))) == 24


def test_classes_are_those_of_the_first_training_split(many):
    write_image(many / "val" / "horse" / "0.jpg", (4, 4))
    assert (
        "horse"
        not in open_source(
            folder_config(many, test_split="test", data={"train_split": "train[:50%]+train[60%:]"}).data
        ).classes
    )


def test_validation_of_a_folder_reads_each_image_in_one_part(many):
    source = open_source(folder_config(many, validation=0.2).data)
    parts = [
        [image.numpy() for image, _ in source.examples(split)] for split in (source.train_split, source.test_split)
    ]
    assert [len(part) for part in parts] == [source.count(source.train_split), source.count(source.test_split)]
    assert [len(part) for part in parts] == [48, 12]
    assert not set(parts[0]) & set(parts[1])


def test_every_format_that_is_decoded_is_read(tmp_path):
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".JPG": "JPEG"}
    kinds |= {".png": "PNG", ".gif": "GIF", ".bmp": "BMP", ".webp": "WEBP"}
    assert {suffix.lower() for suffix in kinds} == set(IMAGE_SUFFIXES) - {".jxl"}  # which Pillow does not write
    pixels = np.arange(48, dtype="uint8").reshape(4, 4, 3)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    for number, (suffix, kind) in enumerate(kinds.items()):
        Image.fromarray(pixels).save(tmp_path / "train" / "cat" / f"{number}{suffix}", kind)
    folder = open_folder(tmp_path, "train")
    assert {decode_image(image, 3).shape for image, _ in folder.examples("train")} == {(4, 4, 3)}
    assert len(folder.members("train")) == len(kinds)


def test_hidden_files_and_folders_are_not_there(image_dir, capsys):
    before = open_folder(image_dir, "train")
    for hidden in (".thumbs", ".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        write_image(image_dir / hidden / "cat" / "0.jpg", (4, 4))
        write_image(image_dir / "train" / hidden / "0.jpg", (4, 4))
    write_image(image_dir / "train" / "cat" / ".hidden.jpg", (4, 4))
    (image_dir / "train" / "cat" / "._0.jpg").write_text("what macOS leaves", encoding="utf-8")
    after = open_folder(image_dir, "train")
    assert (after.files, after.classes) == (before.files, before.classes)
    assert capsys.readouterr().err == ""


def test_files_that_are_not_read_are_counted(image_dir, capsys):
    for name in ("train/cat/a.heic", "train/dog/b.HEIC", "val/cat/notes.txt", "val/cat/README"):
        (image_dir / name).write_text("", encoding="utf-8")
    open_source(folder_config(image_dir).data)
    captured = capsys.readouterr()
    assert captured.err == (
        f"Not read in {image_dir}: .heic 2, .txt 1, without suffix 1. Images are jpg, jpeg, jpe, jfif, png, gif, bmp, "
        "webp, jxl.\n"
    )
    assert captured.out == ""


def test_photographs_are_turned_before_they_are_cut(tmp_path):
    information = Image.Exif()
    information[0x0112] = 6
    stored = Image.fromarray(np.arange(24 * 40 * 3).astype("uint8").reshape(24, 40, 3))
    (tmp_path / "train" / "cat").mkdir(parents=True)
    stored.save(tmp_path / "train" / "cat" / "0.png", exif=information)
    ((image, _),) = open_folder(tmp_path, "train").examples("train")
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "train" / "cat" / "0.png")))
    assert upright.shape == (40, 24, 3)
    np.testing.assert_array_equal(decode_image(image, 3), upright)


# Layouts.


@pytest.fixture
def flat(image_dir):
    """A folder of classes, without splits."""
    return image_dir / "train"


def test_classes_without_splits_are_parted(flat):
    source = open_source(folder_config(flat, validation=0.34).data)
    assert source.classes == ("cat", "dog")
    assert (source.count(source.train_split), source.count(source.test_split)) == (4, 2)


def test_classes_without_splits_need_a_share_to_test_on(flat):
    sentence = r"'image_folder' has no split to test on: keep a share of the training images by --validation 0\.2"
    with pytest.raises(ValueError, match=sentence):
        open_source(folder_config(flat).data)


def test_training_split_alone_is_parted(image_dir, tmp_path):
    (image_dir / "val").rename(tmp_path / "elsewhere")
    source = open_source(folder_config(image_dir, validation=0.34).data)
    assert (source.count(source.train_split), source.count(source.test_split)) == (4, 2)
    with pytest.raises(ValueError, match=r"no split to test on: keep a share .* or name one of \['train'\] by --test"):
        open_source(folder_config(image_dir).data)


def test_both_layouts_give_the_same_parts(image_dir, flat):
    one, other = (open_source(folder_config(folder, validation=0.34).data) for folder in (image_dir, flat))
    for left, right in ((one.train_split, other.train_split), (one.test_split, other.test_split)):
        assert [image.numpy() for image, _ in one.examples(left)] == [
            image.numpy() for image, _ in other.examples(right)
        ]


def test_class_to_test_on_that_is_not_trained_is_refused(image_dir):
    write_image(image_dir / "val" / "horse" / "0.jpg", (4, 4))
    with pytest.raises(ValueError, match=r"'val' has classes that the training split lacks: horse\. Add images of"):
        open_source(folder_config(image_dir).data)
    assert open_source(folder_config(image_dir, validation=0.34).data).classes == ("cat", "dog")


@pytest.mark.parametrize(("split", "count"), [("train+extra", 8), ("extra[:50%]+train", 7)])
def test_classes_are_those_of_all_training_splits(image_dir, split, count):
    for name in ("dog", "horse"):
        write_image(image_dir / "extra" / name / "0.jpg", (4, 4))
    for fields in ({}, {"validation": 0.34}):
        source = open_source(folder_config(image_dir, **{"data.train_split": split}, **fields).data)
        assert source.classes == ("cat", "dog", "horse")
    labels = source.reader.labels(split)
    assert len(labels) == count and set(labels) <= {0, 1, 2}


def test_class_that_is_only_trained_keeps_its_label(image_dir):
    write_image(image_dir / "train" / "bird" / "0.jpg", (4, 4))
    source = open_source(folder_config(image_dir).data)
    assert source.classes == ("bird", "cat", "dog")
    assert sorted(int(label) for _, label in source.examples("val")) == [1, 2, 2]


@pytest.mark.parametrize("name", ["two\nlines", "two\rlines"])
def test_class_names_of_two_lines_are_refused(image_dir, name):
    write_image(image_dir / "train" / name / "0.jpg", (4, 4))
    with pytest.raises(ValueError, match=r"class name 'two\\[nr]lines' has a line break in it; rename the class \(or"):
        open_source(folder_config(image_dir).data)


def test_names_of_files_may_be_any_bytes(image_dir):
    path = os.path.join(os.fsencode(image_dir), b"train", b"cat", b"caf\xe9\n.jpg")
    os.rename(image_dir / "train" / "cat" / "0.jpg", path)
    source = open_source(folder_config(image_dir).data)
    assert len(list(source.examples("train"))) == 6
    datasets.check_images(source, "train", "val")


# What is no image.


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.symlink_to("nowhere"), "a link to nothing"),
        (lambda path: path.symlink_to(path.name), "a link to nothing"),  # to itself
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: os.mkfifo(path), "a pipe or device"),
    ],
    ids=["link", "circle", "folder", "pipe"],
)
def test_what_only_has_the_name_of_an_image_is_named(image_dir, make, what):
    path = image_dir / "train" / "cat" / "z.jpg"
    make(path)
    with pytest.raises(ValueError, match=rf"^Not files that hold images: {path} \({what}\)\. Rename or remove them\.$"):
        open_source(folder_config(image_dir).data)


def test_links_to_images_are_read(image_dir):
    (image_dir / "train" / "cat" / "z.jpg").symlink_to(image_dir / "train" / "cat" / "0.jpg")
    assert open_source(folder_config(image_dir).data).count("train") == 7


@pytest.fixture
def damaged(image_dir) -> list[str]:
    cut, wrong = image_dir / "train" / "cat" / "1.jpg", image_dir / "val" / "dog" / "0.png"
    cut.write_bytes(cut.read_bytes()[:100])
    wrong.write_text("not an image", encoding="utf-8")
    return [str(cut), str(wrong)]


def test_broken_images_are_all_found_and_named_at_once(image_dir, damaged):
    source = open_source(folder_config(image_dir).data)
    with pytest.raises(ValueError, match=rf"^2 of 9 images cannot be read: {damaged[0]}, {damaged[1]}\. Replace or"):
        datasets.check_images(source, "train", "val")
    with pytest.raises(ValueError, match=rf"^1 of 3 images cannot be read: {damaged[1]}\. Replace or"):
        datasets.check_images(source, "val")


def test_only_what_will_be_read_is_checked(image_dir, damaged):
    os.remove(damaged[0])
    source = open_source(folder_config(image_dir).data)
    datasets.check_images(source, "train")
    parted = open_source(folder_config(image_dir, validation=0.34).data)
    datasets.check_images(parted, parted.train_split, parted.test_split)


def test_many_broken_images_are_named_in_a_line(tmp_path):
    paths = []
    for number in range(9):
        paths.append(str(tmp_path / f"{number}.jpg"))
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    assert broken_images(paths, 3) == paths
    with pytest.raises(ValueError, match=rf"^9 of 9 images cannot be read: .*{paths[4]} and 4 more\. Replace"):
        image_files.check_images(paths, 3)


def test_a_missing_file_is_a_broken_one(tmp_path):
    assert broken_images([str(tmp_path / "none.jpg")], 3) == [str(tmp_path / "none.jpg")]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal(image_dir, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    datasets.check_images(open_source(folder_config(image_dir).data), "train", "val")
    captured = capsys.readouterr()
    assert captured.err.endswith("\rChecking images: 9 of 9\n") == terminal
    assert (captured.err == "") == (not terminal) and captured.out == ""


def test_prepared_data_sets_are_not_checked(tiny, monkeypatch):
    monkeypatch.setattr(image_files, "broken_images", lambda *_: pytest.fail("read it"))
    source = open_source(tiny().data)
    datasets.check_images(source, source.train_split, source.test_split)


# What lies beside the images.


@pytest.mark.parametrize("place", ["", "train"])
@pytest.mark.parametrize("run", ["runs/first", "first", "a/b/c"])
def test_a_run_may_write_into_the_folder_of_its_data(image_dir, monkeypatch, place, run):
    monkeypatch.chdir(image_dir / place)  # with splits, and with classes alone
    names = sorted(path.name for path in Path().iterdir())
    config, folder = folder_config(Path(), validation=0.34), RunFolder(Path(run))
    before = open_source(config.data).reader
    with folder.held():
        assert open_source(config.data).reader == before
    assert sorted(path.name for path in Path().iterdir()) == names  # a failure leaves nothing
    folder.path.mkdir(parents=True)
    folder.config_file.write_text(config.to_yaml(), encoding="utf-8")
    write_image(folder.path / "curves.png", (4, 4))
    assert open_source(config.data).reader == before


def test_folders_that_are_no_splits_are_passed_over(image_dir, tmp_path):
    expected = open_source(folder_config(image_dir).data)
    (image_dir / "backup" / "monday").mkdir(parents=True)
    (image_dir / "notes" / "drafts" / "folder.jpg").mkdir(parents=True)
    assert open_source(folder_config(image_dir).data).reader == expected.reader
    sentence = r"class folder .*monday holds no image"
    with pytest.raises(ValueError, match=sentence):
        open_source(folder_config(image_dir, test_split="backup").data)
    (image_dir / "test" / "cat").mkdir(parents=True)  # which is tested on where no other split is named
    with pytest.raises(ValueError, match=r"class folder .*test/cat holds no image"):
        open_source(folder_config(image_dir).data)
    assert open_source(folder_config(image_dir, test_split="val").data).reader == expected.reader


# Folders that are none.


def test_class_folder_without_an_image_is_named(image_dir):
    empty = image_dir / "train" / "horse"
    empty.mkdir()
    (empty / "notes.txt").write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"class folder {empty} holds no image \(jpg, .*webp.*\)\. Fill or remove"):
        open_source(folder_config(image_dir).data)


def test_missing_image_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"needs --data-dir, a folder laid out as DIR/train.*received .*/nowhere"):
        open_source(folder_config(tmp_path / "nowhere").data)


def test_image_folder_needs_a_data_dir():
    with pytest.raises(ValueError, match=r"'image_folder' needs --data-dir.*received None"):
        open_source(folder_config(None).data)


def test_images_without_class_folders_are_refused(tmp_path):
    write_image(tmp_path / "0.png", (4, 4))
    with pytest.raises(ValueError, match=rf"No classes in {tmp_path}: it must be laid out as DIR/train/CLASS"):
        open_source(folder_config(tmp_path).data)


def test_sides_of_images_have_a_limit():
    Data(image_size=4096)
    with pytest.raises(ValueError, match="less than or equal to 4096"):
        Data(image_size=4097)
