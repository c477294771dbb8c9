"""What no test may leave changed behind it: settings of Keras, and memory."""

import ctypes
import gc
import os
import signal

import pytest

from tests.order import longest_files_first
from tests.pairs import leave_samples_fast

# As commands do, whose results are compared with those of this process; before anything imports TensorFlow.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def pytest_configure():
    """Take Ctrl-C, which a shell lets its background jobs ignore: processes that tests start would ignore it too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items):
    """Choose the cases of sampled tests, before pytest leaves out what is slow, and order the files that are left."""
    # Processes that share the tests must collect the same, and an object lies elsewhere in each.
    if named := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"Tests are named by an address; give them ids: {', '.join(named)}")
    leave_samples_fast(items)
    yield
    items[:] = longest_files_first(items)


@pytest.fixture(autouse=True)
def keras_settings():
    import keras  # here, for the process that only hands tests to others loads this file too

    policy, data_format = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)
    gc.collect()  # of the networks of a test, which hold cycles; it goes through what is newer than the module


@pytest.fixture(autouse=True, scope="module")
def keras_memory():
    """Release the networks of a module before the next one begins, and the memory, which malloc would keep.

    What a module finds, above all what was imported, stays: the collector would go through it after each test. The last
    networks of the module before are garbage only now, for pytest holds the arguments of a test until the next one.
    """
    import keras

    gc.collect()
    gc.freeze()
    yield
    keras.utils.clear_session()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)
