"""The page of a look into a run's network: what it holds, and that the network at the start is that of the run."""

import json

import numpy as np
import pytest
from PIL import Image

import keras_resnet
from keras_resnet.analysis import gradient_norms, lesions
from tests.training.helpers import folder_config
from training import inspection
from training.evaluation.candidates import open_run
from training.run import train
from training.run_folder import RunFolder

PICTURES = [section.picture.removesuffix(".png") for section in inspection.SECTIONS]


@pytest.mark.slow
def test_page_has_every_picture_and_number(trained, tmp_path, said):
    to = tmp_path / "look"
    assert said("inspect", trained.folder.path, "--to", to, "--images", 12) == f"page {to / 'inspection.md'}\n"
    assert {path.name for path in to.iterdir()} == {
        "inspection.md",
        "inspection.json",
        *(f"{name}.png" for name in PICTURES),
    }
    page, numbers = (
        (to / "inspection.md").read_text(encoding="utf-8"),
        json.loads((to / "inspection.json").read_text()),
    )
    assert [name for name in PICTURES if f"({name}.png)" not in page or name not in numbers] == []
    for name in PICTURES:
        assert np.asarray(Image.open(to / f"{name}.png").convert("L")).std() > 5
    candidate = open_run(trained.folder, {})
    looked = inspection._looked_at(candidate, 12)
    assert numbers["images"] == 12
    assert numbers["lesions"][0]["accuracy"] == pytest.approx(
        lesions(candidate.model, looked.images, looked.labels)[0].accuracy, rel=1e-4
    )
    expected = gradient_norms(candidate.model, looked.images, looked.labels)
    assert numbers["gradients"]["trained"] == pytest.approx(expected, rel=1e-3)
    ends = [row for row in numbers["line"] if row["place"] in (0, 1)]
    assert ends[1]["loss"] < ends[0]["loss"]  # the run has learned


@pytest.mark.slow
def test_network_at_the_start_is_that_of_the_run(tiny, tmp_path):
    weights = []

    class Begin(inspection.keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            weights.extend(np.array(weight) for weight in self.model.get_weights())

    folder = RunFolder(tmp_path / "run")
    train(tiny(epochs=1, seed=3), folder, callbacks=[Begin()])
    start = inspection._looked_at(open_run(folder, {}), 2).start
    for weight, value in zip(start.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert inspection.inspect_run(folder, images=2) == folder.path / "inspection" / "inspection.md"
    train(tiny(epochs=1), folder, overwrite=True)
    assert not folder.inspection.exists()  # it was of the run before


def test_whitening_of_the_start_leaves_out_what_the_run_left_out(image_dir, tmp_path, monkeypatch):
    (image_dir / "train" / "cat" / "broken.png").write_bytes(b"not an image")
    fields = {"network": "ResNet8", "start.whiten": 3, "data.on_bad_image": "skip"}
    config, run = folder_config(image_dir, **fields), RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.config_file.write_text(config.to_yaml(), encoding="utf-8")
    run.labels_file.write_text("cat\ndog\n", encoding="utf-8")
    model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=2)
    model.save(run.model_file)
    keras_resnet.Preprocessing((8, 8), 3, (100.0,) * 3, (60.0,) * 3).save(run.preprocessing_file)
    monkeypatch.setattr(inspection, "SECTIONS", ())
    assert inspection.inspect_run(run, images=2).is_file()


def test_run_that_is_none_and_no_images_are_refused(refused, tmp_path, trained):
    assert refused("inspect", tmp_path).startswith(f"{tmp_path} is no run folder: it has no config.yaml.")
    assert refused("inspect", trained.folder.path, "--images", 0) == "--images must be a positive integer; received 0."


@pytest.mark.parametrize(("value", "plain"), [(float("nan"), None), (float("inf"), None), (1 / 3, 0.333333), (2, 2)])
def test_numbers_are_what_json_holds(value, plain):
    assert inspection._plain({"a": [(value,)]}) == {"a": [[plain]]}
