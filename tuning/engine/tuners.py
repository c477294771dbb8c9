"""The ways to search, by name."""

from __future__ import annotations

import itertools
from typing import Any

from tuning.engine.bayesian import BayesianOracle
from tuning.engine.epochs import deciding_lengths
from tuning.engine.halving import HalvingOracle
from tuning.engine.oracles import Proposals
from tuning.engine.tpe import TpeOracle
from tuning.space.dimensions import LISTED, possible_points
from tuning.study import Study


class RandomOracle(Proposals):
    """Points at random."""

    def propose(self) -> dict[str, Any] | None:
        """Draw a point that was not tried."""
        return self._random_values()


class GridOracle(Proposals):
    """All points, in their order."""

    def propose(self) -> dict[str, Any] | None:
        """Give the next point of the list."""
        return next((dict(values) for values in self.listed if not self._duplicate(values)), None)


ORACLES: dict[str, type[Proposals]] = {
    "random": RandomOracle,
    "grid": GridOracle,
    "bayesian": BayesianOracle,
    "tpe": TpeOracle,
    "hyperband": HalvingOracle,
}


def make_oracle(study: Study, planned: int) -> Proposals:
    """Make the oracle of a study, a keras_tuner.Oracle too; its runs take the planned epochs, or as their points say.

    A ValueError says that an option fits nothing in the space, or that a grid has more points than the budget, or that
    runs of several lengths would be held against each other.
    """
    if study.tuner == "hyperband" and study.stop == "median":
        raise ValueError(
            "stop=median compares runs of one length, and hyperband makes runs of several and ends what does badly "
            "itself. Leave stop out, or choose another tuner."
        )
    check_length(study)
    oracle, space = ORACLES[study.tuner](study, planned), study.parsed_space
    if study.tuner == "grid" or space.is_listable:
        oracle.listed = possible_points(space, space.points(), study.problem)
    else:
        possible_points(space, itertools.islice(space.points(coarse=True), LISTED), study.problem)
    points = len(oracle.listed or ())
    epochs = study.repeats * sum(map(oracle.length, oracle.listed)) if study.tuner == "grid" else 0
    if study.tuner == "grid" and study.trials is not None and study.trials < points:
        raise ValueError(
            f"The grid has {points} points and the budget is {study.trials} trials, which would cover the first "
            "options only. Give as many trials, a smaller space, or the random tuner."
        )
    if study.tuner == "grid" and study.total_epochs is not None and study.total_epochs < epochs:
        raise ValueError(
            f"The grid has {points} points, which take {epochs} epochs, and the budget is {study.total_epochs}. "
            "Give as many, a smaller space, or the random tuner."
        )
    return oracle


def check_length(study: Study) -> None:
    """Refuse lengths of runs that a space decides where the search does so itself, or needs runs of one length."""
    if not (names := " and ".join(deciding_lengths(study))):
        return
    of_steps = " of a run of so many iterations" if names == "batch_size" else ""
    if study.tuner == "hyperband":
        raise ValueError(
            f"hyperband decides itself how long runs are, and {names}{of_steps} is searched, which would decide it "
            "too. Give epochs in fields instead, or choose another tuner."
        )
    if study.stop == "median":
        raise ValueError(
            f"stop=median compares runs of one length, and {names}{of_steps} is searched, which makes several. Give "
            "epochs in fields instead, or leave stop out."
        )
