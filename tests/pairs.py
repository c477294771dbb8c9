"""Products of choices: combinations that hold every pair run in `make test`, all others in `make test-slow`."""

import itertools
from collections.abc import Iterable

import pytest


def pairwise(*options: Iterable) -> list[tuple]:
    """Choose combinations, few of them, in which any two values of different options stand together at least once."""
    combinations = list(itertools.product(*options))
    pairs = {combination: {*itertools.combinations(enumerate(combination), 2)} for combination in combinations}
    missing, chosen = set().union(*pairs.values()), []
    while missing:
        chosen.append(max(combinations, key=lambda combination: len(pairs[combination] & missing)))
        missing -= pairs[chosen[-1]]
    return chosen


def products(*options: Iterable) -> list:
    """List the parameters of a test over all combinations, marked slow but for those that cover every pair."""
    options = [list(values) for values in options]
    fast = set(pairwise(*options))
    return [
        pytest.param(*combination, marks=() if combination in fast else pytest.mark.slow)
        for combination in itertools.product(*options)
    ]
