"""What a run sets for the whole process, and that the process gets back what it had."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from training.processor import NUMBERS, processor_flags
from training.run import train
from training.run_folder import RunFolder
from training.session import prepare_session, restored


def draws() -> tuple[float, ...]:
    """Draw a number from each generator of the process."""
    return random.random(), np.random.random(), float(keras.random.uniform(())), float(tf.random.uniform(()))


@pytest.fixture
def ordinary():
    """A process of a user's: seeds of its own, float32, no determinism."""
    deterministic = tf_config.is_op_determinism_enabled()
    tf_config.disable_op_determinism()
    keras.utils.set_random_seed(7)
    yield
    if deterministic:
        tf.config.experimental.enable_op_determinism()


@pytest.fixture
def later(ordinary) -> tuple[float, ...]:
    """The second draws after the seed, before a run comes between; the first ones have been made again."""
    draws()
    expected = draws()
    keras.utils.set_random_seed(7)
    draws()
    return expected


def is_ordinary() -> bool:
    return keras.config.dtype_policy().name == "float32" and not tf_config.is_op_determinism_enabled()


@pytest.mark.parametrize("fails", [False, True], ids=["success", "error"])
def test_process_gets_back_its_generators_its_policy_and_its_determinism(later, tiny, fails):
    try:
        with restored():
            prepare_session(tiny(seed=3, hardware={"dtype": "mixed_bfloat16"}))
            assert keras.config.dtype_policy().name == "mixed_bfloat16" and tf_config.is_op_determinism_enabled()
            assert draws() != later
            assert not fails, "on purpose"
    except AssertionError as error:
        assert fails and str(error).startswith("on purpose")
    assert is_ordinary()
    assert draws() == later


def test_process_without_a_seed_is_left_without_one(ordinary, tiny):
    tf.random.set_seed(None)
    with restored():
        prepare_session(tiny())
    first = float(tf.random.uniform(()))
    tf.random.set_seed(None)
    assert first != float(tf.random.uniform(()))


@pytest.mark.parametrize("fields", [{}, {"learning_rate": 1e30}], ids=["success", "error"])
def test_run_leaves_the_process_as_it_found_it(later, tiny, tmp_path, capsys, fields):
    config = tiny(iterations=2, hardware={"dtype": "mixed_bfloat16"}, **fields)
    if fields:
        with pytest.raises(ValueError, match=r"The (val_)?loss became|no longer finite"):
            train(config, RunFolder(tmp_path / "run"))
    else:
        train(config, RunFolder(tmp_path / "run"))
    flags = processor_flags()
    assert ("has no bfloat16" in capsys.readouterr().err) == bool(flags and not flags & NUMBERS["mixed_bfloat16"][1])
    assert is_ordinary()
    assert draws() == later
