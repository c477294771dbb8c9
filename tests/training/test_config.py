"""Configurations: recipes, YAML, and what is said of wrong fields."""

import math

import pytest
import yaml

import keras_resnet
from keras_resnet.choices.registry import describe
from tests.training.helpers import write_yaml
from training.config import FIELDS, Data, Network, RunConfig, load_recipe, make_config, read_fields, recipe_names
from training.config.fields import GROUPS, name_of
from training.config.groups import REGISTRIES
from training.networks import make_architecture

# Differs from the default in every field but epochs.
EVERYTHING = {
    "network": {
        "name": "ResNet50",
        "shortcut": {"name": "A", "zeros": "both"},
        "placement": "relu_only_preactivation",
        "activation": "prelu",
        "choices": {"stride_on": "3x3"},
    },
    "start": {
        "weights": "some/weights.h5",
        "new_head": True,
        "whiten": 3,
        "freeze": ["conv1", "2"],
        "head_epochs": 3,
        "stage_decay": 0.5,
    },
    "data": {
        "dataset": "cifar10",
        "data_dir": "some/data",
        "label_separator": ";",
        "arrays": "0123456789abcdef",
        "download": True,
        "train_split": "train[:90%]",
        "test_split": "train[90%:]",
        "validation": 0.1,
        "validation_seed": 4,
        "image_size": 64,
        "sizes": {"name": "progressive", "smallest": 0.25, "sizes": 3, "until": 0.5},
        "cache": True,
        "shuffle_buffer": 10,
        "display_names": {"cat": "Siamese cat"},
        "on_bad_image": "skip",
        "balance": {"name": "sampling", "power": 0.5},
        "repeats": 3,
        "standardize": "pixel",
    },
    "augmentation": [
        {"name": "random_resized_crop", "area": 0.5, "aspect": 1.5, "overlong": "redraw"},
        {"name": "pad_crop", "pixels": 2, "border": "reflect"},
        {"name": "flip", "alternating": True},
    ],
    "batch_size": 32,
    "epochs": None,
    "iterations": 64000,
    "optimizer": {
        "name": "adamw",
        "learning_rate": 0.002,
        "weight_decay": 0.05,
        "decayed": "all",
        "clip_norm": 1.0,
        "clip_value": 0.0,
        "scaling": "sqrt",
        "reference_batch": 1024,
    },
    "schedule": {
        "name": "steps",
        "milestones": [32000.0, 48000.0],
        "warmup_steps": 400,
        "warmup": 0.1,
        "warmup_from": 0.5,
    },
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    "averaging": {"name": "ema", "decay": 0.99, "warmup": False, "images": 1000},
    "evaluation": {
        "test_crop": 0.875,
        "views": {"name": "ten_crop", "crop": 0.75},
        "each_epoch": True,
        "keep_best": True,
        "patience": 7,
    },
    "hardware": {
        "devices": ["GPU:0", "GPU:1"],
        "synchronized": True,
        "jit_compile": True,
        "steps_per_execution": 4,
        "accumulation": 2,
        "remat": True,
        "dtype": "mixed_bfloat16",
    },
    "seed": 7,
    "deterministic": False,
}


def as_yaml(config: RunConfig) -> dict:
    return yaml.safe_load(config.to_yaml())


def holds(whole, part) -> bool:
    """Tell whether a configuration has all values of a part of it, in which a name may stand for a choice."""
    if isinstance(part, dict):
        return all(holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return part == (whole["name"] if isinstance(whole, dict) else whole)


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_makes_a_configuration_with_its_values(name):
    recipe = load_recipe(name)
    assert holds(as_yaml(make_config(recipe, name)), recipe)


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_names_a_network_that_exists_or_takes_that_of_the_weights(name):
    config = make_config(load_recipe(name))
    if config.start.new_head:
        assert config.network == Network()
    else:
        assert make_architecture(config.network, config.start) is not None
        assert keras_resnet.get_architecture(config.network.name).depth >= 18


def test_cifar10_recipe_is_that_of_the_paper():
    # arXiv 1512.03385, section 4.2.
    config = make_config(load_recipe("cifar10"))
    assert (config.batch_size, config.iterations, config.data.standardize) == (128, 64_000, "pixel")
    assert config.augmentation == (
        {"name": "pad_crop", "pixels": 4, "border": "zeros"},
        {"name": "flip", "alternating": False},
    )
    steps = {"name": "steps", "milestones": (0.5, 0.75), "warmup_steps": 0}
    assert config.schedule == {**steps, "warmup": 0.0, "warmup_from": 0.0}
    expected = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4}
    common = {"clip_norm": 0.0, "clip_value": 0.0, "scaling": "none", "reference_batch": 256}
    assert config.optimizer == {**expected, "decayed": "all", **common}


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"Unknown recipe 'digit'\. Did you mean 'digits'\? Allowed: caltech101, cifar10"
    ):
        load_recipe("digit")


