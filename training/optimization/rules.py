"""The update rules that Keras lacks: L2 decay, Muon, rates of layers, clipping of sums, averages, a loss scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras

from keras_resnet.adaptation import stages_of
from keras_resnet.layers.normalization import shared_constant
from training.optimization.curves import plateau_of


class Layerwise:
    """A mixin before an optimizer of Keras: which variables decay, rates of layers, clipping, an average of variables.

    The clipping of Keras is done by each device before their gradients are added up, which on several devices leaves
    longer ones than asked for. This one sees the sum. Of `clip_norm`, the largest norm of all gradients together, and
    `clip_value` one at most is not 0.

    The average of Keras, `use_ema`, knows one constant decay, begins at zero for variables that do not learn from the
    first step on, and takes the variables' place at the end of every `fit`. This one begins at their values and stays
    beside them, in `averages`. `average` is the share as of `training.optimization.averages.Average`.

    Source: arXiv 1211.5063, algorithm 1.
    """

    def __init__(
        self,
        decayed: str = "all",
        rates: dict[str, float] | None = None,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        average: Callable | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.decayed, self.rates = decayed, dict(rates or {})
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.average, self.averages = average, []

    def build(self, variables) -> None:
        """Make the optimizer's state, and note which variables decay and how fast they learn."""
        super().build(variables)
        # By place and not by name: a step may be handed the backend's variable, whose name is another.
        self._decaying = {i for i, v in enumerate(variables) if self.decayed == "all" or v.name == "kernel"}
        self._shares = [self.rates.get(v.path.split("/")[0], 1.0) for v in variables]
        if plateau := plateau_of(self):
            # A step that is compiled by JAX sees what changes between epochs only where it is state of the optimizer.
            self._track_variable(plateau.current)
        if self.average:
            self.averages = [self.add_variable_from_reference(v, "average", copying(v)) for v in variables]

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Add up the gradients of all devices, as only TensorFlow's optimizers do, and clip the sums."""
        gradients, variables = zip(*super()._all_reduce_sum_gradients(grads_and_vars))
        return list(zip(self.clipped(gradients), variables))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Update all variables; on other backends than TensorFlow nothing is left to be added up."""
        clipped = grads if keras.backend.backend() == "tensorflow" else self.clipped(grads)
        super()._backend_update_step(clipped, trainable_variables, learning_rate)
        if self.average:
            share = self.average(keras.ops.cast(self.iterations, "float32"))
            for variable, average in zip(self._trainable_variables, self.averages):
                average.assign_add(keras.ops.cast(share, average.dtype) * (variable - average))

    def clipped(self, gradients):
        """Clip gradients as is asked for."""
        if self.clip_value:
            return [keras.ops.clip(gradient, -self.clip_value, self.clip_value) for gradient in gradients]
        if not self.clip_norm:
            return gradients
        squares = [keras.ops.sum(keras.ops.square(keras.ops.cast(gradient, "float32"))) for gradient in gradients]
        share = self.clip_norm / keras.ops.maximum(keras.ops.sqrt(sum(squares)), self.clip_norm)
        return [gradient * keras.ops.cast(share, gradient.dtype) for gradient in gradients]

    def rate_of(self, place: int, learning_rate):
        """Give the learning rate of a variable by its place."""
        return learning_rate if self._shares[place] == 1 else learning_rate * self._shares[place]

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        own = {name: getattr(self, name) for name in ("decayed", "rates", "clip_norm", "clip_value")}
        return {**super().get_config(), **own}


def copying(variable) -> Callable:
    """Make the initializer of a variable that begins at the value of another, in memory of its own."""
    return lambda shape, dtype: keras.ops.copy(keras.ops.cast(variable, dtype))


@keras.saving.register_keras_serializable("training")
class L2SGD(Layerwise, keras.optimizers.SGD):
    """SGD whose weight decay goes through the momentum, as L2 regularization does.

    `keras.optimizers.SGD(weight_decay=...)` shrinks the weights beside the momentum instead, which at momentum
    0.9 is ten times weaker for the same number, and an L2 regularizer on each layer costs operations of its own.

    Source: arXiv 1512.03385, section 3.4: weight decay 0.0001 and momentum 0.9, in Caffe's form.
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, nesterov=False, l2=1e-4, **kwargs):
        # Keras takes no 0 that is an integer, as a file may have it.
        super().__init__(learning_rate=learning_rate, momentum=float(momentum), nesterov=nesterov, **kwargs)
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
            _fused_update(
                gradient,
                variable,
                self.momentums[place],
                learning_rate,
                momentum=self.momentum,
                nesterov=self.nesterov,
            )
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


