"""Points at which a model of the scores expects the best one."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle

from tuning.engine.oracles import Proposals
from tuning.study import Study


def random_trials(study: Study) -> int:
    """Count the trials before the model proposes any: a few more than dimensions, a quarter of all at most."""
    wanted = len(study.parsed_space.searched) + 2
    return max(min(wanted, (study.trials or 4 * wanted) // 4), 3)


class BayesianOracle(Proposals, BayesianOptimizationOracle):
    """Points at which a Gaussian process expects the best score."""

    def __init__(self, study: Study, planned: int):
        super().__init__(study, planned)
        self.num_initial_points = random_trials(study)

    def propose(self) -> dict[str, Any] | None:
        """Propose a point; the same one whenever as much is known."""
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        return BayesianOptimizationOracle.populate_space(self, "")["values"]
