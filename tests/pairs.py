"""Products of choices: combinations that hold every pair run in `make test`, all others in `make test-slow`."""

import itertools
from collections.abc import Callable, Iterable

import pytest


def pairwise(combinations: list[tuple], together: int = 2) -> list[tuple]:
    """Choose combinations, few of them, that hold every pair of values which stand together in any of them."""
    pairs = {combination: {*itertools.combinations(enumerate(combination), together)} for combination in combinations}
    missing, chosen = set().union(*pairs.values()), []
    while missing:
        chosen.append(max(combinations, key=lambda combination: len(pairs[combination] & missing)))
        missing -= pairs[chosen[-1]]
    return chosen


def products(*options: Iterable, possible: Callable[..., bool] = lambda *_: True, together: int = 2) -> list:
    """List the parameters of a test over all possible combinations, slow but for those that hold every pair.

    Or, with `together=1`, but for those that hold every value.
    """
    combinations = [combination for combination in itertools.product(*options) if possible(*combination)]
    fast = set(pairwise(combinations, together))
    return [
        pytest.param(*combination, marks=() if combination in fast else pytest.mark.slow)
        for combination in combinations
    ]
