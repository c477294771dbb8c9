"""Configurations: recipes, YAML, and what is said of wrong fields."""

import math

import pytest
import yaml

import keras_resnet
from training.config import FIELDS, RunConfig, load_recipe, make_config, read_fields, recipe_names

# Differs from the default in every field but epochs.
EVERYTHING = {
    "network": "ResNet50",
    "shortcut": '{"name": "A", "zeros": "both"}',
    "placement": "relu_only_preactivation",
    "activation": "prelu",
    "choices": "{stride_on: 3x3}",
    "weights": "some/weights.h5",
    "new_head": True,
    "freeze": ["conv1", "2"],
    "head_epochs": 3,
    "stage_decay": 0.5,
    "dataset": "cifar10",
    "data_dir": "some/data",
    "download": True,
    "train_split": "train[:90%]",
    "test_split": "train[90%:]",
    "validation": 0.1,
    "validation_seed": 4,
    "image_size": 64,
    "cache": True,
    "shuffle_buffer": 10,
    "standardize": "pixel",
    "test_crop": 0.875,
    "random_area": 0.25,
    "pad_crop": 4,
    "border": "reflect",
    "flip": "random",
    "batch_size": 32,
    "epochs": None,
    "iterations": 64000,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "kernel_rate": 0.02,
    "momentum": 0.8,
    "nesterov": True,
    "weight_decay": 0.05,
    "decayed": "kernels",
    "label_smoothing": 0.1,
    "schedule": "steps",
    "milestones": [32000, 48000],
    "warmup": 0.1,
    "dtype": "mixed_bfloat16",
    "seed": 7,
    "deterministic": False,
    "devices": ["GPU:0", "GPU:1"],
    "synchronized": True,
    "jit_compile": True,
    "steps_per_execution": 4,
}


def as_yaml(config: RunConfig) -> dict:
    return yaml.safe_load(config.to_yaml())


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_makes_a_configuration_with_its_values(name):
    recipe = load_recipe(name)
    assert recipe.items() <= as_yaml(make_config(recipe, name)).items()


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_names_a_network_that_exists_or_takes_that_of_the_weights(name):
    recipe = load_recipe(name)
    if recipe.get("new_head"):
        assert "network" not in recipe
    else:
        assert keras_resnet.get_architecture(recipe["network"]).depth >= 18


def test_cifar10_recipe_is_that_of_the_paper():
    # arXiv 1512.03385, section 4.2.
    expected = {
        "batch_size": 128,
        "iterations": 64_000,
        "milestones": [0.5, 0.75],
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "pad_crop": 4,
        "border": "zeros",
        "flip": "random",
        "standardize": "pixel",
    }
    assert expected.items() <= load_recipe("cifar10").items()


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown recipe 'digit'\. Did you mean 'digits'\? Allowed: cifar10, "):
        load_recipe("digit")


def test_yaml_holds_every_field_in_the_order_of_the_class():
    assert tuple(as_yaml(RunConfig(epochs=3))) == FIELDS == tuple(EVERYTHING)


@pytest.mark.parametrize("fields", [{"epochs": 3}, EVERYTHING], ids=["defaults", "everything"])
def test_configuration_survives_yaml(fields, tmp_path):
    config = make_config(fields, "here")
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert make_config(read_fields(path), "there") == config
    assert fields.items() <= read_fields(path).items()


@pytest.mark.parametrize("field", ["shortcut", "choices"])
def test_mapping_survives_as_text(field):
    mapping = {"name": "A", "zeros": "both"}
    config = make_config({"epochs": 1, field: mapping}, "here")
    assert isinstance(getattr(config, field), str)
    assert yaml.safe_load(getattr(config, field)) == mapping
    assert make_config(as_yaml(config), "there") == config


def test_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig(epochs=1).epochs = 2


