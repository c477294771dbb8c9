"""The choice of combinations that the fast tests run."""

import itertools

import pytest

from tests.pairs import leave_samples_fast, pairwise, parted, products

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


@pytest.mark.parametrize("together", [1, 2, 3])
def test_every_few_values_that_stand_together_do_so_in_what_is_chosen(together):
    combinations = [*itertools.product(*OPTIONS[0])]
    chosen = pairwise(combinations, together)
    for places in itertools.combinations(range(len(OPTIONS[0])), together):
        assert {tuple(row[place] for place in places) for row in chosen} == {
            *itertools.product(*(OPTIONS[0][place] for place in places))
        }
    assert len(chosen) < len(combinations) and {*chosen} < {*combinations}


@pytest.mark.parametrize("together", [1, 2])
def test_combinations_are_parted_into_the_chosen_and_the_slow(together):
    combinations = [*itertools.product(*OPTIONS[0])]
    first, others = parted(combinations, together)
    assert first == pairwise(combinations, together)
    assert {*first}.isdisjoint(row.values for row in others) and len(first) + len(others) == len(combinations)
    assert {mark.name for row in others for mark in row.marks} == {"slow"} and all(row.marks for row in others)


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


class Case:
    """A case of a test, as pytest collects it."""

    def __init__(self, function, *marks):
        self.function, self.marks = function, {mark.name: mark for mark in marks}

    def get_closest_marker(self, name):
        return self.marks.get(name)

    def add_marker(self, mark):
        self.marks[mark.name] = mark


def test_every_few_of_the_cases_of_a_sampled_test_are_fast():
    sampled, slow = pytest.mark.sampled(3).mark, pytest.mark.slow.mark
    some = [Case("some", sampled) for _ in range(8)]
    some.insert(1, Case("some", sampled, slow))
    others = [Case("others", sampled), Case("others", sampled), Case("not sampled")]
    leave_samples_fast([*some[:5], *others, *some[5:]])
    assert [place for place, case in enumerate(some) if "slow" not in case.marks] == [0, 4, 7]
    assert ["slow" in case.marks for case in others] == [False, True, False]
