"""What becomes of a claim, worked out by hand and against SciPy's own Welch test."""

from pathlib import Path

import numpy as np
import pydantic
import pytest
from scipy import stats

from tuning.claims import Claim
from tuning.report.verdicts import HOLDS, MISSING, NOT_RUN, ONE_SEED, OPEN, OPPOSITE, judge
from tuning.results import COMPLETED, DIVERGED, FAILED, RUNNING, Outcome, Run, TrialResult

PLAIN, RESIDUAL = {"shortcut": "none", "network": "ResNet56"}, {"shortcut": "A", "network": "ResNet56"}


def claim(higher=PLAIN, lower=RESIDUAL, **changes) -> Claim:
    return Claim(claim="More layers.", source="a paper", higher=higher, lower=lower, **changes)


def trial(values, *accuracies, status=COMPLETED) -> TrialResult:
    """Make a trial with a run for each row of training accuracies by epoch; tests are worse by a tenth."""
    runs = []
    for seed, row in enumerate(accuracies):
        history = [
            {"epoch": epoch, "accuracy": value, "val_accuracy": value - 0.1, "loss": 2 * value, "val_loss": value}
            for epoch, value in enumerate(np.atleast_1d(row), start=1)
        ]
        runs.append(Run(Path(), seed, Outcome(status, 0.5), history))
    return TrialResult("0", values, values, 1, tuple(runs))


@pytest.mark.parametrize(
    ("plain", "residual", "word"),
    [
        ((0.50, 0.52, 0.51), (0.90, 0.93, 0.91), HOLDS),
        ((0.90, 0.93, 0.91), (0.50, 0.52, 0.51), OPPOSITE),
        ((0.50, 0.80), (0.70, 0.85), OPEN),
        ((0.5, 0.5), (0.9, 0.92), HOLDS),
        ((0.5, 0.5, 0.5), (0.6, 0.6, 0.6), OPEN),  # by seeds that agree nothing tells what noise is
    ],
)
def test_difference_has_the_interval_of_welch(plain, residual, word):
    verdict = judge(claim(), [trial(PLAIN, *plain), trial(RESIDUAL, *residual)])
    errors = [100 * (1.1 - np.array(side)) for side in (plain, residual)]
    assert verdict.word == word
    np.testing.assert_allclose(verdict.sides, [side.mean() for side in errors])
    if np.ptp(plain) and np.ptp(residual):  # SciPy warns of a side without any spread
        low, high = stats.ttest_ind(*errors, equal_var=False).confidence_interval(0.95)
        np.testing.assert_allclose(verdict.difference + verdict.reach * np.array([-1, 1]), [low, high])


def test_measures_and_the_epoch_are_those_of_the_claim():
    trials = [trial(PLAIN, [0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5]), trial(RESIDUAL, [0.9] * 4, [0.9] * 4)]
    found = {
        (measure, at): judge(claim(measure=measure, at=at), trials).sides[0]
        for measure, at in (("training error", 1.0), ("training error", 0.5), ("test error", 0.25), ("test loss", 0.6))
    }
    assert [round(value, 6) for value in found.values()] == [55, 75, 95, 0.25]
    assert judge(claim(measure="training loss"), trials).sides[0] == pytest.approx(0.9)


@pytest.mark.parametrize(("at", "epochs", "epoch"), [(0.17, 12, 2), (0.1667, 164, 27), (0.07, 100, 7), (0.01, 12, 1)])
def test_epoch_of_a_claim_is_the_nearest(at, epochs, epoch):
    row = np.arange(1, epochs + 1) / 1000
    trials = [trial(PLAIN, row, row), trial(RESIDUAL, row, row)]
    assert judge(claim(measure="test loss", at=at), trials).sides[0] == pytest.approx(epoch / 1000)


def test_seeds_that_agree_by_chance_are_judged_by_the_spread_of_all_points():
    """Of 364 images, two seeds each err on 4 and on 3; at two other points the seeds differ by 2 and by 4 images."""
    wrong = {20: (6, 8), 32: (9, 5), 44: (4, 4), 56: (3, 3), 110: (30, 30)}
    values = {layers: {"network": f"ResNet{layers}"} for layers in wrong}
    trials = [trial(values[layers], *(1 - n / 364 for n in seeds)) for layers, seeds in wrong.items()]
    near = judge(claim(values[44], values[56]), trials)
    # Squares 2, 8 and 0, 0, 0 by a degree of freedom each, in images.
    reach = stats.t.ppf(0.975, 5) * np.sqrt(10 / 5) * 100 / 364
    assert (near.word, near.reach) == (OPEN, pytest.approx(reach))
    assert judge(claim(values[110], values[44]), trials).word == HOLDS
    both = judge(claim((values[110], values[44]), (values[56], values[44])), trials)
    assert both.reach == pytest.approx(reach * np.sqrt(2))
    assert judge(claim(values[44], values[56]), trials[2:]).word == OPEN  # and there is none


