"""What follows from the results of a study, computed once for the page, its pictures and the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from tuning.report.effects import Effect, main_effects
from tuning.report.statistics import Compared, Noise, PairTable, better_half, compare, noise, pair_table, within_noise
from tuning.report.wording import NONE, VERDICTS, Measure
from tuning.results import StudyResults, TrialResult
from tuning.space.reading import signature


@dataclass(frozen=True)
class Findings:
    """What a study has found."""

    results: StudyResults
    measure: Measure
    ranked: list[TrialResult]  # with a score, the best first
    compared: Compared
    noise: Noise | None  # between seeds; None where no trial was repeated
    pair: PairTable | None  # None where fewer than two choices took several levels
    effects: list[Effect]

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
        repeats = self.results.study.repeats
        return self.noise and self.noise.reach(repeats, repeats)

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

    def final_of(self, trial: TrialResult) -> TrialResult | None:
        """Find what was made of a trial on the whole training set."""
        own = signature(trial.fields)
        return next((final for final in self.results.finals if signature(final.fields) == own), None)

    def finals_by_rank(self) -> list[tuple[int, TrialResult | None, TrialResult]]:
        """Give the finalists that have a score, with the rank that each had in the search and its trial there."""
        found = [(rank, trial, self.final_of(trial)) for rank, trial in enumerate(self.ranked, start=1)]
        known = [row for row in found if row[2] is not None]
        rest = [(0, None, final) for final in self.results.finals if final not in [row[2] for row in known]]
        return [row for row in [*known, *rest] if row[2].score is not None]


def find(results: StudyResults) -> Findings:
    """Compute what follows from results."""
    study, compared = results.study, compare(results)
    return Findings(
        results,
        Measure(study.objective),
        ranked=results.ranked(),
        compared=compared,
        noise=noise(better_half(compared.trials, study.direction)),
        pair=pair_table(study.parsed_space, compared.trials, study.direction),
        effects=main_effects(study.parsed_space, compared.trials, noise(compared.trials)),
    )
