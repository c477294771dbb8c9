"""The choice of combinations that the fast tests run."""

import itertools

import pytest

from tests.pairs import pairwise, products

OPTIONS = [("abcdefg", (1, 2, 3, 4, 5), "xyz", (False, True)), ("ab", "cd"), ("abc", (1, 2), "z")]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_pair_of_values_stands_in_a_combination(options):
    chosen = pairwise([*itertools.product(*options)])
    for (first, values), (second, others) in itertools.combinations(enumerate(options), 2):
        assert {(row[first], row[second]) for row in chosen} == {*itertools.product(values, others)}


def test_combinations_are_few():
    chosen = pairwise([*itertools.product(*OPTIONS[0])])
    assert len(chosen) < 1.2 * 7 * 5  # no set of them can be smaller than the longest two options


def test_all_other_combinations_are_slow():
    rows, combinations = products(*OPTIONS[0]), [*itertools.product(*OPTIONS[0])]
    assert [row.values for row in rows] == combinations
    assert {row.values for row in rows if not row.marks} == {*pairwise(combinations)}


def test_impossible_combinations_are_left_out_and_all_other_pairs_stay():
    rows = products("ab", "cd", (1, 2), possible=lambda first, second, _: first + second != "ad")
    assert len(rows) == 6
    fast = {row.values for row in rows if not row.marks}
    assert {values[:2] for values in fast} == {("a", "c"), ("b", "c"), ("b", "d")}
    assert {values[1:] for values in fast} == {*itertools.product("cd", (1, 2))}


def test_single_values_stand_in_as_many_combinations_as_the_longest_option_has():
    fast = [row.values for row in products(*OPTIONS[0], together=1) if not row.marks]
    assert len(fast) == 7
    assert [set(values) for values in zip(*fast)] == [set(options) for options in OPTIONS[0]]
