"""The few serialisable layers that Keras lacks, and the model class that carries very deep graphs."""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_resnet.files import write_atomically
from keras_resnet.garbage import uncollected
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weight_files import sign

PACKAGE = "keras_resnet"


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization that trains on TensorFlow's fused kernel where there is one.

    Weights, configuration, outputs and moving statistics are Keras's own. Keras computes the moments and the
    affine step of a training batch as separate float32 operations; TensorFlow has one kernel for both, which
    is about twice as fast on a CPU. It serves a training step of a channels-last batch of images on the
    TensorFlow backend without synchronisation; every other case is left to Keras.

    Args:
        **kwargs: those of `keras.layers.BatchNormalization`.

    Source: arXiv 1502.03167, algorithm 1.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalise `inputs`, of shape (batch, height, width, channels) where the fused kernel serves."""
        if training and self.trainable and mask is None and self._is_fusible(inputs):
            return self._fused_training_step(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _is_fusible(self, inputs) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and not self.synchronized
            and not getattr(self, "renorm", False)  # Keras 3.12, the last for Python 3.10, has none
            and self.scale
            and self.center
            and self.momentum > 0  # without any memory the kernel takes no moving statistics
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
            and keras.backend.standardize_dtype(self.gamma.dtype) == "float32"
        )

    def _fused_training_step(self, inputs):
        import tensorflow as tf

        # The kernel blends the unbiased variance of the batch into the moving one; Keras blends the biased one,
        # which is smaller by this factor. So the kernel is given a moving variance that is larger by as much.
        bias = _bias_of_variance(inputs)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=self.moving_mean,
            variance=self.moving_variance / bias,
            epsilon=self.epsilon,
            exponential_avg_factor=1.0 - self.momentum,
            is_training=True,
        )
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance * bias)
        return ops.cast(outputs, self.compute_dtype)


def _bias_of_variance(inputs):
    """Give (n - 1) / n for the n values of a channel; 1/2 for a single value, whose variance is 0 in any case."""
    import tensorflow as tf

    shape = inputs.shape
    if shape.is_fully_defined():
        count = shape.num_elements() // shape[-1]
        return shared_constant(1.0 - 1.0 / max(count, 2))
    return tf.maximum(1.0 - shape[-1] / tf.cast(tf.size(inputs), "float32"), 0.5)


@functools.cache
def shared_constant(value: float, dtype: str = "float32"):
    """Give a scalar that a TensorFlow graph holds once, however many layers use it.

    Args:
        value: float.
        dtype: str or tf.DType.

    Returns:
        tf.Tensor, made outside of any graph.
    """
    import tensorflow as tf

    with tf.init_scope():
        return tf.constant(value, dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class ZeroPadChannels(keras.layers.Layer):
    """Add channels of zeros to a batch of images.

    Args:
        padding: tuple of two ints, how many channels to add in front and behind.
        data_format: "channels_last", "channels_first", or None for Keras's setting.
        **kwargs: those of `keras.layers.Layer`.

    Source: arXiv 1512.03385, section 3.3, option A.
    """

    def __init__(self, padding: tuple[int, int], data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = tuple(padding)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs):
        """Pad `inputs`, a batch of images of shape (batch, height, width, channels) or channels first."""
        widths = [(0, 0)] * 4
        widths[channel_axis(self.data_format)] = self.padding
        return ops.pad(inputs, widths)

    def compute_output_shape(self, input_shape):
        """Return the input's shape with the added channels."""
        shape = list(input_shape)
        shape[channel_axis(self.data_format)] += sum(self.padding)
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@keras.saving.register_keras_serializable(PACKAGE)
class MaxPoolPadding2D(keras.layers.Layer):
    """Pad images on all sides with minus infinity, so that a max pool never picks the border.

    Zeros do the same only where no input is negative: not before a pre-activation, and not after an
    activation other than ReLU.

    Args:
        padding: int, rows and columns to add on each side.
        data_format: "channels_last", "channels_first", or None for Keras's setting.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, padding: int = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = padding
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs):
        """Pad `inputs`, a batch of images of shape (batch, height, width, channels) or channels first."""
        widths = [(self.padding, self.padding)] * 4
        widths[0] = widths[channel_axis(self.data_format)] = (0, 0)
        return ops.pad(inputs, widths, constant_values=float("-inf"))

    def compute_output_shape(self, input_shape):
        """Return the input's shape with the added rows and columns."""
        kept = (0, channel_axis(self.data_format))
        grown = (None if size is None else size + 2 * self.padding for size in input_shape)
        return tuple(old if axis in kept else new for axis, (old, new) in enumerate(zip(input_shape, grown)))

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class Level(NamedTuple):
    """One scale of a network's features.

    Args:
        layer: str, the layer whose output it is.
        stride: int, input pixels, along one side, behind one pixel of it.
    """

    layer: str
    stride: int


