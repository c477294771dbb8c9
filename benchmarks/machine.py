"""What a timing depends on: processor, threads, versions, load."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")


def prepare_process() -> None:
    """Make a script fit to be run from anywhere, installed or not, and as quiet as a command of the packages.

    The checkout that holds it is the one measured. To be called before anything imports Keras or TensorFlow.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    # Read when the package imports Keras, which it does when it is imported.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = os.environ.get("TF_CPP_MIN_LOG_LEVEL") or "3"
    from keras_resnet.startup import quieten

    quieten()


def print_machine() -> dict[str, str]:
    """Print what a timing depends on, and give it."""
    machine = describe_machine()
    print("\n".join(f"{key:10}{value}" for key, value in machine.items()), flush=True)
    return machine


def describe_machine() -> dict[str, str]:
    """Name what a timing depends on: processor, threads, versions, load."""
    before = load()
    import keras

    from keras_resnet.formats.engines import usable_processors

    backend = keras.backend.backend()
    version = importlib.import_module(backend).__version__
    info = processor()
    instructions = sorted({"avx512_bf16", "amx_bf16"} & set(info.get("flags", "").split()))
    cores = f"{info['cores']} cores, " if "cores" in info else ""
    threads = f"{cores}{os.cpu_count()} logical, {usable_processors()} usable by this process"
    return {
        "processor": f"{info.get('model name') or platform.processor() or platform.machine()}",
        "threads": f"{threads}; {thread_settings(backend)}",
        "bfloat16": ", ".join(instructions) or "no avx512_bf16 nor amx_bf16 in /proc/cpuinfo",
        "devices": ", ".join(keras.distribution.list_devices()) if backend != "torch" else "as torch chooses",
        "versions": f"Keras {keras.__version__}, {backend} {version}, Python {platform.python_version()}",
        "load": f"{before} (1, 5 and 15 minutes, before the start)",
    }


def processor() -> dict[str, str]:
    """Read the first processor's fields of /proc/cpuinfo, and count the cores; empty where there is no such file."""
    if not CPU_INFO.exists():
        return {}
    blocks = [
        {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        for block in CPU_INFO.read_text().strip().split("\n\n")
    ]
    cores = {(block.get("physical id"), block.get("core id", block.get("processor"))) for block in blocks}
    return {**blocks[0], "cores": str(len(cores))}


def thread_settings(backend: str) -> str:
    """Tell what limits the threads of the backend."""
    settings: dict[str, Any] = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "unset")}
    if backend == "tensorflow":
        import tensorflow as tf

        settings["intra_op"] = tf.config.threading.get_intra_op_parallelism_threads() or "auto"
        settings["inter_op"] = tf.config.threading.get_inter_op_parallelism_threads() or "auto"
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def load() -> str:
    """Give the load averages of the last 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
