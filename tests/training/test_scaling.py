"""Rates that are stated for one batch size and used at another."""

import keras
import numpy as np
import pytest

from training.config import make_config
from training.optimization.optimizers import OPTIMIZERS, make_optimizer, scaled_rate
from training.optimization.schedules import make_schedule
from training.run import train
from training.run_folder import RunFolder


def first_step(choice: dict, **batch) -> np.ndarray:
    """Give what the first step takes from variables of both kinds."""
    optimizer = make_optimizer(choice, make_schedule("constant", 10), **batch)
    variables = [keras.Variable(np.full((3, 3, 2, 4), 0.5, "float32"), name="kernel"), keras.Variable([1.0, 2.0])]
    before = [variable.numpy() for variable in variables]
    generator = np.random.default_rng(0)
    gradients = [keras.ops.convert_to_tensor(generator.normal(size=v.shape).astype("float32")) for v in variables]
    optimizer.apply(gradients, variables)
    return np.concatenate([(v.numpy() - b).ravel() for v, b in zip(variables, before)])


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns_at_the_rate_of_its_batch(name, scaling, factor):
    actual = first_step({"name": name, "scaling": scaling, "reference_batch": 128}, batch_size=512)
    rate = make_config({"optimizer": name, "epochs": 1}).optimizer
    rates = {key: rate[key] * factor for key in ("learning_rate", "kernel_rate") if key in rate}
    np.testing.assert_allclose(actual, first_step({"name": name, **rates}), rtol=1e-5, atol=1e-7)


def test_scaled_rate_is_said():
    fields = {"optimizer": {"learning_rate": 0.1, "scaling": "linear"}, "batch_size": 128, "epochs": 1}
    config = make_config(fields)
    assert scaled_rate(config.optimizer, 128) == "0.05, scaled from 0.1 for 256 examples in a step (linear)"
    assert scaled_rate(make_config({"epochs": 1}).optimizer, 128) is None


@pytest.mark.slow
def test_run_prints_and_reports_its_rate(tiny, tmp_path, capsys):
    optimizer = {"name": "sgd", "learning_rate": 0.4, "scaling": "sqrt", "reference_batch": 1024}
    folder = RunFolder(tmp_path / "run")
    train(tiny(epochs=1, optimizer=optimizer, schedule="constant"), folder)
    said = "0.1, scaled from 0.4 for 1024 examples in a step (sqrt)"
    assert f"1 device; learning rate {said}." in capsys.readouterr().out
    assert f"| learning rate | {said} |" in folder.report_file.read_text(encoding="utf-8")
    assert folder.read_metrics()[0]["learning_rate"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"scaling": "cubic"}, r"optimizer: Unknown value of scaling 'cubic'\. Allowed: none, linear, sqrt"),
        ({"reference_batch": 0}, r"reference_batch must be an integer from 1, and finite; received 0"),
    ],
)
def test_unknown_rule_or_batch_raises_an_error(parameter, message):
    with pytest.raises(ValueError, match=message):
        make_config({"optimizer": {"name": "sgd", **parameter}, "epochs": 1})
