"""The sentences of a report that depend on what was found."""

from __future__ import annotations

from collections import Counter

from training.config import FIELDS, SHORT
from training.config.fields import flatten
from tuning.claims import ENSEMBLE
from tuning.report.effects import Effect
from tuning.report.findings import Findings
from tuning.report.statistics import LEFT_OUT
from tuning.report.verdicts import Verdict
from tuning.report.wording import VERDICTS, count_text, listing, point_text
from tuning.results import DIVERGED, FAILED, FAULT, KILLED, LOST, RUNNING, STOPPED, TrialResult
from tuning.space.reading import searched_paths

ALPHA = 0.05
FEW = 2  # points that are named where more are missing
PATIENCE = "evaluation.patience"  # the field that ends a run which no longer improves
# Why a trial ended that says nothing of it.
UNTOLD = {
    DIVERGED: "no reason given",
    FAILED: "no reason given",
    FAULT: "no reason given",
    KILLED: "its process was killed",
    STOPPED: "worse than the median of the trials before it at the same epoch",
}


def common_field(findings: Findings, name: str) -> str:
    """Write a field of a run that all trials have in common; "searched" where it is not."""
    study, path = findings.study, SHORT.get(name, name)
    if path in searched_paths(study.space):
        return "searched"
    value = flatten(study.fields).get(path, FIELDS[path].default)
    return "the default" if value is None else str(value)


def topic(findings: Findings) -> str:
    """Name what a study varies, and on what data."""
    names = listing([dimension.name for dimension in findings.space.searched])
    return f"Study of {names or 'one point'} on {common_field(findings, 'dataset')}"


def diverged(findings: Findings) -> bool:
    """Tell whether any run of a study diverged."""
    return any(trial.status == DIVERGED for trial in findings.results.trials)


def how_judged(findings: Findings) -> str:
    """Say on what a verdict rests."""
    seeds = count_text(findings.study.repeats, "seed")
    lost = " A run that diverged counts as wrong on every image, at any epoch." if diverged(findings) else ""
    if any(verdict.missing for verdict in findings.verdicts):
        lost += " A claim is judged when all points of both sides have ended."
    return (
        f"Here means {common_field(findings, 'dataset')}, with {seeds} of each point; the first number is that of the "
        "side that is claimed to have more. A claim holds where the 95 % interval of the difference of the means "
        "(Welch; where no seed differs from another, by the spread between seeds at all points) lies above zero, and "
        "its opposite where it lies below; else the runs leave it undecided."
        f"{lost}"
    )


def missing_text(findings: Findings, verdict: Verdict) -> str:
    """Name the points without which a claim cannot be judged, and how each stands; empty where none is missing."""
    names = []
    for trial in verdict.missing[:FEW]:
        ensemble = trial.values.get(ENSEMBLE)
        name = f"ensemble {ensemble}" if ensemble else point_text(findings.space, trial)
        names.append(f"{name} ({LEFT_OUT[trial.status] if trial.runs else 'without a result'})")
    more = len(verdict.missing) - len(names)
    return f"missing: {'; '.join(names)}{f' and {more} more' if more else ''}" if names else ""


def headline(findings: Findings) -> str:
    """Say what is best, by how much, and whether anything else is as good."""
    best, measure, space = findings.best, findings.measure, findings.space
    score = f"{measure.with_spread(best.score, best.spread)}{measure.unit}"
    name = "" if measure.unit else "loss "
    text = f"Best: {point_text(space, best)}: {name}{score} {measure.place}"
    text += f" ({count_text(len(best.scores), 'seed')})"
    if final := next((final for rank, _, final in findings.finals_by_rank() if rank == 1), None):
        text += f", {measure.with_spread(final.score, final.spread)}{measure.unit} on the test set"
    if findings.noise is None or best not in findings.comparable or len(findings.comparable) < 2:
        return f"{text}."
    if not (rivals := [trial for trial in findings.comparable if findings.verdict(trial) == VERDICTS[True]]):
        return f"{text}. No other trial is within noise of it."
    named = "; ".join(point_text(space, trial) for trial in rivals[:3])
    more = ": among them " if len(rivals) > 3 else ": "
    return f"{text}. {count_text(len(rivals), 'other trial is', 'other trials are')} within noise of it{more}{named}."


def finals_named(findings: Findings) -> str:
    """Name the trials that were tested: the best, or others where the search went on, or a test failed."""
    ranks = [rank for rank, _, _ in findings.finals_by_rank()]
    best = [findings.ranked.index(trial) + 1 for trial in findings.results.finalists(len(ranks))]
    if ranks == best:  # between which other trials of the same points may be
        return f"The best {count_text(len(ranks), 'trial' if ranks[-1] == len(ranks) else 'point')}"
    return f"The trials of rank {listing(list(map(str, ranks)))}" if all(ranks) else "The points of this table"


