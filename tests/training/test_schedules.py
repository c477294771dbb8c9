"""Learning rates at chosen steps against their formulas."""

import math

import keras
import numpy as np
import pytest

from training.config import load_recipe, make_config
from training.optimization.curves import PiecewiseLinear, WarmUp, piecewise_linear
from training.optimization.schedules import SCHEDULES, make_schedule


def rates(steps: list[int], length: int, peak: float, name: str, **parameters) -> list[float]:
    """Give the rates at some steps of a run of a length."""
    schedule = make_schedule({"name": name, **parameters}, length)(peak)
    return [float(schedule(step)) for step in steps]


def test_constant_is_the_rate_itself():
    assert make_schedule("constant", 100)(0.03) == 0.03


def test_one_cycle_rises_and_falls_in_straight_lines():
    actual = rates([0, 10, 20, 60, 99, 100, 150], 100, 0.4, "one_cycle", warmup=0.2)
    np.testing.assert_allclose(actual, [0, 0.2, 0.4, 0.2, 0.4 / 80, 0, 0], atol=1e-7)


def test_one_cycle_without_warmup_only_falls():
    actual = rates([0, 25, 100], 100, 0.4, "one_cycle", warmup=0.0)
    np.testing.assert_allclose(actual, [0.4, 0.3, 0], atol=1e-7)


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_cosine_falls_along_half_a_wave_after_a_linear_rise(warmup):
    steps, length, peak, warm = [0, 5, 10, 37, 60, 99, 100, 120], 100, 0.05, round(100 * warmup)

    def expected(step):
        if step < warm:
            return peak * step / warm
        return peak * (1 + math.cos(math.pi * min(1, (step - warm) / (length - warm)))) / 2

    actual = rates(steps, length, peak, "cosine", warmup=warmup)
    np.testing.assert_allclose(actual, [expected(step) for step in steps], atol=1e-7)


# Rates of 40 steps without a warm-up, as shares of the highest. Milestones count from the start of the run.
AFTER = {
    "constant": lambda step: 1.0,
    "one_cycle": lambda step: 1 - step / 40,
    "cosine": lambda step: (1 + math.cos(math.pi * step / 40)) / 2,
    "polynomial": lambda step: 1 - step / 40,
    "exponential": lambda step: 0.5 ** (step / 4),
    "plateau": lambda step: 1.0,
}