def test_yaml_holds_every_group_and_field_in_the_order_of_the_classes():
    written = as_yaml(RunConfig(epochs=3))
    assert list(written) == ["version", *RunConfig.model_fields] == ["version", *EVERYTHING]
    assert written["version"] == keras_resnet.__version__
    for name in GROUPS:
        assert list(written[name]) == list(EVERYTHING[name])
    assert written["optimizer"] == {
        "name": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "decayed": "all",
        "clip_norm": 0.0,
        "clip_value": 0.0,
        "scaling": "none",
        "reference_batch": 256,
    }


@pytest.mark.parametrize("fields", [{"epochs": 3}, EVERYTHING], ids=["defaults", "everything"])
def test_configuration_survives_yaml(fields, tmp_path):
    config = make_config(fields, "here")
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert make_config(read_fields(path), "there") == config
    assert fields.items() <= read_fields(path).items()


def test_short_names_paths_and_groups_name_the_same_fields():
    wanted = RunConfig(epochs=1, data=Data(dataset="cifar10", cache=True), optimizer={"name": "sgd", "momentum": 0.5})
    for fields in (
        {"dataset": "cifar10", "data.cache": True, "optimizer.momentum": 0.5},
        {"data": {"dataset": "cifar10", "cache": True}, "optimizer": {"momentum": 0.5}},
        {"data.dataset": "cifar10", "data": {"cache": True}, "optimizer": {"name": "sgd", "momentum": 0.5}},
    ):
        assert make_config({**fields, "epochs": 1}) == wanted


@pytest.mark.parametrize("fields", [{"dataset": "a", "data.dataset": "b"}, {"data": {"dataset": "a"}, "dataset": "b"}])
def test_field_given_twice_raises_an_error(fields):
    with pytest.raises(ValueError, match=r"^here: dataset is given twice, once as (data\.)?dataset; give it once\.$"):
        make_config({**fields, "epochs": 1}, "here")


@pytest.mark.parametrize(
    ("name", "value"), [("shortcut", {"name": "A", "zeros": "both"}), ("placement", "original"), ("activation", "gelu")]
)
def test_field_that_stands_among_the_choices_too_raises_an_error(name, value):
    one, other = {"network": {name: value}, "epochs": 1}, {"network.choices": {name: "other"}}
    sentence = rf"^here: network: {name} is given twice, as .* and among choices as 'other'; give it once\.$"
    with pytest.raises(ValueError, match=sentence):
        make_config(one, "here", other)
    assert make_config(one).network.choices == {}
    assert getattr(make_config({**other, "epochs": 1}).network, name) is None


def test_synchronized_is_no_choice_of_the_network_of_a_run():
    with pytest.raises(
        ValueError, match=r"^network: synchronized cannot be among choices; give hardware\.synchronized"
    ):
        make_config({"network.choices": {"synchronized": False}, "hardware.synchronized": True, "epochs": 1})


def test_choice_of_the_same_name_or_without_one_keeps_other_parameters():
    base = load_recipe("digits")
    recipe = make_config(base).optimizer
    for change in ({"learning_rate": 0.3}, {"optimizer": {"name": "sgd", "learning_rate": 0.3}}):
        assert make_config(change, base=base).optimizer == {**recipe, "learning_rate": 0.3}


def test_choice_of_another_name_starts_from_its_own_defaults():
    muon = make_config({"optimizer": "muon", "learning_rate": 0.3}, base=load_recipe("cifar10")).optimizer
    assert muon == {**RunConfig(epochs=1, optimizer="muon").optimizer, "learning_rate": 0.3}


@pytest.mark.parametrize(("length", "other"), [("epochs", "iterations"), ("iterations", "epochs")])
def test_a_length_replaces_the_other(length, other):
    config = make_config({length: 5}, base={other: 7})
    assert (getattr(config, length), getattr(config, other)) == (5, None)


