"""The length of a run."""

import pytest

from training.data.datasets import open_source
from training.plan import Plan


@pytest.mark.parametrize(
    ("length", "epochs", "iterations"),
    [
        ({"epochs": 3}, 3, 66),
        ({"iterations": 66}, 3, 66),
        ({"iterations": 67}, 4, 67),
        ({"iterations": 1}, 1, 1),
    ],
)
def test_plan_counts_full_batches(tiny, length, epochs, iterations):
    config = tiny(**length)
    plan = Plan.of(open_source(config.data), config)
    assert (plan.steps, plan.epochs, plan.iterations) == (22, epochs, iterations)


def test_phases_share_out_the_epochs(tiny):
    config = tiny(epochs=5, start={"head_epochs": 2, "freeze": ("conv1",)})
    plan = Plan.of(open_source(config.data), config)
    assert plan.phases == ((0, 2, ("backbone",)), (2, 5, ("conv1",)))
    assert plan.head_steps == 44
    whole = Plan.of(open_source(tiny().data), tiny())
    assert (whole.phases, whole.head_steps) == (((0, 2, ()),), 0)


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"hardware": {"steps_per_execution": 4}}, "the 22 steps of an epoch and the 44 of the run"),
        ({"hardware": {"steps_per_execution": 2}, "iterations": 5}, "the 22 steps of an epoch and the 5 of the run"),
    ],
    ids=["epoch", "run"],
)
def test_steps_per_execution_must_fit_the_epoch_and_the_run(tiny, fields, numbers):
    config = tiny(**fields)
    with pytest.raises(ValueError, match=numbers):
        Plan.of(open_source(config.data), config)