def length_of_finals(findings: Findings) -> str:
    """Say how long finalists were trained whose trials were ended early; empty where none was."""
    tested = [(trial, final) for _, trial, final in findings.finals_by_rank() if trial]
    if not tested or common_field(findings, PATIENCE) == "the default":
        return ""
    searched, made = (sorted({outcome.epochs for one in side for outcome in one.outcomes}) for side in zip(*tested))
    if searched == made:
        return ""
    return (
        "Early stopping needs a validation split, so these runs went without it: where the rate follows a course they "
        "took all of it, and elsewhere they made as many epochs as their runs in the search, in the middle of them. "
        f"They made {_between(made)}, those in the search {_between(searched)}."
    )


def _between(epochs: list[int]) -> str:
    """Write the ends of numbers of epochs, the least first."""
    return count_text(epochs[-1], "epoch") if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]} epochs"


def early_stopping(findings: Findings) -> str:
    """Say what ends runs before their length; "none" where nothing does."""
    study, patience = findings.study, common_field(findings, PATIENCE)
    parts = [] if study.stop == "none" else [f"{study.stop}, not before epoch {study.grace}"]
    if patience == "searched":
        parts.append("patience, searched")
    elif patience != "the default":
        parts.append(f"patience of {count_text(int(patience), 'epoch')}")
    return listing(parts) or "none"


def unfinished(findings: Findings) -> str:
    """Say what is still to be done; empty where the study has ended."""
    results = findings.results
    running = sum(trial.status == RUNNING for trial in results.trials)
    parts = [f"{count_text(running, 'trial has', 'trials have')} runs without an outcome"] if running else []
    ended, wanted = results.tested()
    if ended < wanted:
        parts.append(f"{ended} of {count_text(wanted, 'finalist')} tested so far")
    if not results.trials:
        parts.append("no trial has begun")
    elif left := points_left(findings):
        parts.append(f"{count_text(left, 'point is', 'points are')} not tried yet")
    return listing(parts)


def points_left(findings: Findings) -> int:
    """Count the points of a grid that are still to be tried; none where epochs or hours may end it before."""
    study, tried = findings.study, len(findings.results.trials)
    if study.total_epochs or study.hours:
        return 0
    return max(min(len(findings.points), study.trials or len(findings.points)) - tried, 0)


def why_none(findings: Findings) -> str:
    """Say why no trial has a score."""
    trials = findings.results.trials
    if not trials:
        return "none has begun"
    counts = listing([f"{number} {status}" for status, number in sorted(Counter(t.status for t in trials).items())])
    reasons = [reason_of(trial) for trial in trials if trial.status in LOST]
    first = f", the first with: {reasons[0].rstrip('.')}" if reasons else ""
    return f"of {count_text(len(trials), 'trial')}, {counts}{first}"


def basis(findings: Findings) -> str:
    """Name the trials that are compared, and why others are not."""
    ended = count_text(len(findings.compared.trials), "trial that ended as planned", "trials that ended as planned")
    left = ", ".join(f"{number} {why}" for why, number in findings.compared.left_out.items())
    return f"the {ended} (left out: {left})" if left else f"the {ended}"


def what_matters(effects: list[Effect]) -> str:
    """Say which factors change the score, `effects` coming in the order of their importance."""
    matter = listing([effect.name for effect in effects if effect.p is not None and effect.p < ALPHA])
    rest = listing([effect.name for effect in effects if effect.p is not None and effect.p >= ALPHA])
    untested = listing([effect.name for effect in effects if effect.p is None])
    parts = [f"The choice of {matter} changes the score by more than noise." if matter else ""]
    parts += [f"No effect can be told from noise for {rest}." if rest else ""]
    parts += [f"The trials are too few, or too much alike, to test {untested}." if untested else ""]
    return " ".join(filter(None, parts))


def untold(findings: Findings) -> str:
    """Name the searched dimensions that the trials tell nothing of; empty where there are none."""
    told = {effect.name for effect in findings.effects}
    names = [part.name for part in findings.space.all_dimensions if part.is_open and part.name not in told]
    return f"Too few trials or levels to tell: {listing(names)}." if names else ""


def reason_of(trial: TrialResult) -> str:
    """Say why a trial failed or was stopped, in one line."""
    return " ".join(trial.reason.split()) or UNTOLD[trial.status]