def test_numbers_without_a_point_are_read_as_numbers(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("optimizer: {weight_decay: 1e-4}\nepochs: 3\nfreeze: [2]\n", encoding="utf-8")
    config = make_config(read_fields(path))
    assert (config.optimizer["weight_decay"], config.start.freeze) == (1e-4, ("2",))


def test_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig(epochs=1).epochs = 2


@pytest.mark.parametrize(
    ("field", "nearest"), [("epoch", "epochs"), ("Batch_Size", "batch_size"), ("learningrate", "learning_rate")]
)
def test_unknown_field_suggests_the_nearest(field, nearest):
    with pytest.raises(ValueError) as refusal:
        make_config({field: 1}, "my.yaml")
    listing = "`python -m training --help` lists all."
    assert str(refusal.value) == f"my.yaml: Unknown field '{field}'. Did you mean '{nearest}'? {listing}"


def test_unknown_field_of_a_group_gets_those_of_the_group():
    sentence = r"Unknown field 'data\.kache'\. Did you mean 'data\.cache'\? Allowed: data\.dataset, "
    with pytest.raises(ValueError, match=sentence):
        make_config({"data": {"kache": True}}, "my.yaml")


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
        ("start.stage_decay", -0.1),
        ("evaluation.test_crop", 1.5),
        ("hardware.dtype", "float8"),
        ("image_size", "large"),
        ("seed", -1),
        ("seed", 2**32 - 1),
    ],
)
def test_bad_value_is_named_with_its_field(field, value):
    with pytest.raises(ValueError) as refusal:
        make_config({"epochs": 1, field: value}, "my.yaml")
    assert str(refusal.value).startswith(f"my.yaml: {field}: ")
    assert str(refusal.value).endswith(f"; received {value!r}.")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("learning_rate", -0.1, "optimizer: learning_rate must be a number above 0, and finite; received -0.1."),
        ("learning_rate", 0, "optimizer: learning_rate must be a number above 0, and finite; received 0."),
        ("optimizer.momentum", 1.0, "optimizer: momentum must be a number from 0 to below 1; received 1.0."),
        ("optimizer.nesterov", 1, "optimizer: nesterov must be true or false; received 1."),
        ("optimizer", "adagrad", "optimizer: Unknown optimizer 'adagrad'. Allowed: sgd, muon, adamw"),
        ("optimizer.momentun", 0.9, "optimizer: Unknown parameter of optimizer 'sgd': 'momentun'. Did you mean "),
        ("schedule.power", 2, "schedule: Unknown parameter of schedule 'constant': 'power'. Allowed: warmup, warmup_"),
        ("schedule.warmup", 1.5, "schedule: warmup must be a share of the run, below 1, or a whole number of steps; "),
        ("loss", "hinge", "loss: Unknown loss 'hinge'. Allowed: cross_entropy"),
        ("augmentation", ["flop"], "augmentation: Unknown augmentation 'flop'. Did you mean 'flip'? Allowed: "),
        ("augmentation", "flip", "augmentation: give a list, as in [{name: pad_crop, pixels: 4}, flip]; received "),
        ("augmentation", [{"name": "pad_crop", "pixels": 0}], "augmentation: pixels must be an integer from 1 to "),
        ("augmentation", [{"name": "pad_crop", "border": "wrap"}], "augmentation: Unknown value of border 'wrap'. "),
        ("augmentation", [{"name": "flip", "alternating": 1}], "augmentation: alternating must be true or false; "),
        ("augmentation", ["flip", "random_resized_crop"], "augmentation: random_resized_crop brings images to the "),
    ],
)
def test_bad_choice_is_named_with_what_is_allowed(field, value, sentence):
    with pytest.raises(ValueError) as refusal:
        make_config({"epochs": 1, field: value}, "my.yaml")
    assert str(refusal.value).startswith(f"my.yaml: {sentence}")
    assert "\n" not in str(refusal.value)


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ValueError, match=r"hardware\.dtype: .* received 'no'.*seed: .* received -1"):
        make_config({"epochs": 1, "hardware.dtype": "no", "seed": -1}, "here")


def test_field_lists_what_is_allowed():
    with pytest.raises(ValueError, match="'float32', 'mixed_bfloat16' or 'mixed_float16'"):
        make_config({"epochs": 1, "hardware": {"dtype": "float8"}}, "here")


