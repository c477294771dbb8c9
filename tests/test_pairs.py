"""The choice of combinations that the fast tests run."""

import itertools

import pytest

from tests.pairs import pairwise, products

OPTIONS = [("abcdefg", (1, 2, 3, 4, 5), "xyz", (False, True)), ("ab", "cd"), ("abc", (1, 2), "z")]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_pair_of_values_stands_in_a_combination(options):
    chosen = pairwise(*options)
    for (first, values), (second, others) in itertools.combinations(enumerate(options), 2):
        assert {(row[first], row[second]) for row in chosen} == {*itertools.product(values, others)}


def test_combinations_are_few():
    assert len(pairwise(*OPTIONS[0])) < 1.2 * 7 * 5  # no set of them can be smaller than the longest two options


def test_all_other_combinations_are_slow():
    rows = products(*OPTIONS[0])
    assert [row.values for row in rows] == [*itertools.product(*OPTIONS[0])]
    assert {row.values for row in rows if not row.marks} == {*pairwise(*OPTIONS[0])}
