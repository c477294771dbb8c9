"""What the scripts of benchmarks have in common."""

import pytest

from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from machine import prepare_process
prepare_process()
import tensorflow
print(len(tensorflow.config.list_logical_devices("CPU")))
"""


@pytest.mark.slow
def test_scripts_keep_back_the_first_lines_of_tensorflow():
    process = run_python("-c", CODE, ROOT / "benchmarks", TF_CPP_MIN_LOG_LEVEL="")
    assert (process.stdout, process.stderr) == ("1\n", "")
