"""The studies that come with the package: complete, and about points that they run."""

import pytest

from tuning.claims import has
from tuning.packaged import packaged_study, study_names
from tuning.study import Study, make_study


def studies():
    return [pytest.param(name, full, id=f"{name}{' in full' * full}") for name in study_names() for full in (0, 1)]


def points(study: Study) -> list[dict]:
    return [study.parsed_space.active(values) for values in study.parsed_space.points()]


@pytest.mark.parametrize(("name", "full"), studies())
def test_study_is_complete_and_claims_speak_of_points_that_it_runs(name, full):
    study = make_study(packaged_study(name, full), name)
    assert study.title and study.about and study.claims and study.repeats >= 2
    assert study.validation == 0  # so it is a grid, in which nothing is chosen
    found = points(study)
    for claim in study.claims:
        sides = [[[point for point in found if has(point, where)] for where in side] for side in claim.sides]
        assert all(all(part) for side in sides for part in side), claim
        assert sides[0] != sides[1], claim
    for row in study.published:
        assert any(has(point, row.where) for point in found), row


def test_unknown_study_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"study 'degredation'.*degradation"):
        packaged_study("degredation")


@pytest.mark.parametrize(
    ("changes", "named"), [({"tuner": "random", "trials": 3}, "tuner: grid"), ({"finalists": 1}, "finalists: 0")]
)
def test_nothing_is_chosen_by_the_test_set(changes, named):
    with pytest.raises(ValueError, match=f"which chooses nothing: set {named}"):
        make_study({**packaged_study("degradation"), **changes}, "a test")


def test_runs_of_a_study_learn_from_the_whole_training_set():
    study = make_study(packaged_study("degradation"), "degradation")
    config = study.config({"network": "ResNet20", "shortcut": "A"}, repeat=1)
    assert (config.data.validation, config.data.test_split, config.seed) == (0, None, 1)