def orthogonalize(matrices, iterations: int = 5):
    """Move the singular values of matrices (..., rows, columns) to between 0.7 and 1.2, without decomposing them.

    Every iteration multiplies by a polynomial of the smaller Gram matrix. So these polynomials, which are small, are
    multiplied among themselves, and the long matrix once at the end.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices / (keras.ops.norm(matrices, axis=(-2, -1), keepdims=True) + 1e-7)
    transposed, tall = keras.ops.swapaxes(x, -2, -1), x.shape[-2] > x.shape[-1]
    gram = keras.ops.matmul(transposed, x) if tall else keras.ops.matmul(x, transposed)
    identity = product = keras.ops.eye(gram.shape[-1], dtype=gram.dtype)
    for _ in range(iterations):
        factor = a * identity + b * gram + c * keras.ops.matmul(gram, gram)
        product = keras.ops.matmul(factor, product)
        gram = keras.ops.matmul(keras.ops.matmul(factor, gram), factor)
    return keras.ops.matmul(x, product) if tall else keras.ops.matmul(product, x)


@keras.saving.register_keras_serializable("training")
class Muon(L2SGD):
    """SGD that steps along orthogonal matrices for convolution kernels, and keeps their norm.

    A kernel counts as a matrix of its inputs (height x width x channels) by its filters. Batch normalization
    makes its scale meaningless, so each step ends by scaling it back to a fixed norm, and weight decay is not
    for it. All other variables follow SGD. (Keras's own Muon hands convolutions to AdamW.) `kernel_ratio` is the
    kernels' learning rate as a multiple of the other; kernels always look ahead, whatever `nesterov` says.
    `scale_share` and `offset_share` are the rates of a normalization's gamma and beta as shares of the other.

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
        *,
        scale_share=1.0,
        offset_share=1.0,
        **kwargs,
    ):
        super().__init__(learning_rate, momentum, nesterov, l2, decayed=decayed, **kwargs)
        self.kernel_ratio, self.scale_share, self.offset_share = kernel_ratio, scale_share, offset_share

    def build(self, variables) -> None:
        """Make the optimizer's state, and give scales and offsets of normalizations rates of their own."""
        super().build(variables)
        # By the layer's name too: an activation that learns may call its own coefficient beta.
        own = {"_bn/gamma": self.scale_share, "_bn/beta": self.offset_share}
        for place, variable in enumerate(variables):
            self._shares[place] *= next((own[end] for end in own if variable.path.endswith(end)), 1.0)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        learning_rate, ahead = self.rate_of(place, learning_rate), gradient
        if self.momentum:
            momentum = self.momentums[place]
            self.assign(momentum, self.momentum * momentum + gradient)
            ahead = gradient + self.momentum * momentum
        rows, columns = math.prod(variable.shape[:-1]), variable.shape[-1]
        direction = keras.ops.reshape(orthogonalize(keras.ops.reshape(ahead, (rows, columns))), variable.shape)
        kernel = variable - learning_rate * self.kernel_ratio * direction
        norm = math.sqrt(min(rows, columns))
        self.assign(variable, kernel * (norm / keras.ops.norm(keras.ops.reshape(kernel, (-1,)))))

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        own = {name: getattr(self, name) for name in ("kernel_ratio", "scale_share", "offset_share")}
        return {**super().get_config(), **own}


class DecoupledDecay(Layerwise):
    """A mixin before an optimizer of Keras: weight decay beside its step, at the learning rate of each layer.

    With `weight_decay` Keras lets all variables decay at one rate.
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


@keras.saving.register_keras_serializable("training")
class AdamW(DecoupledDecay, keras.optimizers.Adam):
    """Adam with decoupled weight decay.

    Source: arXiv 1711.05101, algorithm 2.
    """


@keras.saving.register_keras_serializable("training")
class Lion(DecoupledDecay, keras.optimizers.Lion):
    """Lion with decoupled weight decay.

    Source: arXiv 2302.06675, algorithm 2.
    """


@keras.saving.register_keras_serializable("training")
class LossScale(keras.optimizers.LossScaleOptimizer):
    """The loss scale of Keras, which leaves out a step where the gradients of any device are not finite.

    Keras asks the first device alone. Under TensorFlow each has gradients of its own at that time, and the sum may be
    infinite where those of the first are not.
    """

    def check_finite(self, grads):
        """Tell whether the gradients of all devices are finite."""
        finite = super().check_finite(grads)
        if keras.backend.backend() != "tensorflow":
            return finite
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return finite
        broken = context.all_reduce(tf.distribute.ReduceOp.SUM, 1.0 - tf.cast(finite, "float32"))
        return tf.equal(broken, 0.0)


def layer_rates(model: keras.Model, decay: float) -> dict[str, float]:
    """Give each stage of a network a smaller learning rate than the one behind it.

    Source: arXiv 1801.06146, section 3.2, "discriminative fine-tuning".
    """
    stages = list(stages_of(model).values())
    return {layer.name: decay**place for place, layers in enumerate(reversed(stages)) for layer in layers}
