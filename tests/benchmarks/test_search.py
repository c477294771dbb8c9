"""The comparison of the ways to search: its objectives have the best value that they say, and the page the numbers."""

import csv
import sys

import numpy as np
import pytest

from tests.shared import ROOT
from tuning.space.coding import Coding


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import search
    yield search
    sys.modules.pop("search")


@pytest.mark.parametrize("name", ["categories", "pairs", "conditional", "noisy"])
def test_best_value_of_an_objective_is_reached_and_not_exceeded(script, name):
    setting = script.OBJECTIVES[name]
    objective = setting.draw(np.random.default_rng(3))
    study = script.synthetic()(trials=1, fields={}, space=dict(setting.space))
    coding, generator = Coding(study.parsed_space), np.random.default_rng(0)
    rows = coding.draw(generator, 1000)
    for _ in range(12):  # climb from the best of the points that were drawn
        values = np.array([objective.value(coding.values(row)) for row in rows])
        best = rows[np.argsort(-values)[:40]]
        rows = np.vstack([best, coding.changed(generator, np.repeat(best, 15, axis=0))])
    assert values.max() <= objective.best + 1e-9
    assert values.max() > objective.best - 0.05


def test_regret_of_a_search_is_that_of_the_trial_with_the_best_score(script, monkeypatch):
    monkeypatch.setattr(script, "TRIALS", 6)
    monkeypatch.setattr(script, "SHOWN", (1, 3, 6))
    monkeypatch.setattr(script, "spread", lambda *_: 2.0)
    truth = iter([5.0, 3.0, 4.0, 1.0, 2.0, 6.0])  # regrets of 6 trials

    def draw(generator):
        values = {}
        return script.Objective(lambda point: values.setdefault(str(point), 10.0 - next(truth)), 10.0)

    setting = script.Setting(draw, {"learning_rate": {"low": 0.1, "high": 1.0}})
    assert script.search("random", setting, 0) == [2.5, 1.5, 0.5]


def test_page_tells_means_intervals_and_differences(script, tmp_path):
    file = tmp_path / "search.csv"
    with open(file, "w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(script.COLUMNS)
        for repeat in range(5):
            writer.writerow(["pairs", repeat, "ours", 0.5, 0.25, 0.1])
            writer.writerow(["pairs", repeat, "random", 0.9, 0.8, 0.6])
        writer.writerow(["pairs", 7, "random", 0.9, 0.8, 6.6])  # which ours has not searched
        writer.writerow(["pairs", 0, "tpe", 0.9, 0.8, 0.3])
    lines = list(script.table(script.read_results(file)))
    means = "0.90 (0.90 to 0.90) | 0.80 (0.80 to 0.80)"
    assert f"| random | 6 | {means} | 1.60 (0.60 to 3.60) | 0.50 (0.50 to 0.50) |" in lines
    means = "0.50 (0.50 to 0.50) | 0.25 (0.25 to 0.25)"
    assert f"| `--tuner bayesian` | 5 | {means} | 0.10 (0.10 to 0.10) |  |" in lines
    assert "| `--tuner tpe` (Optuna) | 1 | 0.90 | 0.80 | 0.30 | 0.20 |" in lines


def test_bootstrap_interval_is_that_of_the_mean(script):
    numbers = np.random.default_rng(1).normal(size=400)
    mean, low, high = (
        float(word) for word in script.interval(numbers).replace("(", "").replace(" to", "")[:-1].split()
    )
    expected = 1.96 * numbers.std() / 20
    assert (mean - low, high - mean) == pytest.approx((expected, expected), abs=0.015)