@pytest.mark.parametrize("warmup", [0.2, 10], ids=["share", "steps"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_begins_after_a_warmup(name, warmup):
    actual = rates([0, 1, 5, 9, 10, 20, 49], 50, 0.4, name, warmup=warmup, warmup_from=0.1)
    rising = [0.04, 0.04 + 0.036, 0.22, 0.04 + 9 * 0.036]
    following = [0.4, 0.4, 0.004] if name == "steps" else [0.4 * AFTER[name](step) for step in (0, 10, 39)]
    np.testing.assert_allclose(actual, rising + following, rtol=1e-5, atol=1e-7)


def test_recipes_have_the_curves_that_round_as_in_the_runs_made_so_far():
    one_cycle = make_schedule({"name": "one_cycle", "warmup": 0.2}, 6240)(0.2)
    assert type(one_cycle) is PiecewiseLinear
    assert one_cycle.get_config() == {"steps": [0, 1248, 6240], "rates": [0.0, 0.2, 0.0]}
    cosine = make_schedule({"name": "cosine", "warmup": 0.1}, 1000)(0.01)
    assert type(cosine) is keras.optimizers.schedules.CosineDecay
    expected = keras.optimizers.schedules.CosineDecay(0.0, 900, warmup_target=0.01, warmup_steps=100)
    assert cosine.get_config() == expected.get_config()


def test_warmup_lies_over_the_first_steps_of_milestones():
    actual = rates([0, 2, 4, 30, 31, 40], 50, 1.0, "steps", milestones=(30,), warmup=4)
    np.testing.assert_allclose(actual, [0, 0.5, 1, 0.1, 0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize(("warmup", "steps"), [(100, 100), (101, 101), (0.999, 100)])
def test_warmup_that_leaves_nothing_raises_an_error(warmup, steps):
    with pytest.raises(ValueError, match=rf"warmup={warmup} takes {steps} of the 100 steps for .* Give a smaller one"):
        make_schedule({"name": "cosine", "warmup": warmup}, 100)(0.1)


def test_exponential_takes_a_share_of_what_the_warmup_leaves():
    actual = rates([20, 28, 60, 100], 100, 1.0, "exponential", warmup=20, rate=0.25, every=0.5)
    np.testing.assert_allclose(actual, [1, 0.25**0.2, 0.25, 0.0625], rtol=1e-5)


def test_steps_divide_by_ten_at_the_milestones():
    actual = rates([0, 39, 41, 69, 71, 99], 100, 0.1, "steps", milestones=(40, 70))
    np.testing.assert_allclose(actual, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


def test_steps_begin_at_a_tenth_where_a_warmup_is_asked_for():
    # arXiv 1603.05027, appendix: 0.01 for the first 400 iterations, then 0.1, divided by ten at 32k and 48k.
    places = [0, 399, 400, 31_999, 32_000, 47_999, 48_000, 63_999]
    actual = rates(places, 64_000, 0.1, "steps", warmup_steps=400)
    np.testing.assert_allclose(actual, [0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "count"), [("warmup_steps", 400, 400), ("warmup", 400, 400), ("warmup", 0.6, 480)]
)
def test_warmup_up_to_the_first_milestone_raises_an_error(field, value, count):
    sentence = rf"{field}={value} takes {count} steps and the first milestone is step 400 of 800, .* Give a smaller one"
    with pytest.raises(ValueError, match=sentence):
        make_schedule({"name": "steps", field: value}, 800)(0.1)
    make_schedule({"name": "steps", field: 399}, 800)(0.1)


def test_milestones_of_the_paper_fall_at_its_steps_and_at_the_same_shares_of_any_run():
    # arXiv 1512.03385, section 4.2: the rate is divided by ten at 32k and 48k of 64k iterations.
    config = make_config(load_recipe("cifar10"))
    for length, falls in ((64_000, (32_000, 48_000)), (7_800, (3_900, 5_850))):
        schedule = make_schedule(config.schedule, length)(0.1)
        for factor, fall in zip((0.1, 0.01), falls):
            assert float(schedule(fall)) == pytest.approx(0.1 * factor)
            assert float(schedule(fall - 1)) == pytest.approx(factor)


def test_milestones_beyond_the_end_raise_an_error():
    with pytest.raises(ValueError, match=r"milestones=40 100 lie beyond the 100 steps .*Give earlier steps, shares"):
        make_schedule({"name": "steps", "milestones": (40, 100)}, 100)(0.1)
    with pytest.raises(ValueError, match="beyond the 90 steps for which the schedule has time"):
        make_schedule({"name": "steps", "milestones": (95,)}, 100, head_steps=10)(0.1)


def test_schedule_begins_after_the_epochs_of_the_head():
    schedule = make_schedule({"name": "one_cycle", "warmup": 0.2}, 120, head_steps=20)(0.4)
    actual = [float(schedule(step)) for step in (0, 10, 19, 20, 30, 40, 80, 119)]
    np.testing.assert_allclose(actual, [0.4, 0.4, 0.4, 0, 0.2, 0.4, 0.2, 0.4 / 80], atol=1e-6)
    assert make_schedule("constant", 10, head_steps=5)(0.1) == 0.1


def test_points_at_the_same_step_are_joined_by_a_jump():
    schedule = piecewise_linear([0, 0, 10], [1.0, 0.5, 0.0])
    np.testing.assert_allclose([float(schedule(step)) for step in (0, 5, 10)], [1.0, 0.5, 0.0], atol=1e-7)


def test_piecewise_linear_interpolates_like_numpy():
    steps, values = [0, 3, 10, 14], [0.1, 0.7, 0.2, 0.4]
    schedule = PiecewiseLinear(steps, values)
    actual = [float(schedule(step)) for step in range(20)]
    np.testing.assert_allclose(actual, np.interp(range(20), steps, values), atol=1e-6)


def test_piecewise_linear_survives_serialisation():
    schedule = PiecewiseLinear([0, 3, 10], [0.1, 0.7, 0.0])
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert isinstance(restored, PiecewiseLinear)
    assert [float(restored(step)) for step in range(12)] == [float(schedule(step)) for step in range(12)]


@pytest.mark.parametrize("inner", [0.3, PiecewiseLinear([0, 4], [1.0, 0.5])], ids=["constant", "schedule"])
def test_warmup_survives_serialisation(inner):
    schedule = WarmUp(3, 0.2, inner, 3)
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert isinstance(restored, WarmUp)
    assert [float(restored(step)) for step in range(9)] == [float(schedule(step)) for step in range(9)]
