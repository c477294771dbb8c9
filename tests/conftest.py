"""Settings of Keras that no test may leave changed behind it."""

import keras
import pytest


@pytest.fixture(autouse=True)
def keras_settings():
    policy, data_format = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)
