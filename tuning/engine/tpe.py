"""Points that Optuna's tree-structured Parzen estimator draws."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tuning.engine.oracles import Proposals, random_trials
from tuning.space.dimensions import Dimension, Range, Values
from tuning.study import Study

if TYPE_CHECKING:
    import optuna

TRIES = 20  # of which one may be new and a network


class TpeOracle(Proposals):
    """Points that are probable among the better trials and improbable among the others, all dimensions together.

    Optuna is asked for points and keeps nothing: it is told of all trials whenever it is asked.

    Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011, section 4; Optuna's `TPESampler` with
    `multivariate`, `group` and `constant_liar`.
    """

    def __init__(self, study: Study, planned: int):
        if not find_spec("optuna"):
            raise ValueError(
                "The tuner tpe needs Optuna. Install it with: pip install 'keras-resnet-suite[tpe]'; or choose the "
                "tuner bayesian."
            )
        super().__init__(study, planned)

    def propose(self) -> dict[str, Any] | None:
        """Propose a point; the same one whenever as much is known."""
        from optuna.trial import TrialState

        study = self._told()
        for _ in range(TRIES):
            asked = study.ask()
            values = self._suggested(asked)
            if self._is_new(values):
                return values
            study.tell(asked, state=TrialState.FAIL)
        return self._random_values()

    def _told(self) -> optuna.Study:
        """Tell Optuna all that is known."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it greets every study
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                multivariate=True,
                group=True,
                constant_liar=True,
                n_startup_trials=random_trials(self.study),
                seed=self.seed + len(self.trials),
            )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        known = [(trial, {"value": score}) for trial, score in self.scores()]
        for trial, state in [
            *known,
            *((trial, {"state": optuna.trial.TrialState.RUNNING}) for trial in self.running()),
        ]:
            values = trial.hyperparameters.values
            open_ones = {one.name: distribution(one) for one in self._applying(values) if one.is_open}
            parameters = {name: values[name] for name in open_ones}
            study.add_trial(optuna.create_trial(params=parameters, distributions=open_ones, **state))
        return study

    def _suggested(self, asked: optuna.Trial) -> dict[str, Any]:
        """Ask for the value of each dimension that applies under those before it."""
        values: dict[str, Any] = {}
        for one in self.space.all_dimensions:
            if not dict(one.ancestors).items() <= values.items():
                continue
            if not one.is_open:
                values[one.name] = one.options[0].label
            elif isinstance(one, Range):
                number = asked.suggest_int if one.is_whole else asked.suggest_float
                values[one.name] = one.at(one.place(number(one.name, one.low, one.high, log=one.scale == "log")))
            else:
                values[one.name] = asked.suggest_categorical(one.name, [option.label for option in one.options])
        return values

    def _applying(self, values: Values) -> list[Dimension]:
        active = self.space.active(values)
        return [one for one in self.space.all_dimensions if one.name in active]


def distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    """Describe a dimension to Optuna."""
    from optuna import distributions

    if not isinstance(dimension, Range):
        return distributions.CategoricalDistribution([option.label for option in dimension.options])
    kind = distributions.IntDistribution if dimension.is_whole else distributions.FloatDistribution
    return kind(dimension.low, dimension.high, log=dimension.scale == "log")
