"""Claims of the packaged studies, judged by results that are made by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tuning.__main__ import read_search
from tuning.claims import has
from tuning.packaged import packaged_study
from tuning.report.verdicts import HOLDS, OPPOSITE, Verdict, judge
from tuning.results import COMPLETED, DIVERGED, Outcome, Run, TrialResult
from tuning.study import make_study

SPREAD = 0.005  # percent, from either of two seeds to their mean


def run(seed: int, error: float | None) -> Run:
    """Make a run whose errors are the same in training and test; None of one that diverged at once."""
    if error is None:
        return Run(Path(), seed, Outcome(DIVERGED), [])
    loss = (error + SPREAD * (2 * seed - 1)) / 100
    row = {"accuracy": 1 - loss, "val_accuracy": 1 - loss, "val_loss": loss}
    return Run(Path(), seed, Outcome(COMPLETED, 1 - loss), [row])


def verdicts(name: str, error: Callable[[dict], float | None], size: str | None = None) -> list[Verdict]:
    """Judge the claims of a study, all of whose points, and its ensembles, have ended with an error."""
    study = make_study(packaged_study(name, size), name)
    points = [study.parsed_space.active(values) for values in study.parsed_space.points()]
    points += [{"ensemble": ensemble.name} for ensemble in study.ensembles]
    trials = [TrialResult("0", values, values, 1, (run(0, error(values)), run(1, error(values)))) for values in points]
    return [judge(claim, trials) for claim in study.claims]


def gradients(values: dict) -> float | None:
    plain, choices = values["network"] == "Plain20", values["network.choices"]
    if "normalization" not in choices:
        return 20.0 if plain else 10.0
    gain = next((gain for gain in ("0.5", "2.0") if f"init_gain: {gain}" in choices), "1")
    return {"0.5": 90.0 if plain else 30.0, "1": 40.0, "2.0": None}[gain]


def remedies(values: dict) -> float | None:
    clipped, small, choices = values["optimizer.clip_norm"], values["batch_size"] == "16", values["network.choices"]
    if "normalization" not in choices:
        return 10.0
    if clipped == "0.5":
        return 30.0
    penalty = 60.0 if "l1" in choices else 55.0 if "l2" in choices else None
    return 70.0 if small else penalty


def depth(values: dict) -> float:
    layers = int(values["network"].removeprefix("ResNet"))
    regularized = values["network.choices"] != "{}"
    return {20: 8.75, 56: 6.97, 110: 6.61, 1202: 7.93}[layers] - regularized * (0.1 + 0.001 * layers)


def ensembles(values: dict) -> float:
    alone = {"ResNet20": 8.75, "ResNet32": 7.51, "ResNet44": 7.17, "ResNet56": 6.97}
    return 6.0 if "ensemble" in values else alone[values["network"]]


@pytest.mark.parametrize(
    ("name", "error", "size"),
    [
        ("gradients", gradients, None),
        ("remedies", remedies, None),
        ("depth", depth, None),
        ("depth", depth, "deepest"),
        ("ensembles", ensembles, "full"),
    ],
)
def test_claims_hold_where_errors_are_as_they_say_and_not_where_these_are_turned_round(name, error, size):
    assert {verdict.word for verdict in verdicts(name, error, size)} == {HOLDS}
    turned = verdicts(name, lambda values: 100 - (100 if error(values) is None else error(values)), size)
    assert {verdict.word for verdict in turned} == {OPPOSITE}


def test_sides_are_those_of_the_claim():
    small, *_, large, residual, usual, normalized = verdicts("gradients", gradients)
    np.testing.assert_allclose(
        [verdict.sides for verdict in (small, large, residual, usual, normalized)],
        [(90, 30), (100, 20), (100, 10), (40, 20), (20, 10)],
    )
    clipped, *_, against = verdicts("remedies", remedies)
    np.testing.assert_allclose([clipped.sides, against.sides], [(100, 30), (30, 10)])
    # What dropout takes off is 0.1 and a thousandth of each layer.
    np.testing.assert_allclose(verdicts("depth", depth)[3].sides, (0.156, 0.12))
    np.testing.assert_allclose(verdicts("depth", depth, "deepest")[8].sides, (7.93, 6.61))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"choices": {"dropout": 0.3, "l1": 1e-4}}, True),
        ({"choices": "{dropout: 0.3, l1: 0.0001}"}, True),
        ({"choices": {"dropout": 0.3}}, False),
        ({"nesterov": True, "batch_size": 16}, True),
        ({"batch_size": "16", "rate": 0.1}, True),
        ({"augmentation": ["flip"]}, True),
        ({"absent": None}, False),
        ({}, True),
        ({"rate": "0.10"}, True),
        ({"batch_size": 16.0}, True),
        ({"nesterov": 1}, False),
    ],
    ids=str,
)
def test_side_names_values_as_the_space_does_or_by_their_labels(where, expected):
    point = {
        "choices": "{dropout: 0.3, l1: 0.0001}",
        "nesterov": "true",
        "batch_size": "16",
        "augmentation": "[flip]",
        "rate": 0.1,  # of a range, which has no labels
    }
    assert has(point, where) == expected


CLAIMED = {
    "recipe": "digits",
    "space": {"shortcut": ["none", "A"], "loss.label_smoothing": [0.0, 0.1]},
    "tuner": "grid",
    "validation": 0,
    "finalists": 0,
}
CLAIM = {"claim": "More.", "source": "nowhere", "higher": {"shortcut": "none"}, "lower": {"shortcut": "A"}}
PUBLISHED = {"where": {"loss.label_smoothing": 0}, "error": "3"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"claims": [{**CLAIM, "higher": {"shortcut": "nonee"}}]}, "the claim 'More.': no point .* {shortcut: nonee}"),
        ({"claims": [{**CLAIM, "lower": [{}, {"shrtcut": "A"}]}]}, "the claim 'More.': no point .* {shrtcut: A}"),
        ({"published": [{**PUBLISHED, "where": {"nope": 1}}]}, "the published error 3, of {nope: 1}: no point of the"),
        ({"claims": [CLAIM], "validation": 0.1}, "claims, .*: set validation: 0 for them, or leave"),
        ({"published": [PUBLISHED], "validation": 0.1}, "set validation: 0 for them, or leave them out"),
    ],
)
def test_what_is_stated_of_no_point_or_of_no_test_is_refused(settings, sentence):
    assert make_study({**CLAIMED, "claims": [CLAIM], "published": [PUBLISHED]}, "a test")
    with pytest.raises(ValueError, match=sentence):
        make_study({**CLAIMED, **settings}, "a test")


def test_search_of_something_else_leaves_out_what_is_stated_of_the_former_space(capsys):
    _, study = read_search(packaged_study("options"), ["--search", "activation"])
    assert study.claims == study.published == () and [*study.space] == ["activation"]
    said = "8 claims and published errors are about what --search does not name, and are left out.\n"
    assert capsys.readouterr().out == said
    _, study = read_search(packaged_study("options"), ["--search", "shortcut,activation", "--tuner", "grid"])
    assert len(study.claims) == len(study.published) == 4
