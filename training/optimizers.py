"""Optimizers and the loss of a run."""

from __future__ import annotations

import math

import keras

from keras_resnet.adaptation import stages_of
from keras_resnet.layers.normalization import shared_constant
from training.config import RunConfig
from training.schedules import learning_rate


class Layerwise:
    """What an optimizer knows of its variables: which of them decay, and at what share of the rate each one learns.

    A mixin before an optimizer of Keras.

    Args:
        decayed: "all" parameters, or "kernels" only.
        rates: dict of names of layers to shares of the learning rate; 1 for all others.
        **kwargs: those of the optimizer.
    """

    def __init__(self, decayed: str = "all", rates: dict[str, float] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.decayed, self.rates = decayed, dict(rates or {})

    def build(self, variables) -> None:
        """Make the optimizer's state, and note which variables decay and how fast they learn."""
        super().build(variables)
        # By place and not by name: a step may be handed the backend's variable, whose name is another.
        self._decaying = {i for i, v in enumerate(variables) if self.decayed == "all" or v.name == "kernel"}
        self._shares = [self.rates.get(v.path.split("/")[0], 1.0) for v in variables]

    def rate_of(self, place: int, learning_rate):
        """Give the learning rate of a variable by its place."""
        return learning_rate if self._shares[place] == 1 else learning_rate * self._shares[place]

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "decayed": self.decayed, "rates": self.rates}


@keras.saving.register_keras_serializable("training")
class L2SGD(Layerwise, keras.optimizers.SGD):
    """SGD whose weight decay goes through the momentum, as L2 regularisation does.

    `keras.optimizers.SGD(weight_decay=...)` shrinks the weights beside the momentum instead, which at momentum
    0.9 is ten times weaker for the same number, and an L2 regulariser on each layer costs operations of its own.

    Args:
        learning_rate: float or schedule.
        momentum: float.
        nesterov: bool.
        l2: float, added to the gradient as `l2 * weight`.
        **kwargs: those of `Layerwise` and `keras.optimizers.SGD`.

    Source: arXiv 1512.03385, section 3.4: weight decay 0.0001 and momentum 0.9, in Caffe's form.
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, nesterov=False, l2=1e-4, **kwargs):
        super().__init__(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        place = self._get_variable_index(variable)
        learning_rate = self.rate_of(place, learning_rate)
        fusible = self.momentum and _is_fusible(gradient)
        if self.l2 and place in self._decaying:
            l2 = shared_constant(self.l2, variable.dtype) if fusible else self.l2
            gradient = gradient + keras.ops.cast(l2 * variable, gradient.dtype)
        if fusible:
            _fused_update(gradient, variable, self.momentums[place], learning_rate, self.momentum, self.nesterov)
        else:
            super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "l2": self.l2}


def _is_fusible(gradient) -> bool:
    """Tell whether TensorFlow's fused operation takes a gradient; a sparse one it does not."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.Tensor)


def _fused_update(gradient, variable, velocity, learning_rate, momentum: float, nesterov: bool) -> None:
    """Do in one operation what Keras's SGD does in eleven: their number is what a very deep network costs."""
    import tensorflow as tf

    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=velocity.value.handle,
        lr=tf.cast(learning_rate, variable.dtype),
        grad=tf.cast(gradient, variable.dtype),
        momentum=shared_constant(momentum, variable.dtype),
        use_nesterov=nesterov,
    )


