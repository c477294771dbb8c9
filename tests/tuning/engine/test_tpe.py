"""Optuna's estimator behind keras-tuner's face."""

import numpy as np
import pytest

from tests.tuning.engine.test_oracles import MIXED, NESTED, finish, made, run  # noqa: F401 - a fixture
from tuning.space.dimensions import signature


def test_without_optuna_the_way_out_is_named(made, monkeypatch):  # noqa: F811
    monkeypatch.setattr("tuning.engine.tpe.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs Optuna. Install it with: pip install 'keras-resnet-suite\[tpe\]'"):
        made(MIXED, tuner="tpe", trials=3)


class TestWithOptuna:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("optuna", reason="the extra tpe is not installed")

    def test_search_goes_where_the_scores_are(self, made):  # noqa: F811
        oracle = made(MIXED, tuner="tpe", trials=30)
        score = lambda fields: 1 - abs(fields["learning_rate"] - 0.3)  # noqa: E731
        rates = np.array([fields["learning_rate"] for fields in run(oracle, score)])
        assert np.abs(rates[-10:] - 0.3).mean() < 0.6 * np.abs(rates[:10] - 0.3).mean()

    def test_same_seed_proposes_the_same_trials_and_another_does_not(self, made):  # noqa: F811
        one, two, other = (
            run(made(MIXED, str(place), tuner="tpe", trials=12, seed=seed), lambda fields: fields["learning_rate"])
            for place, seed in enumerate((0, 0, 1))
        )
        assert one == two != other

    def test_points_are_whole_and_none_comes_twice_also_among_workers(self, made):  # noqa: F811
        oracle = made(NESTED, tuner="tpe", trials=20)
        points = []
        for number in range(20):
            trial = oracle.create_trial(f"worker {number % 3}")
            points.append(trial.hyperparameters.values)
            assert oracle.space.active(points[-1]) == points[-1]
            if number % 3 == 2:
                for running in list(oracle.running()):
                    finish(oracle, running, float(number))
        assert len({signature(point) for point in points}) == 20

    def test_every_point_of_a_small_space_is_tried_once(self, made):  # noqa: F811
        fields = run(made(tuner="tpe", trials=20))
        assert len(fields) == len({signature(one) for one in fields}) == 4
