"""Explanations of image files: the pictures that are left, and what is said."""

import numpy as np
import pytest
from PIL import Image

import keras_resnet
from training.__main__ import main
from training.explaining import SHEET, SIDE, enlarged, explain_files, picture_name
from training.prediction.classifiers import open_classifier

FEW = ("grad_cam", {"name": "smooth_grad", "draws": 2})


def test_every_image_gets_an_overlay_a_method_and_all_a_sheet(trained, digit, tmp_path):
    classifier = open_classifier(trained.folder.path)
    missing = tmp_path / f"{'none' * 70}.png"  # of no file that there could be
    wrong = tmp_path / "wrong.png"
    wrong.write_text("not an image", encoding="utf-8")
    (first, found), *others = explain_files(classifier, [digit, missing, wrong], tmp_path / "to", FEW)
    assert first == digit and list(found) == ["grad_cam", "smooth_grad"]
    assert [path for path, _ in others] == [missing, wrong]
    assert others[0][1] == f"'{missing}' cannot be read: File name too long."
    assert others[1][1].startswith(f"'{wrong}' is not an image, or damaged")
    names = {"001-digit-grad_cam.png", "001-digit-smooth_grad.png", SHEET}
    assert {path.name for path in (tmp_path / "to").iterdir()} == names
    drawn = np.asarray(Image.open(tmp_path / "to" / "001-digit-grad_cam.png"))
    np.testing.assert_array_equal(drawn, enlarged(found["grad_cam"].overlay()))
    explained = keras_resnet.explain(classifier.model, digit, labels=classifier.labels)
    np.testing.assert_allclose(found["grad_cam"].values, explained.values, rtol=1e-4, atol=1e-6)


def test_images_of_any_name_and_of_a_pixel_are_explained(trained, digit, tmp_path):
    names = ("猫" * 80, "a\nb\udce9", "cost $\\frac$")  # long in bytes, no text, a formula to Matplotlib
    images = [digit.with_name(f"{name}.png") for name in names]
    for image in images:
        Image.new("L", (1, 1), 200).save(image)
    explained = [*explain_files(open_classifier(trained.folder.path), images, tmp_path / "to", ["grad_cam"])]
    assert [path for path, _ in explained] == images
    assert all(np.isfinite(found["grad_cam"].values).all() for _, found in explained)
    pictures = {picture_name(number, image, "grad_cam") for number, image in enumerate(images, 1)}
    assert {path.name for path in (tmp_path / "to").iterdir()} == {SHEET, *pictures}
    assert all(name.isprintable() and len(name.encode()) < 130 for name in pictures)


@pytest.mark.slow
def test_pictures_of_an_earlier_call_are_not_explained(said, trained, digit, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    digit = digit.rename(folder / digit.name)
    command = ("explain", trained.folder.path, folder, "--to", folder / "explanations", "--methods", "grad_cam")
    assert said(*command) == said(*command)
    names = {path.name for path in (folder / "explanations").iterdir()}
    assert names == {"001-digit-grad_cam.png", SHEET}


def test_sheet_of_an_earlier_call_goes_where_no_image_can_be_read(trained, tmp_path, capsys):
    wrong, to = tmp_path / "wrong.png", tmp_path / "to"
    wrong.write_text("not an image", encoding="utf-8")
    to.mkdir()
    (to / SHEET).touch()
    assert main(["explain", str(trained.folder.path), str(wrong), "--to", str(to)]) == 1
    assert capsys.readouterr().out == "" and not any(to.iterdir())


def test_small_pictures_are_shown_in_whole_pixels():
    picture = np.arange(8 * 10 * 3, dtype="uint8").reshape(8, 10, 3)
    large = enlarged(picture)
    assert large.shape == (SIDE, 10 * SIDE // 8, 3)
    np.testing.assert_array_equal(large[:: SIDE // 8, :: SIDE // 8], picture)
    assert enlarged(np.zeros((300, 400, 3), "uint8")).shape == (300, 400, 3)


def test_command_says_what_hiding_does(said, trained, digit, tmp_path):
    lines = said("explain", trained.folder.path, digit, "--to", tmp_path, "--methods", "grad_cam").splitlines()
    (explained,) = dict(
        explain_files(open_classifier(trained.folder.path), [digit], tmp_path / "again", FEW[:1])
    ).values()
    one = explained["grad_cam"]
    assert lines == [
        str(digit),
        f"  {one.probability:.4f}  {one.label}; without the warmest fifth of grad_cam {one.without_warmest:.4f}, "
        f"without the coldest {one.without_coldest:.4f}",
        f"pictures {tmp_path}",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--methods", "occlusion", "{name: occlusion, steps: 2}"), "The method 'occlusion' is named twice"),
        (("--methods", "gradcam"), "Unknown method 'gradcam'. Did you mean 'grad_cam'?"),
        (("--methods", "{name: occlusion, steps: 1}"), "steps must be an integer from 2 to 256; received 1."),
        (("--target", "eleven"), "Unknown class 'eleven'."),
        (("--layer", "C9"), "Unknown layer with maps 'C9'."),
    ],
)
def test_what_cannot_be_explained_is_said(refused, trained, digit, tmp_path, arguments, sentence):
    assert refused("explain", trained.folder.path, digit, "--to", tmp_path / "to", *arguments).startswith(sentence)
