"""The search space: what is read, what a point of it means, and what is refused."""

import json

import numpy as np
import pytest

from tuning.space.dimensions import signature
from tuning.space.reading import default_space, parse_space, read_space

NESTED = {
    "activation": ["relu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0, "points": 3}}],
    "shortcut": ["A", {"name": "exclusive_gating", "bias": [-6.0, -3.0], "change": "B"}],
    "optimizer": ["sgd", {"name": "adamw", "learning_rate": {"low": 0.001, "high": 0.1, "scale": "log", "points": 3}}],
}


def test_grid_has_every_point_once_and_parameters_only_where_they_apply():
    points = list(parse_space(NESTED).points())
    assert len(points) == len({json.dumps(point) for point in points}) == (1 + 3) * (1 + 2) * (1 + 3)
    for point in points:
        assert ("activation/trainable_swish/beta" in point) == (point["activation"] == "trainable_swish")
        assert ("shortcut/exclusive_gating/bias" in point) == (point["shortcut"] == "exclusive_gating")
        assert ("optimizer/adamw/learning_rate" in point) == (point["optimizer"] == "adamw")


def test_point_becomes_fields_of_a_run():
    space = parse_space(NESTED)
    values = {
        "activation": "trainable_swish",
        "activation/trainable_swish/beta": 1.5,
        "shortcut": "exclusive_gating",
        "shortcut/exclusive_gating/bias": "-3.0",
        "optimizer": "adamw",
        "optimizer/adamw/learning_rate": 0.01,
        "tuner/epochs": 3,
    }
    assert space.fields(values) == {
        "activation": {"name": "trainable_swish", "beta": 1.5},
        "shortcut": {"name": "exclusive_gating", "bias": -3.0, "change": "B"},
        "optimizer": {"name": "adamw", "learning_rate": 0.01},
    }
    plain = {"activation": "relu", "shortcut": "A", "optimizer": "sgd", "activation/trainable_swish/beta": 1.5}
    assert space.fields(plain) == {"activation": "relu", "shortcut": "A", "optimizer": "sgd"}
    assert space.active(plain) == {"activation": "relu", "shortcut": "A", "optimizer": "sgd"}
    assert "tuner/epochs" not in space.active(values) and len(space.active(values)) == 6


def test_parameters_know_where_alone_they_apply():
    space = parse_space({"activation": ["relu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2}}]})
    swish = {"activation": "trainable_swish", "activation/trainable_swish/beta": 0.7}
    assert [(dimension.name, dimension.ancestors) for dimension in space.all_dimensions] == [
        ("activation", ()),
        ("activation/trainable_swish/beta", (("activation", "trainable_swish"),)),
    ]
    assert list(space.active(swish).items()) == list(swish.items())
    assert space.active({**swish, "activation": "relu"}) == {"activation": "relu"}


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({"low": 1.0, "high": 2.0, "points": 3}, [1.0, 1.5, 2.0]),
        ({"low": 0.001, "high": 0.1, "scale": "log", "points": 3}, [0.001, 0.01, 0.1]),
        ({"low": 2, "high": 32, "scale": "log", "points": 3}, [2, 8, 32]),
        ({"low": 1, "high": 4, "points": 4}, [1, 2, 3, 4]),
    ],
)
def test_points_of_a_range_are_even_on_its_scale(description, expected):
    points = [point["batch_size"] for point in parse_space({"batch_size": description}).points()]
    np.testing.assert_allclose(points, expected, rtol=1e-5)
    assert [type(point) for point in points] == [type(expected[0])] * len(expected)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"loss.label_smoothing": {"low": 0, "high": 1, "points": 3}}, [0, 0.5, 1]),
        ({"learning_rate": {"low": 1, "high": 4, "scale": "log", "points": 3}}, [1, 2.0, 4]),
        ({"evaluation.test_crop": {"low": 0, "high": 1, "points": 3}}, [0, 0.5, 1]),
        ({"activation": {"name": "trainable_swish", "beta": {"low": 1, "high": 2, "points": 3}}}, [1, 1.5, 2]),
        ({"optimizer": [{"name": "sgd", "momentum": {"low": 0, "high": 1, "points": 3}}]}, [0, 0.5, 1]),
        ({"activation": {"name": "maxout", "pieces": {"low": 2, "high": 5, "points": 3}}}, [2, 4, 5]),
        ({"start.head_epochs": {"low": 0, "high": 1, "points": 3}}, [0, 0, 1]),
        ({"schedule.warmup_steps": {"low": 0, "high": 1, "points": 3}}, [0, 0, 1]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_range_is_of_whole_numbers_only_where_the_field_is_one(space, expected):
    points = [list(point.values())[-1] for point in parse_space(space).points()]
    assert points == expected
    # The ends are as they are written, and as they were noted when such a range was of whole numbers.
    assert [type(points[0]), type(points[-1])] == [int, int]


def test_middle_stands_for_a_range_without_points():
    space = parse_space({"learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"}})
    assert [point["learning_rate"] for point in space.points(coarse=True)] == [0.1]
    with pytest.raises(ValueError, match="learning_rate is a range, of which a grid needs points: add points"):
        list(space.points())