@pytest.mark.parametrize("milestones", [(0.5, 0.75), (32_000, 48_000), (1,)])
def test_milestones_are_steps_or_shares(milestones):
    schedule = {"name": "steps", "milestones": milestones, "warmup_steps": 0, "warmup": 0.0, "warmup_from": 0.0}
    assert RunConfig(iterations=64_000, schedule=schedule).schedule == schedule


@pytest.mark.parametrize("milestones", [(), (20, 10), (10, 10), (0.5, 10), (10.5,)])
def test_milestones_that_make_no_sense_raise_an_error(milestones):
    with pytest.raises(ValueError, match=r"milestones must ascend, and be either steps.* or shares.*received"):
        make_config({"epochs": 1, "schedule": {"name": "steps", "milestones": milestones}}, "here")


@pytest.mark.parametrize(("milestones", "bad"), [((-5, 10), -5), ((0, 10), 0), (("half",), "'half'")])
def test_each_milestone_is_a_number_above_zero(milestones, bad):
    with pytest.raises(ValueError, match=rf"each of milestones must be a number above 0, and finite; received {bad}"):
        make_config({"epochs": 1, "schedule": {"name": "steps", "milestones": milestones}}, "here")


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


PARAMETERS = [
    (choice, name, parameter)
    for choice, registry in REGISTRIES.items()
    for name, function in registry.items()
    for parameter, known in describe(function).items()
    if known.kind is float
]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("path", [path for path, field in FIELDS.items() if "float" in str(field.annotation)])
def test_number_that_is_not_finite_raises_an_error(path, value):
    with pytest.raises(ValueError, match=rf"^here: {name_of(path)}: Input should be .*; received (-?inf|nan)"):
        make_config({"epochs": 1, path: value}, "here")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(("choice", "name", "parameter"), PARAMETERS)
def test_parameter_that_is_not_finite_raises_an_error(choice, name, parameter, value):
    given = {"name": name, parameter: value}
    with pytest.raises(ValueError, match=rf"^here: {choice}: {parameter} must be a number .*; received (-?inf|nan)"):
        make_config({"epochs": 1, choice: [given] if choice == "augmentation" else given}, "here")


@pytest.mark.parametrize("field", ["network", "shortcut", "activation", "weights", "dataset", "data.train_split"])
def test_text_with_nothing_in_it_raises_an_error(field):
    with pytest.raises(ValueError, match=f"^here: {field}: String should have at least 1 character; received ''"):
        make_config({"epochs": 1, field: ""}, "here")


def test_file_of_a_newer_version_is_read_as_long_as_this_one_understands_it(tmp_path):
    path = write_yaml(tmp_path / "config.yaml", version="99.0.0", epochs=3, optimizer="muon")
    assert make_config(read_fields(path)) == make_config({"epochs": 3, "optimizer": "muon"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"teacher": "ResNet50"}, "Unknown field 'teacher'"),
        ({"data": {"teacher": 1}}, "Unknown field 'data.teacher'"),
        ({"optimizer": "shampoo"}, "optimizer: Unknown optimizer 'shampoo'"),
        ({"optimizer": {"name": "sgd", "lookahead": 5}}, "optimizer: Unknown parameter of optimizer 'sgd'"),
    ],
)
def test_file_of_a_newer_version_with_what_this_one_does_not_know_names_both(fields, reason, tmp_path):
    path = write_yaml(tmp_path / "config.yaml", version="99.1.0", epochs=3, **fields)
    with pytest.raises(ValueError) as refusal:
        read_fields(path)
    sentence = str(refusal.value)
    own = keras_resnet.__version__
    begins = f"{str(path)!r} is of version 99.1.0, which this version, {own}, does not understand: {reason}"
    assert sentence.startswith(begins)
    assert sentence.endswith(". Use version 99.1.0 or later.")
    # As far as anybody can tell, one without a version is of this one.
    with pytest.raises(ValueError, match=f"^{reason}"):
        make_config(read_fields(write_yaml(path, epochs=3, **fields)))


def test_version_that_is_none_raises_an_error(tmp_path):
    path = write_yaml(tmp_path / "config.yaml", version="new", epochs=3)
    with pytest.raises(ValueError, match=r"config\.yaml': version must be numbers, as in \d.*; received 'new'\.$"):
        read_fields(path)