# Coefficients of the quintic Newton-Schulz iteration that Muon's authors chose for a steep slope at zero.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices, iterations: int = 5):
    """Move the singular values of matrices towards one, without decomposing them.

    Args:
        matrices: float tensor (..., rows, columns).
        iterations: int.

    Returns:
        Tensor of the same shape, the singular values roughly between 0.7 and 1.2.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = keras.ops.swapaxes(matrices, -2, -1) if tall else matrices
    x = x / (keras.ops.norm(x, axis=(-2, -1), keepdims=True) + 1e-7)
    for _ in range(iterations):
        gram = keras.ops.matmul(x, keras.ops.swapaxes(x, -2, -1))
        x = a * x + keras.ops.matmul(b * gram + c * keras.ops.matmul(gram, gram), x)
    return keras.ops.swapaxes(x, -2, -1) if tall else x


@keras.saving.register_keras_serializable("training")
class Muon(L2SGD):
    """SGD that steps along orthogonal matrices for convolution kernels, and keeps their norm.

    A kernel counts as a matrix of its inputs (height x width x channels) by its filters. Batch normalisation
    makes its scale meaningless, so each step ends by scaling it back to a fixed norm, and weight decay is not
    for it. All other variables follow SGD. (Keras's own Muon hands convolutions to AdamW.)

    Args:
        learning_rate: float or schedule, for the variables that follow SGD.
        momentum: float, for all.
        nesterov: bool, for the variables that follow SGD; kernels always look ahead.
        l2: float, for the variables that follow SGD.
        decayed: "all" of them, or "kernels" only, which is the classifier's.
        kernel_ratio: float, the kernels' learning rate as a multiple of the other.
        **kwargs: those of `L2SGD`.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; with kernels of
        fixed norm as in the authors' CIFAR-10 speed records.
    """

    def __init__(
        self,
        learning_rate=0.2,
        momentum=0.9,
        nesterov=True,
        l2=5e-4,
        decayed="kernels",
        kernel_ratio=0.075,
        **kwargs,
    ):
        super().__init__(learning_rate, momentum, nesterov, l2, decayed=decayed, **kwargs)
        self.kernel_ratio = kernel_ratio

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        learning_rate, momentum = self.rate_of(place, learning_rate), self.momentums[place]
        self.assign(momentum, self.momentum * momentum + gradient)
        ahead = gradient + self.momentum * momentum
        rows, columns = math.prod(variable.shape[:-1]), variable.shape[-1]
        direction = keras.ops.reshape(orthogonalise(keras.ops.reshape(ahead, (rows, columns))), variable.shape)
        kernel = variable - learning_rate * self.kernel_ratio * direction
        norm = math.sqrt(min(rows, columns))
        self.assign(variable, kernel * (norm / keras.ops.norm(keras.ops.reshape(kernel, (-1,)))))

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "kernel_ratio": self.kernel_ratio}


@keras.saving.register_keras_serializable("training")
class AdamW(Layerwise, keras.optimizers.Adam):
    """Adam with decoupled weight decay, which follows each layer's own learning rate.

    `keras.optimizers.AdamW` lets all variables decay at one rate.

    Args:
        learning_rate: float or schedule.
        decay: float, share of a variable that goes in a step, times the learning rate.
        **kwargs: those of `Layerwise` and `keras.optimizers.Adam`.

    Source: arXiv 1711.05101, algorithm 2.
    """

    def __init__(self, learning_rate=0.001, decay=0.004, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.decay = decay

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        place = self._get_variable_index(variable)
        learning_rate = self.rate_of(place, learning_rate)
        if self.decay and place in self._decaying:
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, keras.ops.multiply(rate * self.decay, variable))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "decay": self.decay}


def make_optimizer(
    config: RunConfig, steps: int, head_steps: int = 0, rates: dict[str, float] | None = None
) -> keras.optimizers.Optimizer:
    """Make the optimizer of a run.

    Args:
        config: RunConfig.
        steps: int, length of the whole run.
        head_steps: int, steps at its start in which only the head learns.
        rates: dict of names of layers to shares of the learning rate, as of `layer_rates`.

    Returns:
        keras.optimizers.Optimizer.
    """
    rate = learning_rate(config, steps, head_steps)
    common = {"learning_rate": rate, "decayed": config.decayed, "rates": rates}
    if config.optimizer == "adamw":
        return AdamW(decay=config.weight_decay, **common)
    common |= {"momentum": config.momentum, "nesterov": config.nesterov, "l2": config.weight_decay}
    if config.optimizer == "sgd":
        return L2SGD(**common)
    return Muon(kernel_ratio=config.kernel_rate / config.learning_rate, **common)


def layer_rates(model: keras.Model, decay: float) -> dict[str, float]:
    """Give each stage of a network a smaller learning rate than the one behind it.

    Args:
        model: keras.Model of keras_resnet.
        decay: float, what a stage's rate is of that of the stage behind it; the head's is 1.

    Returns:
        Dict of names of layers to shares of the learning rate.

    Source: arXiv 1801.06146, section 3.2, "discriminative fine-tuning".
    """
    stages = list(stages_of(model).values())
    return {layer.name: decay**place for place, layers in enumerate(reversed(stages)) for layer in layers}


@keras.saving.register_keras_serializable("training")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between integer labels and probabilities, with the labels smoothed.

    Args:
        smoothing: float, probability spread evenly over all classes.
        **kwargs: those of `keras.losses.Loss`.

    Source: arXiv 1512.00567, section 7.
    """

    def __init__(self, smoothing: float = 0.1, name: str = "smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """Return the loss of each example."""
        hot = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(hot, y_pred, label_smoothing=self.smoothing)

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        return {**super().get_config(), "smoothing": self.smoothing}


def make_loss(config: RunConfig) -> keras.losses.Loss:
    """Make the loss of a run.

    Args:
        config: RunConfig.

    Returns:
        keras.losses.Loss for integer labels and probabilities.
    """
    if config.label_smoothing:
        return SmoothedCrossentropy(config.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy()
