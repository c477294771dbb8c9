"""What follows from the results of a study, computed once for the page, its pictures and the terminal."""

from __future__ import annotations

import math
from functools import cached_property

from tuning.report.effects import main_effects
from tuning.report.statistics import better_half, compare, noise, pair_table, within_noise
from tuning.report.verdicts import judge
from tuning.report.wording import NONE, VERDICTS, Measure
from tuning.results import StudyResults, TrialResult, with_untried
from tuning.space.dimensions import signature


class Findings:
    """What a study has found."""

    def __init__(self, results: StudyResults):
        self.results, self.study, self.space = results, results.study, results.study.parsed_space
        self.measure = Measure.of(self.study)
        self.ranked = results.ranked()  # the trials with a score, the best first
        self.best = self.ranked[0] if self.ranked else None
        self.compared = compare(results)
        trials = self.compared.trials
        self.comparable = [trial for trial in self.ranked if trial in trials]  # those trained alike, the best first
        self.noise = noise(better_half(trials, self.study.sign))  # between seeds; None where no trial was repeated
        self.pair = pair_table(self.space, trials, self.study.sign)
        self.effects = main_effects(self.space, trials, noise(trials))
        self.verdicts = [judge(claim, [*self.points, *results.ensembles]) for claim in self.study.claims]
        # The surest first.
        self.effects_by_weight = sorted(self.effects, key=lambda e: (e.p is None, e.p or 0.0, -(e.share or 0.0)))

    @cached_property
    def points(self) -> list[TrialResult]:
        """All trials, and beside them the points of a grid of which there is none."""
        return with_untried(self.results)

    def verdict(self, trial: TrialResult) -> str:
        """Say whether a trial is within noise of the best one."""
        if trial == self.best:
            return "the best"
        if trial not in self.comparable or self.best not in self.comparable:
            return NONE
        return VERDICTS[within_noise(trial, self.best, self.noise)]

    def finals_by_rank(self) -> list[tuple[int | None, TrialResult | None, TrialResult]]:
        """Give the finalists that have a score, with the rank that each had in the search and its trial there."""
        searched = {signature(trial.fields): (rank, trial) for rank, trial in reversed([*enumerate(self.ranked, 1)])}
        found = [(*searched.get(signature(final.fields), (None, None)), final) for final in self.results.finals]
        return sorted((row for row in found if row[2].score is not None), key=lambda row: row[0] or math.inf)
