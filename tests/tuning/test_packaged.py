"""The studies that come with the package: complete, and about points that they run."""

import csv
import re

import pytest
import yaml

from tests.shared import ROOT, shared_file
from tuning.claims import has
from tuning.packaged import SIZES, STUDIES, packaged_study
from tuning.space.dimensions import possible_points
from tuning.study import Study, make_study

FILES = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in (ROOT / "tuning" / "studies").glob("*.yaml")}


def studies():
    sized = [(name, size) for name in STUDIES for size in (None, *SIZES) if size is None or size in FILES[name]]
    return [pytest.param(name, size, id=f"{name} {size or 'small'}") for name, size in sized]


def points(study: Study) -> list[dict]:
    return [study.parsed_space.active(values) for values in study.parsed_space.points()]


def test_every_file_is_a_study_that_has_its_place_and_a_full_form():
    assert sorted(FILES) == sorted(STUDIES)
    assert all("full" in file for file in FILES.values())


@pytest.mark.parametrize(("name", "size"), studies())
def test_every_point_of_a_study_is_a_network_of_its_own(name, size):
    study = make_study(packaged_study(name, size), name)
    space = study.parsed_space
    assert len(possible_points(space, space.points(), study.problem)) == len(points(study))


@pytest.mark.parametrize(("name", "size"), studies())
def test_study_is_complete_and_claims_speak_of_points_that_it_runs(name, size):
    study = make_study(packaged_study(name, size), name)
    assert study.title and study.about and study.claims and study.repeats >= 2
    assert study.validation == 0  # so it is a grid, in which nothing is chosen
    found = [*points(study), *({"ensemble": ensemble.name} for ensemble in study.ensembles)]
    for claim in study.claims:
        sides = [[[point for point in found if has(point, where)] for where in side] for side in claim.sides]
        assert all(all(part) for side in sides for part in side), claim
        assert sides[0] != sides[1], claim
    for row in study.published:
        assert any(has(point, row.where) for point in found), row


@pytest.fixture(scope="module")
def figures():
    """Every number of the papers' tables."""
    with open(shared_file("reference/published.csv"), encoding="utf-8", newline="") as file:
        values = [row["value"] for row in csv.DictReader(file)]
    return {float(value) for value in values if re.fullmatch(r"[\d.]+", value)}


@pytest.mark.parametrize(("name", "size"), studies())
def test_what_is_published_stands_in_the_papers(name, size, figures):
    study = make_study(packaged_study(name, size), name)
    errors = [(row.where, float(row.error.split()[0])) for row in study.published if row.error[0].isdigit()]
    assert {error for _, error in errors} <= figures
    for claim in (claim for claim in study.claims if claim.published):
        for side, figure in zip(claim.sides, claim.published):
            parts = [next(error for where, error in errors if where == part) for part in side if len(side) > 1]
            assert (figure == pytest.approx(parts[0] - parts[1])) if parts else figure in figures, claim


def test_larger_form_has_more_claims_and_its_own_fields():
    small, full, deepest = (make_study(packaged_study("depth", size), "depth") for size in (None, "full", "deepest"))
    assert full.claims[: len(small.claims)] == small.claims and deepest.claims[: len(full.claims)] == full.claims
    assert [len(study.claims) for study in (small, full, deepest)] == [7, 8, 11]
    assert deepest.published[-1].error == "7.93" and deepest.fields == full.fields != small.fields


def test_size_that_a_study_does_not_have_is_named_with_those_it_has():
    with pytest.raises(ValueError, match=r"The study 'depth' has no --huge; give --full or --deepest, or neither for"):
        packaged_study("depth", "huge")


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