@keras.saving.register_keras_serializable(PACKAGE)
class ResidualNetwork(keras.Model):
    """A functional model whose graph may be thousands of layers deep, and that knows what it is.

    It carries where its features lie (`levels`, a dict of names to `Level`) and what its weights expect of images
    (`preprocessing`, a `Preprocessing` or None) into its `.keras` file, and the names of its layers into its weights
    file.

    Keras walks the graph of a functional model recursively when it makes one, which also happens on loading
    and cloning, and meets Python's recursion limit near 1000 layers.

    Args:
        *args: those of `keras.Model`. They are not spelled out because Keras 3.12 takes a subclass for a
            functional model only if its arguments look like those of its own, wrapped constructor.
        **kwargs: those of `keras.Model`; and `levels` and `preprocessing`, as here or as in a configuration.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        levels, preprocessing = kwargs.pop("levels", None), kwargs.pop("preprocessing", None)
        with deep_recursion():
            super().__init__(*args, **kwargs)
        self.levels = {name: Level(*level) for name, level in (levels or {}).items()}
        self.preprocessing = Preprocessing(**preprocessing) if isinstance(preprocessing, dict) else preprocessing

    def get_config(self) -> dict[str, Any]:
        """Return the model's configuration."""
        config = super().get_config()
        if self.levels:
            config["levels"] = {name: list(level) for name, level in self.levels.items()}
        if self.preprocessing is not None:
            config["preprocessing"] = self.preprocessing.to_dict()
        return config

    def train_step(self, *args: Any, **kwargs: Any):
        """Train on a batch as Keras does; while that is traced, Python looks for no garbage among all that it makes."""
        with uncollected():
            return super().train_step(*args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        """Make the metrics' and the optimizer's variables before Keras's TensorFlow trainer traces a step.

        Under a strategy Keras does so itself. Elsewhere it leaves them to the trace, and TensorFlow traces a second
        time whatever has made variables: a step of a thousand layers too.
        """
        if self._distribute_strategy is not None:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
            return
        # These names are Keras's own, and a model may be compiled in the scope of a strategy that it was not made in:
        # where this does not work, a step is traced twice, and no more.
        with contextlib.suppress(AttributeError, RuntimeError):
            if iterator is not None:  # shapes and types will do: taking a batch would rob a generator of it
                data_batch = iterator._get_iterator().element_spec
            self._symbolic_build(data_batch=data_batch)

    def save_weights(self, filepath, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Save the weights as Keras does; a single file whole or not at all, and the names of the layers with them."""
        is_local_file = str(filepath).endswith(".weights.h5") and "://" not in str(filepath)
        if not overwrite or max_shard_size is not None or not is_local_file:
            super().save_weights(filepath, overwrite, max_shard_size)
            return

        def write(part) -> None:
            super(ResidualNetwork, self).save_weights(part)
            sign(part, self)

        write_atomically(filepath, write, size_of_weights_file(self))


def size_of_weights_file(model: keras.Model) -> int:
    """Say how many bytes a weights file may take, for on a full disk the HDF5 library ends the whole process."""
    variables = [*model.variables, *(model.optimizer.variables if getattr(model, "optimizer", None) else ())]
    return sum(4 * math.prod(variable.shape) + 4096 for variable in variables)


def uncompiled(model: ResidualNetwork) -> ResidualNetwork:
    """Give a network over the same layers without optimizer, loss and metrics.

    Keras writes these into every `.keras` file of a compiled model, with the optimizer's state, and whoever loads it
    needs their classes.

    Args:
        model: ResidualNetwork.

    Returns:
        ResidualNetwork that shares the layers, and what the other says of itself.
    """
    network = ResidualNetwork(model.input, model.output, name=model.name, levels=model.levels)
    network.preprocessing = model.preprocessing
    return network


@contextlib.contextmanager
def deep_recursion(limit: int = 100_000) -> Iterator[None]:
    """Raise Python's recursion limit for a while.

    Args:
        limit: int, frames allowed meanwhile.

    Yields:
        None.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def he_initializer() -> keras.initializers.Initializer:
    """Make the initialiser of a convolution; a fresh one each time, for Keras's draw the same values again.

    Returns:
        keras.initializers.Initializer.

    Source: arXiv 1502.01852, equation 10 in its fan-out form, as the authors' Torch code has it.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def channel_axis(data_format: str | None = None) -> int:
    """Give the axis of the channels in a batch of images.

    Args:
        data_format: "channels_last", "channels_first", or None for Keras's setting.

    Returns:
        int, 3 or 1.
    """
    return 3 if (data_format or keras.config.image_data_format()) == "channels_last" else 1


def spatial_axes(data_format: str | None = None) -> list[int]:
    """Give the axes of height and width in a batch of images.

    Args:
        data_format: "channels_last", "channels_first", or None for Keras's setting.

    Returns:
        List of two ints, [1, 2] or [2, 3].
    """
    return [axis for axis in (1, 2, 3) if axis != channel_axis(data_format)]


def channels(x) -> int:
    """Give the number of channels of a batch of images.

    Args:
        x: tensor or KerasTensor of rank 4, in Keras's data format.

    Returns:
        int.
    """
    return x.shape[channel_axis()]