def test_a_side_may_be_a_difference_paired_by_seed():
    shallow = {network: {**side, "network": "ResNet20"} for network, side in (("plain", PLAIN), ("residual", RESIDUAL))}
    trials = [
        trial(PLAIN, 0.50, 0.60),
        trial(shallow["plain"], 0.70, 0.78),
        trial(RESIDUAL, 0.90, 0.91),
        trial(shallow["residual"], 0.88, 0.90),
    ]
    verdict = judge(claim((PLAIN, shallow["plain"]), (RESIDUAL, shallow["residual"])), trials)
    np.testing.assert_allclose(verdict.sides, [19.0, -1.5])  # 20 and 18 points more, 2 and 1 fewer
    assert verdict.word == HOLDS


def test_several_trials_of_a_side_are_averaged_over_the_seeds_that_all_have():
    wide = {"shortcut": "A"}
    trials = [trial(RESIDUAL, 0.9, 0.7, 0.1), trial({**RESIDUAL, "network": "ResNet20"}, 0.8, 0.6), trial(PLAIN, 0.5)]
    verdict = judge(claim(PLAIN, wide), trials)
    assert verdict.sides[1] == pytest.approx(100 * (1.1 - 0.75)) and verdict.word == ONE_SEED
    assert verdict.reach is None


def test_what_did_not_end_is_not_judged():
    trials = [trial(PLAIN, 0.5, 0.5, status=FAILED), trial(RESIDUAL, 0.9, 0.9)]
    assert judge(claim(), trials) == (claim(), NOT_RUN, None, None, None, (trials[0],))


@pytest.mark.parametrize("status", [FAILED, RUNNING, None])
def test_claim_is_not_judged_by_unequal_networks(status):
    """Plain and residual networks are alike here; without the deeper plain one its side would seem the better."""
    shallow = [{**values, "network": "ResNet20"} for values in (PLAIN, RESIDUAL)]
    deep = trial(PLAIN, 0.5, 0.5, status=status)
    if status is None:  # it has not begun
        deep = TrialResult("", PLAIN, PLAIN, 0, ())
    trials = [*(trial(values, 0.9, 0.92) for values in shallow), trial(RESIDUAL, 0.5, 0.52), deep]
    sides = claim({"shortcut": "A"}, {"shortcut": "none"})
    assert judge(sides, trials) == (sides, MISSING, None, None, None, (deep,))
    assert judge(claim(*shallow), trials).word == OPEN  # whose points have ended


def test_run_that_diverged_is_wrong_on_every_image_whenever_it_did():
    residual = trial(RESIDUAL, [0.9, 0.9], [0.88, 0.88])
    verdict = judge(claim(at=0.5), [trial(PLAIN, [0.5, 0.6], [0.5, 0.6], status=DIVERGED), residual])
    assert verdict.word == HOLDS
    np.testing.assert_allclose(verdict.sides, [100, 100 * (1.1 - 0.89)])
    assert judge(claim(measure="training loss"), [trial(PLAIN, 0.5, 0.5, status=DIVERGED), residual]).word == OPEN


def test_seeds_that_did_not_diverge_count_as_they_ended_and_those_that_run_do_not():
    lost, ended, running = trial(PLAIN, 0.3, 0.5, 0.7, status=DIVERGED).runs
    runs = (lost._replace(history=[]), ended._replace(outcome=Outcome(COMPLETED, 0.5)), running._replace(outcome=None))
    mixed = TrialResult("0", PLAIN, PLAIN, 1, runs)
    verdict = judge(claim(), [mixed, trial(RESIDUAL, 0.9, 0.9)])
    assert mixed.status == DIVERGED and verdict.sides[0] == pytest.approx((100 + 60) / 2)
    assert verdict.word == OPEN  # 60 ± 254, for 100 and 60 lie far apart


def test_numbers_that_are_none_decide_nothing():
    trials = [trial(PLAIN, np.nan, 0.5), trial(RESIDUAL, 0.9, 0.9)]
    assert judge(claim(), trials).word == OPEN


@pytest.mark.parametrize("wrong", [{"measure": "speed"}, {"at": 0.0}, {"hihger": {}}])
def test_what_cannot_be_measured_is_refused(wrong):
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        claim(**wrong)
