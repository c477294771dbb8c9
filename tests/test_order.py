"""The order in which test files begin."""

import pytest

from tests.order import longest_files_first


class Case:
    """A test, as pytest collects it."""

    def __init__(self, path, *marks):
        self.path, self.marks = path, [mark.mark for mark in marks]

    def iter_markers(self, name):
        return (mark for mark in self.marks if mark.name == name)


def test_marked_files_begin_first_and_then_those_of_most_tests():
    minutes = pytest.mark.minutes
    paths = ["few", "many", "long", "many", "longer", "many", "longer", "few"]
    marks = [(), (), (minutes(2),), (), (minutes(1),), (), (minutes(2),), ()]
    cases = [Case(path, *mark) for path, mark in zip(paths, marks)]
    ordered = longest_files_first(cases)
    assert [case.path for case in ordered] == ["longer", "longer", "long", "many", "many", "many", "few", "few"]
    assert [case for case in cases if case.path == "many"] == ordered[3:6]