def test_options_of_one_name_are_told_apart_by_what_is_fixed_in_them():
    space = parse_space({"activation": [{"name": "maxout", "pieces": 2}, {"name": "maxout", "pieces": 3}, "relu"]})
    assert [option.label for option in space.dimensions[0].options] == ["maxout(pieces=2)", "maxout(pieces=3)", "relu"]
    assert space.fields({"activation": "maxout(pieces=3)"}) == {"activation": {"name": "maxout", "pieces": 3}}


def test_lists_and_mappings_that_are_no_choice_are_values():
    space = parse_space({"augmentation": [[], ["flip"]], "network.choices": [{"dropout": 0.1}, {"dropout": 0.2}]})
    points = [space.fields(point) for point in space.points()]
    assert points[0] == {"augmentation": [], "network.choices": {"dropout": 0.1}}
    assert points[3] == {"augmentation": ["flip"], "network.choices": {"dropout": 0.2}}


def test_any_other_value_is_fixed():
    space = parse_space({"activation": "gelu", "batch_size": 64, "deterministic": True})
    assert [space.fields(point) for point in space.points()] == [
        {"activation": "gelu", "batch_size": 64, "deterministic": True}
    ]


def test_signature_tells_points_apart_to_six_digits():
    point = {"activation": {"name": "trainable_swish", "beta": 1.0}, "epochs": 3}
    assert signature(point) == signature({"epochs": 3, "activation": {"beta": 1.0000001, "name": "trainable_swish"}})
    assert signature(point) != signature({**point, "activation": {"name": "trainable_swish", "beta": 1.001}})


def test_default_space_is_one_for_each_of_its_fields():
    fields = ["activation", "shortcut", "placement", "optimizer"]
    assert list(default_space(fields)) == fields
    assert len(list(parse_space(default_space(["activation", "shortcut"])).points())) == (7 + 2 + 3 + 2) * (5 + 12)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({}, "The search space is empty: name at least one field"),
        (None, "The search space is empty"),
        (["activation"], "The search space must name fields, .*; received .'activation'."),
        ({"activations": ["relu"]}, "Unknown field of the search space: 'activations'. Did you mean 'activation'"),
        ({"seed": [1, 2]}, "'seed' cannot be searched"),
        ({"activation": []}, "activation has no options; give some"),
        ({"activation": ["relu", "relu"]}, "activation has an option twice: relu, relu"),
        ({"activation": [{"slope": 1}]}, "activation: an option with parameters needs a name"),
        ({"learning_rate": {"low": 1.0, "high": 0.1}}, "learning_rate is upside down: low is 1.0 and high is 0.1"),
        ({"learning_rate": {"low": 0.1, "high": 0.1}}, "learning_rate is upside down"),
        ({"learning_rate": {"low": 0.1}}, "learning_rate needs two numbers, low and high"),
        ({"learning_rate": {"low": 0.1, "high": "1"}}, "learning_rate needs two numbers, low and high"),
        ({"learning_rate": {"low": 0, "high": 1, "scale": "log"}}, "a logarithmic scale needs a low above 0"),
        ({"learning_rate": {"low": 1, "high": 2, "scale": "lag"}}, "Unknown scale 'lag'. Did you mean 'log'"),
        ({"learning_rate": {"low": 1, "high": 2, "point": 3}}, "Unknown part of a range: 'point'. Did you mean"),
        ({"learning_rate": {"low": 1, "high": 2, "points": 1}}, "points must be a whole number of at least 2"),
        ({"optimizer": [{"name": "sgd", "momentun": [0.8]}]}, "Unknown parameter of optimizer 'sgd': 'momentun'"),
        ({"optimizer.momentun": [0.8, 0.9]}, "Unknown field of the search space: 'optimizer.momentun'"),
        ({"label_smoothing": [0.1]}, "'label_smoothing' is a field of version 0.1.0; search loss.label_smoothing"),
        (
            {"optimizer": [{"name": "sgd", "momentum": [0.8, 1.5]}]},
            "momentum must be a number from 0 to below 1; received 1.5",
        ),
        ({"shortcut": [{"name": "dropout", "rate": {"low": 0.1, "high": 1.0}}]}, "rate must be .*; received 1.0"),
        ({"optimizer": ["sgd", "adam"]}, "Unknown optimizer 'adam'. Did you mean 'adamw'"),
        ({"network": [{"name": "ResNet20", "epochs": [2, 3]}]}, "network takes no parameters; received epochs"),
        ({"learning_rate": [0.1], "optimizer.learning_rate": [0.2]}, "learning_rate is given twice"),
        ({"data.data_dir": ["a"]}, "'data.data_dir' cannot be searched"),
        (
            {"optimizer": [{"name": "sgd", "learning_rate": [0.1]}], "learning_rate": [0.1, 0.2]},
            "learning_rate is searched twice: by itself, and as a parameter of optimizer sgd",
        ),
    ],
)
def test_what_is_no_space_is_refused_in_words(space, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_space(space)


def test_field_without_a_default_range_is_named():
    with pytest.raises(ValueError, match=r"Unknown field to search: 'dtype'.*needs a space of its own, in a file for"):
        default_space(["dtype"])
