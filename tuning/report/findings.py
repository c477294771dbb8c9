"""What follows from the results of a study, computed once for the page, its pictures and the terminal."""

from __future__ import annotations

import math

from tuning.report.effects import Effect, main_effects
from tuning.report.statistics import better_half, compare, noise, pair_table, within_noise
from tuning.report.wording import NONE, VERDICTS, Measure
from tuning.results import StudyResults, TrialResult
from tuning.space.reading import signature


class Findings:
    """What a study has found."""

    def __init__(self, results: StudyResults):
        self.results, self.study, self.space = results, results.study, results.study.parsed_space
        self.measure = Measure(self.study.objective)
        self.ranked = results.ranked()  # the trials with a score, the best first
        self.compared = compare(results)
        trials = self.compared.trials
        self.noise = noise(better_half(trials, self.study.sign))  # between seeds; None where no trial was repeated
        self.pair = pair_table(self.space, trials, self.study.sign)
        self.effects = main_effects(self.space, trials, noise(trials))

    @property
    def best(self) -> TrialResult:
        """The best trial; there is one where any trial has a score."""
        return self.ranked[0]

    @property
    def comparable(self) -> list[TrialResult]:
        """The trials that were trained alike, the best first."""
        return [trial for trial in self.ranked if trial in self.compared.trials]

    @property
    def rivals(self) -> list[TrialResult]:
        """The trials that differ from the best one by no more than noise, the best of them first."""
        return [trial for trial in self.comparable if self.verdict(trial) == VERDICTS[True]]

    @property
    def least_difference(self) -> float | None:
        """The difference beyond noise of two trials that were repeated as the study says; None where unknown."""
        return self.noise and self.noise.reach(self.study.repeats, self.study.repeats)

    @property
    def effects_by_weight(self) -> list[Effect]:
        """The effects, the surest first."""
        return sorted(self.effects, key=lambda effect: (effect.p is None, effect.p or 0.0, -(effect.share or 0.0)))

    def verdict(self, trial: TrialResult) -> str:
        """Say whether a trial is within noise of the best one."""
        if trial == self.best:
            return "the best"
        if trial not in self.compared.trials or self.best not in self.compared.trials:
            return NONE
        return VERDICTS[within_noise(trial, self.best, self.noise)]

    def finals_by_rank(self) -> list[tuple[int | None, TrialResult | None, TrialResult]]:
        """Give the finalists that have a score, with the rank that each had in the search and its trial there."""
        searched = {signature(trial.fields): (rank, trial) for rank, trial in reversed([*enumerate(self.ranked, 1)])}
        found = [(*searched.get(signature(final.fields), (None, None)), final) for final in self.results.finals]
        return sorted((row for row in found if row[2].score is not None), key=lambda row: row[0] or math.inf)
