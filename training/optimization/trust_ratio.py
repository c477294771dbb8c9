"""Update rules that scale each step of a parameter by the norm of the parameter: LARS and LAMB."""

from __future__ import annotations

import math

import keras

from training.optimization.rules import L2SGD, Layerwise


def norm_of(values):
    """Give the Euclidean norm of a tensor as one vector, in float32."""
    return keras.ops.norm(keras.ops.reshape(keras.ops.cast(values, "float32"), (-1,)))


def ratio_of(norm, other):
    """Divide two norms; where one is zero there is nothing to compare, and a step keeps its length."""
    defined = keras.ops.logical_and(norm > 0, other > 0)
    return keras.ops.where(defined, norm / keras.ops.where(defined, other, 1.0), 1.0)


@keras.saving.register_keras_serializable("training")
class LARS(L2SGD):
    """SGD with momentum whose rate is, for each parameter that decays, in proportion to its norm over its gradient's.

    Source: arXiv 1708.03888, algorithm 1; biases and normalization follow plain SGD, as in the authors' code.
    """

    def __init__(
        self, learning_rate=1.0, momentum=0.9, nesterov=False, l2=1e-4, decayed="kernels", coefficient=0.001, **kwargs
    ):
        super().__init__(learning_rate, momentum, nesterov, l2, decayed=decayed, **kwargs)
        self.coefficient = coefficient

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        if self._get_variable_index(variable) in self._decaying:
            weight = norm_of(variable)
            ratio = ratio_of(self.coefficient * weight, norm_of(gradient) + self.l2 * weight)
            learning_rate = learning_rate * ratio
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "coefficient": self.coefficient}


@keras.saving.register_keras_serializable("training")
class LAMB(Layerwise, keras.optimizers.Lamb):
    """Adam whose step, weight decay included, is made as long as the rate times the norm of the parameter.

    The Lamb of Keras takes the norm of the step without weight decay. Parameters that do not decay follow Adam.

    Source: arXiv 1904.00962, algorithm 2.
    """

    def __init__(self, learning_rate=0.005, decay=0.02, epsilon=1e-6, **kwargs):
        super().__init__(learning_rate=learning_rate, epsilon=epsilon, **kwargs)
        self.decay = decay

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        place = self._get_variable_index(variable)
        step = self._adam_step(keras.ops.cast(gradient, variable.dtype), place)
        learning_rate = self.rate_of(place, learning_rate)
        if place in self._decaying:
            step = step + self.decay * variable
            learning_rate = learning_rate * ratio_of(norm_of(variable), norm_of(step))
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * step)

    def _adam_step(self, gradient, place: int):
        """Take a gradient into its moments; give their ratio, without the bias that they begin with."""
        first, second = self._momentums[place], self._velocities[place]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (keras.ops.square(gradient) - second) * (1 - self.beta_2))
        count = keras.ops.cast(self.iterations + 1, gradient.dtype)
        # 1 - beta ** count, which in float32 would lose four digits of seven in the first steps.
        mean, square = (
            moment / -keras.ops.expm1(count * math.log(beta))
            for moment, beta in ((first, self.beta_1), (second, self.beta_2))
        )
        return mean / (keras.ops.sqrt(square) + self.epsilon)

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "decay": self.decay}
