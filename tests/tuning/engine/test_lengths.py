"""Runs that are too short for what they are to do, which is told before the first trial."""

import pytest

from tuning.engine.lengths import ends
from tuning.engine.workers import data_of, planned_epochs
from tuning.search import run_study
from tuning.space.reading import parse_space

ONE = {"activation": ["relu", "gelu"]}
HYPERBAND = {"tuner": "hyperband", "total_epochs": 40}


@pytest.fixture
def planned(study, data_dir):
    """Plan a study on the digits of 9 epochs, 20 steps each without the validation split, of batches of 64."""

    def plan(space=None, fields=None, **settings) -> int:
        common = {"data_dir": str(data_dir), "epochs": 9, **(fields or {})}
        described = study(space or ONE, common, **settings)
        return planned_epochs(described, data_of(described))

    return plan


ONE_EPOCH = "The shortest trials of a hyperband search of 9 epochs make 1, too few"
TOO_LONG = [
    ({"start.head_epochs": 1}, f"{ONE_EPOCH}: head_epochs=1 leaves none of the run's 1 epochs for the rest"),
    (
        {"schedule": {"name": "constant", "warmup": 20}},
        f"{ONE_EPOCH}: warmup=20 takes 20 of the 20 steps for which the schedule has time, and leaves none",
    ),
    (
        {"schedule": {"name": "steps", "milestones": [15, 100]}},
        f"{ONE_EPOCH}: milestones=15 100 lie beyond the 20 steps for which the schedule has time",
    ),
    (
        {"schedule": {"name": "steps", "milestones": [0.5, 0.75], "warmup_steps": 10}},
        f"{ONE_EPOCH}: warmup_steps=10 takes 10 steps and the first milestone is step 10 of 20",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), TOO_LONG, ids=["head", "warm-up", "milestones", "warmup_steps"])
def test_what_takes_the_shortest_rung_is_refused_before_a_trial(planned, fields, sentence):
    with pytest.raises(ValueError) as error:
        planned(fields=fields, **HYPERBAND)
    assert str(error.value).startswith(sentence)
    assert str(error.value).endswith(
        " Give less of that, or shares of the run instead of steps, or choose another tuner."
    )
    assert planned(fields=fields, tuner="random", trials=2) == 9  # whose runs are of full length


def test_phase_of_the_head_that_leaves_an_epoch_of_the_shortest_rung_is_searched(planned):
    assert planned(fields={"start.head_epochs": 1, "epochs": 6}, **HYPERBAND) == 6  # which begins with 2 epochs


@pytest.mark.parametrize("warmup", [0.9, 19])
def test_what_leaves_a_part_of_the_shortest_rung_is_searched(planned, warmup):
    assert planned(fields={"schedule": {"name": "constant", "warmup": warmup}}, **HYPERBAND) == 9


SEARCHED = [
    ({"start.head_epochs": [0, 1]}, {}, "too few for start.head_epochs=1: head_epochs=1 leaves none"),
    ({"start.head_epochs": {"low": 0, "high": 2}}, {}, "too few for start.head_epochs=2: head_epochs=2 leaves none"),
    (
        {"batch_size": [32, 128], **ONE},
        {"schedule": {"name": "constant", "warmup": 15}},
        "too few for batch_size=128: warmup=15 takes 15 of the 10 steps",
    ),
]


@pytest.mark.parametrize(("space", "fields", "sentence"), SEARCHED, ids=["choice", "range", "batch size"])
def test_point_that_takes_the_shortest_rung_is_named(planned, space, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        planned(space, fields, **HYPERBAND)


def test_study_whose_runs_are_all_too_short_is_refused_whatever_its_tuner(planned):
    fields = {"schedule": {"name": "constant", "warmup": 500}}
    with pytest.raises(ValueError, match=r"^warmup=500 takes 500 of the 180 steps .* Give a smaller one, or a longer"):
        planned(fields=fields, tuner="random", trials=2)
    assert planned({"schedule": [fields["schedule"], "constant"]}, tuner="random", trials=2) == 9


def test_search_that_is_refused_leaves_no_folder(study, data_dir, tmp_path):
    fields = {"data_dir": str(data_dir), "epochs": 9, "start.head_epochs": 2}
    with pytest.raises(ValueError, match="The shortest trials of a hyperband search"):
        run_study(study(ONE, fields, **HYPERBAND), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_ends_of_a_space_are_the_least_and_the_most_of_all_ranges():
    space = {
        "batch_size": {"low": 16, "high": 64},
        "schedule": ["one_cycle", {"name": "constant", "warmup": {"low": 0.0, "high": 9.0}}],
    }
    warmup = "schedule/constant/warmup"
    assert list(ends(parse_space(space))) == [
        {"batch_size": 16, "schedule": "one_cycle"},
        {"batch_size": 64, "schedule": "one_cycle"},
        {"batch_size": 16, "schedule": "constant", warmup: 0.0},
        {"batch_size": 64, "schedule": "constant", warmup: 9.0},
    ]
