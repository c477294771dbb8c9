"""What follows from the results of a study, reckoned once for the page, its pictures and the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuning.report.effects import Effect, main_effects
from tuning.report.statistics import (
    CONFIDENCE,
    Compared,
    Noise,
    PairTable,
    better_half,
    compare,
    noise,
    pair_table,
    within_noise,
)
from tuning.report.wording import NONE, Measure, count_text, listing
from tuning.results import FAILED, KILLED, STOPPED, StudyResults, TrialResult
from tuning.space.reading import signature


@dataclass(frozen=True)
class Findings:
    """What a study has found.

    Args:
        results: StudyResults.
        measure: Measure.
        ranked: list of TrialResults with a score, the best first.
        compared: Compared, the trials that were trained alike.
        noise: Noise between seeds; None where no trial was repeated.
        pair: PairTable; None where fewer than two choices took several levels.
        effects: list of Effects.
    """

    results: StudyResults
    measure: Measure
    ranked: list[TrialResult]
    compared: Compared
    noise: Noise | None
    pair: PairTable | None
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
        return [trial for trial in self.comparable if trial != self.best and self.verdict(trial) == "yes"]

    def verdict(self, trial: TrialResult) -> str:
        """Say whether a trial is within noise of the best one."""
        if trial == self.best:
            return "the best"
        if trial not in self.compared.trials or self.best not in self.compared.trials:
            return NONE
        return {None: "unknown", True: "yes", False: "no"}[within_noise(trial, self.best, self.noise)]

    def final_of(self, trial: TrialResult) -> TrialResult | None:
        """Find what was made of a trial on the whole training set."""
        own = signature(trial.fields)
        return next((final for final in self.results.finals if signature(final.fields) == own), None)

    @property
    def basis(self) -> str:
        """The trials that are compared, and why others are not, in words."""
        ended = count_text(len(self.compared.trials), "trial that ended as planned", "trials that ended as planned")
        left = ", ".join(f"{number} {why}" for why, number in self.compared.left_out.items())
        return f"the {ended} (left out: {left})" if left else f"the {ended}"

    @property
    def least_difference(self) -> float | None:
        """The difference beyond noise of two trials that were repeated as the study says; None where unknown."""
        if self.noise is None:
            return None
        from scipy.stats import t

        reach = float(t.ppf((1 + CONFIDENCE) / 2, self.noise.freedom))
        return reach * self.noise.deviation * math.sqrt(2 / self.results.study.repeats)

    @property
    def unfinished(self) -> str:
        """What is still to be done, in words; empty where the study has ended."""
        running = sum(trial.status == "running" for trial in self.results.trials)
        parts = [f"{count_text(running, 'trial has', 'trials have')} runs without an outcome"] if running else []
        wanted = min(self.results.study.finalists, len(self.ranked))
        ended = sum(trial.status != "running" for trial in self.results.finals)
        if ended < wanted:
            parts.append(f"{ended} of {count_text(wanted, 'finalist')} tested so far")
        if not self.results.trials:
            parts.append("no trial has begun")
        return listing(parts)


def find(results: StudyResults) -> Findings:
    """Reckon what follows from results.

    Args:
        results: StudyResults.

    Returns:
        Findings.
    """
    study, compared = results.study, compare(results)
    return Findings(
        results,
        Measure(study.objective),
        results.ranked(),
        compared,
        noise(better_half(compared.trials, study.direction)),
        pair_table(study.parsed_space, compared.trials, study.direction),
        main_effects(study.parsed_space, compared.trials, noise(compared.trials)),
    )


def reason_of(trial: TrialResult) -> str:
    """Say why a trial failed or was stopped, in one line."""
    if trial.status == STOPPED and not trial.reason:
        return "worse than the median of the trials before it at the same epoch"
    return " ".join(trial.reason.split()) or {FAILED: "no reason given", KILLED: "its process was killed"}[trial.status]
