"""Image files that cannot be read: which those are, and what becomes of them."""

import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet.images import decode_image
from tests.training.helpers import folder_config, write_image
from training.data import datasets
from training.data.datasets import open_source
from training.data.image_files import broken_images
from training.run import train
from training.run_folder import RunFolder
from training.skipped import check_skipped

PIXELS = np.asarray(Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), "uint8")).resize((90, 70)))


def encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, kind, **options)
    return file.getvalue()


SOUND = {
    "baseline.jpg": encoded("JPEG"),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "inks.jpg": encoded("JPEG", "CMYK"),
    "gray.jpg": encoded("JPEG", "L"),
    "image.png": encoded("PNG"),
    "image.gif": encoded("GIF"),
    "image.bmp": encoded("BMP"),
    "image.webp": encoded("WEBP"),
    # By another name than what they hold, as browsers save them.
    "gif.jpg": encoded("GIF"),
    "jpeg.png": encoded("JPEG"),
}
CUT = {f"cut-{share}-{name}": data[: int(share * len(data))] for name, data in SOUND.items() for share in (0.3, 0.9)}
BROKEN = {**CUT, "empty.jpg": b"", "text.jpg": b"not an image", "page.png": b"<html></html>", "zeros.jpg": bytes(1000)}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
def test_files_that_decode_to_the_end_are_sound_and_no_others(tmp_path, channels):
    # A JPEG with other bytes within its data is decoded to the end, to other pixels, by libjpeg and so by all of us.
    changed = bytearray(SOUND["baseline.jpg"])
    changed[len(changed) // 2] ^= 255
    files = {**SOUND, **BROKEN, "changed.jpg": bytes(changed)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def decode(data):
        return tf.size(decode_image(data, channels))

    def is_decoded(data: bytes) -> bool:
        try:
            return int(decode(tf.constant(data))) > 0
        except tf.errors.OpError:
            return False

    found = broken_images([str(tmp_path / name) for name in files], channels)
    assert found == [str(tmp_path / name) for name, data in files.items() if not is_decoded(data)]
    assert found == [str(tmp_path / name) for name in BROKEN]


@pytest.fixture
def damaged(tmp_path):
    """Six cats and six dogs, of which a cat and a dog are broken, and a dog more in `val`."""
    folder = tmp_path / "images"
    for number in range(6):
        write_image(folder / "train" / "cat" / f"{number}.png", (8, 8), seed=number)
        write_image(folder / "train" / "dog" / f"{number}.jpg", (8, 8), seed=number)
    for name in ("cat", "dog"):
        write_image(folder / "val" / name / "0.png", (8, 8), seed=9)
    (folder / "train" / "cat" / "1.png").write_bytes(b"")
    (folder / "train" / "dog" / "4.jpg").write_bytes(CUT["cut-0.9-baseline.jpg"])
    (folder / "val" / "dog" / "1.jpg").write_text("not an image", encoding="utf-8")
    return folder


BAD = {"train/cat/1.png", "train/dog/4.jpg", "val/dog/1.jpg"}
SKIP = {"data.on_bad_image": "skip"}


def test_what_cannot_be_read_is_left_out_counted_and_named(damaged, capsys):
    source = open_source(folder_config(damaged, **SKIP).data)
    assert set(source.skipped) == BAD
    assert (source.count("train"), source.count("val"), source.classes) == (10, 2, ("cat", "dog"))
    assert all(tf.strings.length(image) > 0 for image, _ in source.examples("train"))
    said = capsys.readouterr().err
    assert said.startswith("3 of 15 images cannot be read and are left out: ")
    assert all(str(damaged / path) in said for path in BAD)
    datasets.check_images(source, "train", "val")
    parted = open_source(folder_config(damaged, **SKIP, validation=0.2).data)
    assert (parted.count(parted.train_split), parted.count(parted.test_split)) == (8, 2)
    assert set(parted.skipped) == {path for path in BAD if path.startswith("train")}


@pytest.mark.slow
def test_evaluation_checks_what_it_reads(damaged):
    data = folder_config(damaged, **SKIP).data
    source = open_source(data, only_test=True)
    assert source.skipped == ("val/dog/1.jpg",) and source.count("val") == 2
    parted = folder_config(damaged, **SKIP, validation=0.2).data
    assert open_source(parted, only_test=True).skipped == open_source(parted).skipped
    (damaged / "val" / "dog" / "0.png").write_bytes(b"")  # of a class to test on nothing is left
    assert [open_source(data, only_test=alone).count("val") for alone in (True, False)] == [1, 1]


def test_order_of_the_others_stays(damaged):
    before = [path for path, _ in open_source(folder_config(damaged).data).reader.members("train")]
    after = [path for path, _ in open_source(folder_config(damaged, **SKIP).data).reader.members("train")]
    assert after == [path for path in before if path[len(str(damaged)) + 1 :] not in BAD]


def test_images_of_a_table_are_left_out_too(damaged, tmp_path):
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted((damaged / "train").glob("*/*"))]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    config = folder_config(tmp_path / "table.csv", dataset="csv", validation=0.2, **SKIP)
    assert set(open_source(config.data).skipped) == {"images/train/cat/1.png", "images/train/dog/4.jpg"}


def test_images_of_any_number_of_classes_are_left_out_too(damaged, tmp_path):
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name};pet" for path in sorted((damaged / "train").glob("*/*"))]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    fields = {"dataset": "csv", "validation": 0.2, "data.label_separator": ";"}
    source = open_source(folder_config(tmp_path / "table.csv", **fields, **SKIP).data)
    assert source.classes == ("cat", "dog", "pet") and len(source.skipped) == 2


def test_sound_images_are_all_kept(image_dir, capsys):
    source = open_source(folder_config(image_dir, **SKIP).data)
    assert source.skipped == () and source.count("train") == 6 and capsys.readouterr().err == ""


def test_broken_images_are_refused_with_their_paths_unless_they_may_be_left_out(damaged):
    source = open_source(folder_config(damaged).data)
    sentence = (
        r"^3 of 15 images cannot be read: .*\. Replace or remove them; a training leaves them out by --data\.on-bad-"
    )
    with pytest.raises(ValueError, match=sentence):
        datasets.check_images(source, "train", "val")


def test_class_or_split_of_which_nothing_is_left_is_refused(damaged):
    for path in (damaged / "val").glob("*/*"):
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"^No image of 'val' can be read, so that leaving them out leaves nothing: .*"
    ):
        open_source(folder_config(damaged, **SKIP).data)
    for path in (damaged / "train" / "cat").glob("*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^No image of the class 'cat' can be read, .* and 5 more\. Replace them\.$"):
        open_source(folder_config(damaged, **SKIP).data)


def test_leaving_out_is_for_image_files(tiny):
    sentence = r"^on_bad_image='skip' is for image files, 'image_folder' and 'csv'; 'digits' has none\.$"
    with pytest.raises(ValueError, match=sentence):
        open_source(tiny(**SKIP).data)


@pytest.mark.slow
def test_run_lists_what_it_leaves_out_and_refuses_to_go_on_with_others(damaged, tmp_path):
    config = folder_config(damaged, **SKIP, network="ResNet8")
    folder = RunFolder(tmp_path / "run")
    train(config, folder)
    assert set(json.loads(folder.skipped_file.read_text(encoding="utf-8"))) == BAD
    assert "| images left out | 3, see skipped.json |" in folder.report_file.read_text(encoding="utf-8")
    moved = damaged.rename(tmp_path / "moved")
    check_skipped(folder, open_source(folder_config(moved, **SKIP).data))
    shutil.copy(moved / "train" / "cat" / "0.png", moved / "train" / "cat" / "1.png")
    sentence = (
        r"cannot be resumed: of the images that cannot be read, train/cat/1\.png changed since it began\. Put back"
    )
    with pytest.raises(ValueError, match=sentence):
        train(folder_config(moved, **SKIP, network="ResNet8"), folder, resume=True)
