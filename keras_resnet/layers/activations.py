"""The serializable layers of activations that learn, or that change the number of channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_resnet.layers.conventions import PACKAGE


class ChannelwiseActivation(keras.layers.Layer):
    """An activation that treats each channel in its own way.

    Args:
        data_format: "channels_last", "channels_first", or None for Keras's setting.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = data_format or keras.config.image_data_format()
        self.axis = -1 if self.data_format == "channels_last" else 1

    def add_coefficients(self, name: str, input_shape, initial: float):
        """Add a trainable weight that broadcasts over a batch: one value a channel, the same at the start."""
        shape = [1] * len(input_shape)
        shape[self.axis] = input_shape[self.axis]
        return self.add_weight(name=name, shape=tuple(shape[1:]), initializer=keras.initializers.Constant(initial))

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "data_format": self.data_format}


@keras.saving.register_keras_serializable(PACKAGE)
class TrainableSwish(ChannelwiseActivation):
    """Swish, x * sigmoid(beta * x), whose beta is learned for each channel.

    Args:
        beta: float, at the start. 0 is the function x / 2; ReLU is the limit for a large one.
        **kwargs: those of `ChannelwiseActivation`.

    Source: arXiv 1710.05941, section 4.
    """

    def __init__(self, beta: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial = beta

    def build(self, input_shape) -> None:
        """Make the betas."""
        self.beta = self.add_coefficients("beta", input_shape, self.initial)

    def call(self, inputs):
        """Apply the function to `inputs`, a batch of images in the layer's data format."""
        return inputs * ops.sigmoid(self.beta * inputs)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "beta": self.initial}


@keras.saving.register_keras_serializable(PACKAGE)
class PiecewiseLinear(ChannelwiseActivation):
    """ReLU plus hinges, max(0, x) + sum of a_s * max(0, b_s - x), whose a_s and b_s are learned for each channel.

    The slopes a_s start at 0, so that the function starts as ReLU; the hinges b_s start evenly between -1 and 1,
    where normalized values lie.

    Args:
        hinges: int, terms of the sum.
        **kwargs: those of `ChannelwiseActivation`.

    Source: arXiv 1412.6830, equation 1.
    """

    def __init__(self, hinges: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.hinges = hinges

    def build(self, input_shape) -> None:
        """Make the slopes and the places of the hinges."""
        places = [2 * (s + 0.5) / self.hinges - 1 for s in range(self.hinges)]
        self.slopes = [self.add_coefficients(f"slope_{s}", input_shape, 0.0) for s in range(self.hinges)]
        self.places = [self.add_coefficients(f"place_{s}", input_shape, place) for s, place in enumerate(places)]

    def call(self, inputs):
        """Apply the function to `inputs`, a batch of images in the layer's data format."""
        outputs = ops.relu(inputs)
        for slope, place in zip(self.slopes, self.places):
            outputs = outputs + slope * ops.relu(place - inputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "hinges": self.hinges}


# The rational function of these degrees that is nearest to ReLU on [-4, 4] by least squares; it is off by at most
# 0.0452, at 0. Coefficients of rising powers; the denominator's begin with the first power.
NUMERATOR = (0.0452, 0.5, 1.2521, 1.1184, 0.3966, 0.0477)
DENOMINATOR = (0.0, 2.2368, 0.0, 0.0953)


@keras.saving.register_keras_serializable(PACKAGE)
class Rational(keras.layers.Layer):
    """The rational function P(x) / (1 + |Q(x)|) of degrees 5 and 4, whose coefficients are learned; no poles.

    It is computed in float32 under any dtype policy: fifth powers leave the range of float16 near 9.

    Args:
        **kwargs: those of `keras.layers.Layer`.

    Source: arXiv 1907.06732, equation 2, "safe PAU".
    """

    def build(self, input_shape) -> None:
        """Make the coefficients."""
        self.numerator, self.denominator = (
            self.add_weight(
                name=name,
                shape=(len(values),),
                initializer=keras.initializers.Constant(list(values)),
                autocast=False,
            )
            for name, values in (("numerator", NUMERATOR), ("denominator", DENOMINATOR))
        )

    def call(self, inputs):
        """Apply the function to `inputs`, of any shape."""
        x = ops.cast(inputs, "float32")
        above = _polynomial(self.numerator, x, len(NUMERATOR))
        below = x * _polynomial(self.denominator, x, len(DENOMINATOR))
        return ops.cast(above / (1.0 + ops.abs(below)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape


def _polynomial(coefficients, x, terms: int):
    """Evaluate a polynomial by Horner's rule; the coefficients are of rising powers."""
    value = coefficients[terms - 1]
    for power in reversed(range(terms - 1)):
        value = value * x + coefficients[power]
    return value


@keras.saving.register_keras_serializable(PACKAGE)
class Maxout(ChannelwiseActivation):
    """The greatest of several maps: channel c of n is the maximum of the channels c, c + n, c + 2n, ... of the input.

    Args:
        pieces: int, channels of the input to a channel of the output.
        **kwargs: those of `ChannelwiseActivation`.

    Source: arXiv 1302.4389, section 3.
    """

    def __init__(self, pieces: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.pieces = pieces

    def build(self, input_shape) -> None:
        """Check that the channels of the input fall into pieces."""
        if input_shape[self.axis] % self.pieces:
            raise ValueError(f"Maxout of {self.pieces} pieces cannot take {input_shape[self.axis]} channels.")

    def call(self, inputs):
        """Reduce `inputs`, a batch of images in the layer's data format."""
        maps = ops.split(inputs, self.pieces, self.axis)
        outputs = maps[0]
        for other in maps[1:]:
            outputs = ops.maximum(outputs, other)
        return outputs

    def compute_output_shape(self, input_shape):
        """Return the input's shape with the channels that are left."""
        shape = list(input_shape)
        shape[self.axis] //= self.pieces
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "pieces": self.pieces}
