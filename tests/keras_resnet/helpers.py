"""What the tests of networks have in common: tiny architectures, random weights, fresh processes."""

import math
import os
import subprocess
import sys

import keras
import numpy as np

import keras_resnet
from tests.shared import ROOT

FULL_PREACTIVATION = "full_preactivation"


def tiny(**choices) -> keras_resnet.Architecture:
    """Describe a network of two stages that builds in a moment; basic units, CIFAR stem, unless chosen otherwise."""
    defaults = {"blocks": (1, 2), "widths": (4, 6), "unit": "basic", "stem": "cifar"}
    return keras_resnet.Architecture(**{**defaults, **choices})


def images(*shape: int, seed: int = 0) -> np.ndarray:
    """Draw a batch of normal values of a shape, as float32."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def randomise(model, seed: int = 0):
    """Give every weight a random value that keeps activations of order one; return the model or layer.

    Gains and variances lie in [0.5, 1.5], so that no normalisation is the identity it starts as. A rational function
    stays near its start, for a random one has kinks at which rounding grows.
    """
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        shape, kind = tuple(weight.shape), weight.path.split("/")[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 1.5, shape))
        elif kind in ("numerator", "denominator"):
            weight.assign(weight.numpy() * generator.uniform(0.8, 1.2, shape))
        elif kind == "kernel":
            weight.assign(generator.normal(0, math.sqrt(2 / math.prod(shape[:-1])), shape))
        else:
            weight.assign(generator.normal(0, 0.2, shape))
    return model


def build(architecture, shape=(16, 16, 3), **arguments) -> keras.Model:
    """Build a network with random weights; five logits unless chosen otherwise."""
    arguments = {"classifier_activation": None, "classes": 5, **arguments}
    return randomise(keras_resnet.ResNet(architecture, input_shape=shape, **arguments))


def weighted_layers(model: keras.Model) -> list[tuple[str, list[tuple[int, ...]]]]:
    """List the layers with weights, in the model's order, with the shapes of the weights."""
    return [(layer.name, [tuple(w.shape) for w in layer.weights]) for layer in model.layers if layer.weights]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy all weights from layer to layer of the same name; both models must have the same such layers."""
    sources = {layer.name: layer for layer in source.layers if layer.weights}
    targets = {layer.name: layer for layer in target.layers if layer.weights}
    assert sources.keys() == targets.keys()
    for name, layer in targets.items():
        layer.set_weights(sources[name].get_weights())


def outputs(model, x) -> np.ndarray:
    """Run a model or layer at inference."""
    return keras.ops.convert_to_numpy(model(x, training=False))


def compiled_outputs(model, x) -> np.ndarray:
    """Run a model at inference by XLA, which convolves channels-first images on any CPU; TensorFlow alone on some."""
    import tensorflow as tf

    return tf.function(lambda batch: model(batch, training=False), jit_compile=True, autograph=False)(x).numpy()


def relative_error(actual, expected) -> float:
    """Tell the largest difference as a share of the expected values' standard deviation."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.std(expected))


def run_python(*arguments, check: bool = True, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess:
    """Run Python in a fresh process that sees the repository; with `check`, its failure fails the test."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert not check or process.returncode == 0, process.stderr
    return process
