"""Choices that are a name with parameters: what a registry accepts, completes and refuses."""

import math
from typing import Annotated, Literal

import pytest

from keras_resnet.choices.registry import Range, complete, describe, parse_choice, registering

TOYS: dict = {}
toy = registering(TOYS)


def check_even(numbers) -> None:
    if len(numbers) % 2:
        raise ValueError(f"an even count is wanted; received {len(numbers)}.")


@toy("ball")
def ball(
    x,
    *,
    radius: Annotated[float, Range(0, math.inf, above=True), "of the ball"] = 1.0,
    bounces: Annotated[int, Range(0, 10)] = 3,
    color: Annotated[Literal["red", "blue"], "of its skin"] = "red",
    hollow: bool = True,
    holes: Annotated[tuple[Annotated[float, Range(0, 1)], ...], "where they are", check_even] = (),
):
    return x


@toy("top")
def top(x):
    return x


def test_name_alone_has_all_parameters_by_their_defaults():
    expected = {"name": "ball", "radius": 1.0, "bounces": 3, "color": "red", "hollow": True, "holes": ()}
    assert complete("toy", "ball", TOYS) == complete("toy", {"name": "ball"}, TOYS) == expected
    assert complete("toy", "top", TOYS) == {"name": "top"}


def test_given_parameters_stay_and_lists_become_tuples():
    made = complete("toy", {"name": "ball", "radius": 2, "holes": [0.1, 0.2]}, TOYS)
    assert (made["radius"], made["holes"], made["bounces"]) == (2, (0.1, 0.2), 3)
    assert complete("toy", made, TOYS) == made
    assert parse_choice("toy", {"name": "ball", "radius": 2}, TOYS) == ("ball", {"radius": 2})


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ("bell", "Unknown toy 'bell'. Did you mean 'ball'? Allowed: ball, top."),
        ({"radius": 2}, "Unknown toy None. Allowed: ball, top."),
        ({"name": ["ball"]}, "Unknown toy ['ball']."),
        ({"name": "ball", "radus": 2}, "Unknown parameter of toy 'ball': 'radus'. Did you mean 'radius'?"),
        ({"name": "top", "radius": 2}, "Unknown parameter of toy 'top': 'radius'. Allowed: (none)."),
        ({"name": "ball", "radius": 0}, "radius must be a number above 0, and finite; received 0."),
        ({"name": "ball", "radius": math.inf}, "radius must be a number above 0, and finite; received inf."),
        ({"name": "ball", "bounces": 10}, "bounces must be an integer from 0 to below 10; received 10."),
        ({"name": "ball", "bounces": 1.5}, "bounces must be an integer from 0 to below 10; received 1.5."),
        ({"name": "ball", "bounces": True}, "bounces must be an integer from 0 to below 10; received True."),
        ({"name": "ball", "color": "green"}, "Unknown value of color 'green'. Allowed: red, blue."),
        ({"name": "ball", "hollow": 1}, "hollow must be true or false; received 1."),
        ({"name": "ball", "holes": 0.5}, "holes must be a list; received 0.5."),
        ({"name": "ball", "holes": [0.5, 2]}, "each of holes must be a number from 0 to below 1; received 2."),
        ({"name": "ball", "holes": [0.5]}, "an even count is wanted; received 1."),
    ],
)
def test_what_is_not_allowed_is_named(choice, sentence):
    with pytest.raises(ValueError) as refusal:
        complete("toy", choice, TOYS)
    assert str(refusal.value).startswith(sentence)


def test_parameters_are_described_by_their_annotations():
    described = describe(ball)
    assert {name: parameter.doc for name, parameter in described.items()} == {
        "radius": "of the ball",
        "bounces": "",
        "color": "of its skin",
        "hollow": "",
        "holes": "where they are",
    }
    assert described["bounces"][:3] == (int, 3, Range(0, 10))
    assert describe(top) == {}


@pytest.mark.parametrize("number", [0.5, 1, 2])
def test_range_holds_what_it_says(number):
    assert (number in Range(0.5, 2)) == (number < 2)
    assert (number in Range(0.5, 2, above=True)) == (0.5 < number < 2)
    assert (number in Range(0.5, 2, closed=True)) == (0.5 <= number <= 2)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Range(0, 1), "from 0 to below 1"),
        (Range(0, 1, above=True), "above 0 and below 1"),
        (Range(0, 1, closed=True), "from 0 to 1"),
        (Range(0, 1, above=True, closed=True), "above 0 and at most 1"),
    ],
)
def test_range_says_what_it_holds(bounds, words):
    assert str(bounds) == words