@pytest.mark.parametrize(
    ("field", "nearest"), [("epoch", "epochs"), ("Batch_Size", "batch_size"), ("learningrate", "learning_rate")]
)
def test_unknown_field_suggests_the_nearest(field, nearest):
    with pytest.raises(ValueError, match=rf"^my\.yaml: Unknown field '{field}'\. Did you mean '{nearest}'\?"):
        make_config({field: 1}, "my.yaml")


@pytest.mark.parametrize(
    ("lengths", "received"),
    [({}, "epochs=None and iterations=None"), ({"epochs": 2, "iterations": 9}, "epochs=2 and iterations=9")],
)
def test_length_is_given_once(lengths, received):
    with pytest.raises(ValueError, match=f"^here: give either epochs or iterations; received {received}"):
        make_config(lengths, "here")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("learning_rate", -0.1),
        ("momentum", 1.0),
        ("test_crop", 1.5),
        ("flip", "sideways"),
        ("border", "wrap"),
        ("optimizer", "adagrad"),
        ("dtype", "float8"),
        ("image_size", "large"),
        ("seed", -1),
    ],
)
def test_bad_value_is_named_with_its_field(field, value):
    with pytest.raises(ValueError) as refusal:
        make_config({"epochs": 1, field: value}, "my.yaml")
    assert str(refusal.value).startswith(f"my.yaml: {field}: ")
    assert str(refusal.value).endswith(f"; received {value!r}.")
    assert "\n" not in str(refusal.value)


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ValueError, match=r"flip: .* received 'no'.*seed: .* received -1"):
        make_config({"epochs": 1, "flip": "no", "seed": -1}, "here")


def test_choice_lists_what_is_allowed():
    with pytest.raises(ValueError, match="'none', 'random' or 'alternating'"):
        make_config({"epochs": 1, "flip": "sideways"}, "here")


@pytest.mark.parametrize("milestones", [(0.5, 0.75), (32_000, 48_000), (1,)])
def test_milestones_are_steps_or_shares(milestones):
    assert RunConfig(iterations=64_000, schedule="steps", milestones=milestones).milestones == milestones


@pytest.mark.parametrize("milestones", [(20, 10), (10, 10), (-5, 10), (0, 10), (0.5, 10), (10.5,)])
def test_milestones_that_make_no_sense_raise_an_error(milestones):
    with pytest.raises(ValueError, match=r"milestones must ascend, and be either steps.* or shares.*received"):
        make_config({"epochs": 1, "milestones": milestones}, "here")


def test_steps_need_milestones():
    with pytest.raises(ValueError, match="schedule 'steps' needs milestones"):
        make_config({"epochs": 1, "schedule": "steps"}, "here")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read the configuration '.*none\.yaml': No such file"):
        read_fields(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs: [1", r"bad\.yaml' is not valid YAML: "),
        ("- epochs\n- 3\n", r"bad\.yaml' must hold a mapping of fields, one a line, as in 'epochs: 30'"),
        ("", r"bad\.yaml' must hold a mapping"),
    ],
    ids=["syntax", "list", "empty"],
)
def test_bad_yaml_is_refused_in_one_line(text, sentence, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence) as refusal:
        read_fields(path)
    assert "\n" not in str(refusal.value)


FLOATS = [name for name, field in RunConfig.model_fields.items() if "float" in str(field.annotation)]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("field", FLOATS)
def test_number_that_is_not_finite_raises_an_error(field, value):
    given = (value,) if field == "milestones" else value
    with pytest.raises(ValueError, match=rf"^here: {field}: Input should be .*; received (\(?-?inf|\(?nan)"):
        make_config({"epochs": 1, field: given}, "here")


@pytest.mark.parametrize("field", ["network", "shortcut", "activation", "weights", "dataset", "train_split"])
def test_text_with_nothing_in_it_raises_an_error(field):
    with pytest.raises(ValueError, match=f"^here: {field}: String should have at least 1 character; received ''"):
        make_config({"epochs": 1, field: ""}, "here")
