"""Fine-tuning: what a run starts from, what of it stays, and that it goes on where it was stopped."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.adaptation import stages_of, transfer
from tests.keras_resnet.helpers import randomise
from tests.training.helpers import Keep, same_weights
from training import fine_tune
from training.callbacks import SaveRun
from training.config import load_recipe, make_config
from training.config.fields import lay_over
from training.run import train
from training.run_folder import RunFolder

TINY = {
    "image_size": 8,
    "batch_size": 2,
    "epochs": 3,
    "start": {"head_epochs": 1},
    "learning_rate": 0.01,
    "schedule": {"name": "cosine", "warmup": 0.0},
}


def tuning(trained, image_dir, **fields):
    """Configure the fine-tuning of the run of digits on the folder of cats and dogs."""
    usual = lay_over(load_recipe("fine-tune"), {**TINY, "weights": str(trained.folder.path), "data_dir": image_dir})
    return make_config(fields, "test", usual)


def by_stage(model) -> dict[str, list[np.ndarray]]:
    return {
        name: [weight.numpy() for layer in layers for weight in layer.weights]
        for name, layers in stages_of(model).items()
    }


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def start(trained):
    """The network that the fine-tuning of `trained` starts from, for RGB images."""
    return transfer(trained.folder.load_model(), input_shape=(8, 8, 3))


@pytest.mark.slow
def test_fine_tuning_leaves_a_run_on_the_new_classes(trained, image_dir, tmp_path):
    folder = RunFolder(tmp_path / "run")
    results = fine_tune(trained.folder.path, folder.path, data_dir=image_dir, export=True, **TINY)
    assert results["examples"] == 3
    assert folder.load_model().output_shape == (None, 2)
    assert folder.read_labels() == ["cat", "dog"]
    assert folder.savedmodel.is_dir()
    assert (folder.path / "report.md").read_text(encoding="utf-8").startswith("# resnet8 on image_folder\n")
    contract, before = folder.read_preprocessing(), trained.folder.read_preprocessing()
    np.testing.assert_allclose(contract.mean, np.repeat(before.mean, 3))
    np.testing.assert_allclose(contract.std, np.repeat(before.std, 3))
    assert folder.load_model().preprocessing.to_dict() == contract.to_dict()


@pytest.mark.slow
def test_rate_is_constant_while_only_the_head_learns_and_follows_its_schedule_after(trained, image_dir, tmp_path):
    folder = RunFolder(tmp_path / "run")
    train(tuning(trained, image_dir), folder)
    rates = [row["learning_rate"] for row in folder.read_metrics()]  # at the ends of three epochs of three steps
    np.testing.assert_allclose(rates, [0.01, 0.005, 0], atol=1e-8)


@pytest.mark.slow
def test_frozen_stages_keep_every_bit_and_a_stopped_run_goes_on_to_the_same_end(
    trained, image_dir, tmp_path, monkeypatch
):
    config = tuning(trained, image_dir, freeze=("conv1", 2), learning_rate=0.1)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(config, whole, callbacks=[Keep(whole, parts)])  # stopped between the phases, and then within the second
    after_head = by_stage(parts.load_model())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        train(config, parts, resume=True)
    assert len(parts.read_metrics()) == 2
    train(config, parts, resume=True)
    assert same_weights(whole, parts)
    assert parts.metrics_file.read_bytes() == whole.metrics_file.read_bytes()
    first, last = by_stage(start(trained)), by_stage(whole.load_model())
    assert [name for name in first if name != "head" and equal(first[name], after_head[name])] == [
        "conv1",
        "conv2",
        "conv3",
        "conv4",
    ]
    assert not equal(after_head["head"], last["head"])
    assert [name for name in first if name != "head" and equal(first[name], last[name])] == ["conv1", "conv2"]


def stop_after(monkeypatch, epochs: int) -> None:
    """Press Ctrl-C in the epoch after so many."""
    begin = SaveRun.on_train_batch_begin

    def press(self, batch, logs=None):
        begin(self, batch, logs)
        if len(self.folder.read_metrics()) == epochs and batch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(SaveRun, "on_train_batch_begin", press)


SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("muon", "adamw")]


@pytest.mark.parametrize("optimizer", ["sgd", *SLOWER])
@pytest.mark.slow
def test_a_stage_learns_at_its_share_of_the_rate(optimizer, trained, image_dir, tmp_path):
    # With a share that float32 cannot add to a weight, only the head moves; normalisations follow the images.
    fields = {"start": {"stage_decay": 1e-20, "head_epochs": 0}, "epochs": 1}
    fields |= {"optimizer": {"name": optimizer, "learning_rate": 0.01, "weight_decay": 0.0}}
    folder = RunFolder(tmp_path / "run")
    train(tuning(trained, image_dir, **fields), folder)
    before, after = start(trained), folder.load_model()
    for layer in before.layers:
        for weight, now in zip(layer.trainable_weights, after.get_layer(layer.name).trainable_weights):
            if optimizer == "muon" and weight.name == "kernel" and len(weight.shape) == 4:
                now, weight = now / np.linalg.norm(now), weight / np.linalg.norm(weight)  # it sets the norm
                np.testing.assert_allclose(now, weight, atol=1e-6)
            else:
                assert np.array_equal(weight, now) == (layer.name != "predictions"), weight.path


# What a run starts from.


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.slow
def test_network_file_goes_on_as_it_was(named, trained, tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    fields = {"weights": str(trained.folder.model_file), "network": "ResNet8" if named else None}
    # Frozen, so that one batch does not move the statistics either.
    fields |= {"freeze": ("backbone",), "iterations": 1, "learning_rate": 1e-12, "schedule": "constant"}
    results = train(tiny(**fields), folder)
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)


@pytest.mark.slow
def test_choices_apply_to_the_network_of_a_file_where_it_is_named(trained, tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    choices = {"weights": str(trained.folder.path), "network.choices": {"dropout": 0.3}, "new_head": True}
    train(tiny(iterations=1, learning_rate=1e-12, schedule="constant", **choices), folder)
    model = folder.load_model()
    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)
    np.testing.assert_array_equal(
        model.get_layer("conv2_block1_1_conv").kernel,
        trained.folder.load_model().get_layer("conv2_block1_1_conv").kernel,
    )


@pytest.mark.slow
def test_checkpoint_of_others_is_taken_with_its_contract(image_dir, tmp_path):
    path, source = tmp_path / "other.npz", randomise(keras_resnet.ResNet18(classes=7, input_shape=(32, 32, 3)))
    np.savez(path, **{f"{layer.name}/{w.name}": w.numpy() for layer in source.layers for w in layer.weights})
    folder = RunFolder(tmp_path / "run")
    fine_tune(path, folder.path, data_dir=image_dir, **{**TINY, "image_size": 32, "freeze": ("backbone",)})
    before, after = by_stage(source), by_stage(folder.load_model())
    assert [name for name in before if name != "head" and equal(before[name], after[name])] == [*before][:-1]
    assert folder.read_preprocessing().order == "BGR"  # the contract of keras.applications, whose names these are


# Refusals.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"weights": None}, "new_head=True needs weights, the network to start from"),
        ({"weights": None, "new_head": False}, "standardize=weights needs weights, the network to start from"),
        ({"new_head": False}, r"gives \(None, 10\), and the data set has 2 classes. Set new_head to put a new"),
        ({"start": {"head_epochs": 3}}, "head_epochs=3 leaves none of the run's 3 epochs for the rest of the network"),
        ({"freeze": ("conv9",)}, "Unknown stage 'conv9'.*Allowed: conv1, conv2, conv3, conv4, head, backbone"),
        ({"shortcut": "B"}, "shortcut cannot be chosen for the network that weights=.* hold; name the network too"),
        ({"network": "ResNet14"}, r"the weights of 'resnet14': .* another network: blocks is \(2, 2, 2\) here"),
        ({"weights": "imagenet"}, "weights='imagenet' are published of several networks; name one by --network"),
        ({"weights": "nowhere"}, "weights='nowhere' is neither a file nor a run folder with a network"),
    ],
)
def test_what_cannot_start_is_refused_and_leaves_no_folder(trained, image_dir, tmp_path, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(tuning(trained, image_dir, **fields), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_say_what_they_expect_need_another_standardisation(trained, image_dir, tmp_path):
    path, model = tmp_path / "silent.keras", trained.folder.load_model()
    model.preprocessing = None
    model.save(path)
    with pytest.raises(ValueError, match="do not say what they expect of images; choose the standardize that they"):
        train(tuning(trained, image_dir, weights=str(path)), RunFolder(tmp_path / "run"))


@pytest.mark.parametrize("fields", [{"network": "ResNet8"}, {"network": None, "new_head": False}])
def test_weights_without_their_network_cannot_get_a_new_head(fields, trained, image_dir, tmp_path):
    path = tmp_path / "bare.weights.h5"
    trained.folder.load_model().save_weights(path)
    with pytest.raises(ValueError, match="holds weights alone, not their network; give its run folder, its"):
        train(tuning(trained, image_dir, weights=str(path), **fields), RunFolder(tmp_path / "run"))


def test_network_for_any_size_without_a_contract_needs_one(trained, image_dir, tmp_path):
    path = tmp_path / "any.keras"
    keras_resnet.ResNet("ResNet8", input_shape=(None, None, 3)).save(path)
    fields = {"weights": str(path), "data.standardize": "imagenet", "image_size": None}
    with pytest.raises(ValueError, match="takes images of any size; set image_size"):
        train(tuning(trained, image_dir, **fields), RunFolder(tmp_path / "run"))


def test_field_of_version_0_1_0_is_told_its_new_spelling(tmp_path):
    with pytest.raises(
        ValueError, match=r"^training: 'label_smoothing' is a field .* write loss\.label_smoothing: 0\.1"
    ):
        fine_tune("weights", tmp_path / "run", label_smoothing=0.1)
    with pytest.raises(ValueError, match=r"^training: Unknown field 'data_dirr'\. Did you mean 'data_dir'\?"):
        fine_tune("weights", tmp_path / "run", data_dirr="flowers")


def test_recipe_takes_fields_by_short_name_and_in_groups(monkeypatch, tmp_path):
    configs = []
    monkeypatch.setattr("training.run.train", lambda config, *_, **__: configs.append(config))
    fine_tune(
        "w", tmp_path, data_dir="flowers", start={"head_epochs": 1}, optimizer={"name": "sgd", "learning_rate": 0.01}
    )
    (config,), recipe = configs, make_config(load_recipe("fine-tune"))
    assert config.start == recipe.start.model_copy(update={"weights": "w", "head_epochs": 1})
    assert config.optimizer == {**recipe.optimizer, "learning_rate": 0.01}
    assert str(config.data.data_dir) == "flowers"
