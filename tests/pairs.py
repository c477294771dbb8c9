"""Which of many cases run in `make test`; all others run in `make test-slow`.

Of products of choices those that hold every pair, of lists of cases every few.
"""

import itertools
from collections import Counter
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


def parted(combinations: list[tuple], together: int = 2) -> tuple[list[tuple], list]:
    """Part combinations into those that hold every pair, or every value, and all others as slow parameters of a test.

    For a test that does more with the first than with the others.
    """
    first = pairwise(combinations, together)
    chosen = set(first)
    return first, [pytest.param(*row, marks=pytest.mark.slow) for row in combinations if row not in chosen]


def leave_samples_fast(items: Iterable[pytest.Item]) -> None:
    """Mark as slow, of each test marked `sampled(n)`, all cases but every n-th of those that are not slow already."""
    passed = Counter()
    for item in items:
        marker = item.get_closest_marker("sampled")
        if marker and not item.get_closest_marker("slow"):
            if passed[item.function] % marker.args[0]:
                item.add_marker(pytest.mark.slow)
            passed[item.function] += 1
