"""A network small enough to learn in a test, and how it is compiled."""

import keras

from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.model import ResidualNetwork
from training.optimization.averages import make_average
from training.optimization.losses import make_loss
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule


def small(normalized: bool = False, synchronized: bool = False) -> ResidualNetwork:
    """Make a network of a convolution, with batch normalization or without, and a classifier."""
    image = keras.Input((6, 6, 2))
    # Before a normalization the slope of a bias is what rounding makes of zero.
    penalty = keras.regularizers.L2(0.01)
    x = keras.layers.Conv2D(4, 3, use_bias=not normalized, kernel_regularizer=penalty, name="conv")(image)
    x = BatchNormalization(momentum=0.9, synchronized=synchronized, name="bn")(x) if normalized else x
    x = keras.layers.GlobalAveragePooling2D()(keras.ops.relu(x))
    return ResidualNetwork(image, keras.layers.Dense(3, activation="softmax", name="out")(x))


def compiled(model: ResidualNetwork, choice: dict) -> ResidualNetwork:
    """Compile a network with an optimizer that keeps an average of its weights."""
    average = make_average({"name": "ema", "decay": 0.5}, 3)
    optimizer = make_optimizer(choice, make_schedule("constant", 3), average=average)
    model.compile(optimizer, make_loss("cross_entropy"), weighted_metrics=["sparse_categorical_accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model
