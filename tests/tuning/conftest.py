"""Data and descriptions of tiny studies, which the tests of tuning share."""

import pytest

from tests.training.conftest import data_dir  # noqa: F401 - a fixture
from tuning.study import Study, make_study


@pytest.fixture
def study():
    """Describe a study on the digits, with any settings otherwise."""

    def make(space=None, fields=None, **settings) -> Study:
        usual = {"fields": {"network": "ResNet8", "epochs": 2, **(fields or {})}, "tuner": "grid"}
        return make_study({"recipe": "digits", **usual, **settings, "space": space or {"activation": ["relu"]}}, "test")

    return make
