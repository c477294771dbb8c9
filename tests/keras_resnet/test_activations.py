"""Whatever names an activation becomes a fresh layer at each site, with the values of that activation."""

import functools

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import activation_factory
from keras_resnet.analysis import count_parameters
from keras_resnet.choices.activations import KERAS_FUNCTIONS, UNFIT, channels_taken
from tests.keras_resnet.helpers import images, outputs, randomise, tiny

X = np.array([[-2.0, -0.5, 0.0, 1.5]], dtype="float32")


@keras.saving.register_keras_serializable("tests")
def shifted(x):
    return x + 1


@keras.saving.register_keras_serializable("tests")
class Tripled(keras.layers.Layer):
    def call(self, inputs):
        return 3 * inputs


def built_prelu():
    layer = keras.layers.PReLU(name="mine")
    layer.build((None, 4))
    return layer


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", np.maximum(X, 0)),
        ("tanh", np.tanh(X)),
        ("sigmoid", 1 / (1 + np.exp(-X))),
        ("silu", X / (1 + np.exp(-X))),
        ("linear", X),
        ("elu", np.where(X > 0, X, np.expm1(X))),
        (keras.activations.relu6, np.clip(X, 0, 6)),
        (keras.ops.tanh, np.tanh(X)),
        (shifted, X + 1),
        (keras.layers.ReLU, np.maximum(X, 0)),
        (Tripled, 3 * X),
        (Tripled(), 3 * X),
        (keras.layers.LeakyReLU(negative_slope=0.125), np.where(X > 0, X, 0.125 * X)),
        (keras.layers.ReLU(max_value=1.0), np.clip(X, 0, 1)),
        (keras.saving.serialize_keras_object(keras.layers.ELU(alpha=0.5)), np.where(X > 0, X, 0.5 * np.expm1(X))),
        (keras.saving.serialize_keras_object(shifted), X + 1),
        ({"name": "trainable_swish", "beta": 0.0}, X / 2),
        ({"name": "piecewise_linear"}, np.maximum(X, 0)),
    ],
)
def test_each_description_computes_its_function(activation, expected):
    np.testing.assert_allclose(outputs(activation_factory(activation)(name="site"), X), expected, atol=1e-6)


@pytest.mark.parametrize("name", KERAS_FUNCTIONS)
def test_functions_of_keras_need_one_argument_and_keep_the_shape(name):
    x = images(2, 3, 3, 4)
    assert outputs(activation_factory(name)(name="site"), x).shape == x.shape


@pytest.mark.parametrize("activation", ["relu", "prelu", shifted, Tripled, Tripled(), keras.layers.PReLU()])
def test_each_call_makes_a_layer_of_its_own_under_the_given_name(activation):
    make = activation_factory(activation)
    first, second = make(name="first"), make(name="second")
    assert first is not second
    assert (first.name, second.name) == ("first", "second")


def test_prelu_has_one_slope_a_channel_at_each_site():
    model = keras_resnet.ResNet(tiny(activation="prelu"), input_shape=(8, 8, 3))
    slopes = [layer.alpha for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    # Stem; then two sites in each unit: one of width 4, two of width 6.
    assert [slope.shape for slope in slopes] == [(1, 1, 4)] * 3 + [(1, 1, 6)] * 4
    assert len({id(slope) for slope in slopes}) == 7
    assert {id(slope) for slope in slopes} <= {id(weight) for weight in model.trainable_weights}


def test_prelu_adds_its_slopes_to_the_parameters_of_resnet20():
    # 16 in the stem; 3 units of 2 sites in each stage.
    assert count_parameters(keras_resnet.ResNet20(activation="prelu")) == 269_722 + 16 + 6 * (16 + 32 + 64)


def test_each_slope_acts_at_its_own_site_only():
    model = keras_resnet.ResNet(tiny(activation="prelu"), input_shape=(8, 8, 3))
    randomise(model)
    x = images(2, 8, 8, 3)
    sites = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    maps = keras.Model(model.input, [site.output for site in sites])
    before = [np.array(site) for site in maps(x)]
    sites[2].alpha.assign(sites[2].alpha + 1)
    changed = [not np.array_equal(old, new) for old, new in zip(before, maps(x))]
    assert changed == [False, False, True, True, True, True, True]


def test_prelu_takes_any_image_size_and_computes_the_same():
    fixed, free = (keras_resnet.ResNet(tiny(activation="prelu"), input_shape=(s, s, 3)) for s in (9, None))
    randomise(fixed)
    free.set_weights(fixed.get_weights())
    x = images(2, 9, 9, 3)
    np.testing.assert_allclose(outputs(free, x), outputs(fixed, x), rtol=1e-5)


def test_prelu_starts_with_the_papers_slope():
    for choice, slope in (("prelu", 0.25), ({"name": "prelu", "slope": 0.1}, 0.1)):
        site = activation_factory(choice)(name="site")
        np.testing.assert_allclose(outputs(site, images(2, 3, 3, 4) * 0 - 1), -slope)


@pytest.mark.parametrize(
    ("activation", "channels"),
    [("relu", 1), ("prelu", 1), ("maxout", 2), ({"name": "maxout", "pieces": 3}, 3), (keras_resnet.Maxout(4), 4)],
    ids=str,
)
def test_maxout_alone_takes_several_channels_for_one(activation, channels):
    assert channels_taken(activation) == channels
    model = keras_resnet.ResNet(tiny(activation=activation), input_shape=(8, 8, 3))
    assert model.get_layer("conv3_block2_1_conv").filters == 6 * channels
    assert model.output_shape == (None, 10)


def test_names_that_need_no_keras_are_those_of_its_functions():
    functions = {name: getattr(keras.activations, name) for name in dir(keras.activations)}
    others = {"get", "serialize", "deserialize"}
    assert {*KERAS_FUNCTIONS, *UNFIT} == {
        n for n, f in functions.items() if callable(f) and n.islower() and n not in others
    }


def test_prelu_computes_the_slope_times_the_negative_part():
    site = activation_factory("prelu")(name="site")
    x = images(2, 3, 3, 4)
    site(x)
    slopes = np.array([0.1, 0.2, 0.3, 0.4], dtype="float32")
    site.alpha.assign(slopes.reshape(1, 1, 4))
    np.testing.assert_allclose(outputs(site, x), np.where(x > 0, x, slopes * x), rtol=1e-6)


def test_prototype_is_copied_and_not_used_itself():
    prototype = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.75), shared_axes=[1, 2])
    model = keras_resnet.ResNet(tiny(activation=prototype), input_shape=(8, 8, 3))
    sites = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(sites) == 7
    assert all(np.all(np.array(site.alpha) == 0.75) for site in sites)
    assert not prototype.built
    assert all(layer is not prototype for layer in model.layers)


@pytest.mark.parametrize(
    ("activation", "sentence"),
    [
        ("rellu", r"Unknown activation 'rellu'\. Did you mean 'relu'\? Allowed: .*prelu"),
        ({"name": "prelu", "slopes": 1}, r"Unknown parameter of activation 'prelu': 'slopes'\. Did you mean 'slope'\?"),
        ({"name": "prelu", "slope": "x"}, r"slope must be a number from -10 to below 10; received 'x'"),
        ({"name": "relu"}, r"Unknown activation 'relu'\. Did you mean .* Allowed: prelu, trainable_swish, "),
        (built_prelu(), r"a layer with weights of its own, 'mine'.* cannot share it: pass a fresh PReLU\(\.\.\.\)"),
        ("PReLU", r"Unknown activation 'PReLU'\. Did you mean 'prelu'\?"),
        (lambda x: x, r"activation is a lambda or another function without a name"),
        (functools.partial(keras.activations.leaky_relu, negative_slope=0.1), r"another function without a name"),
        (3, r"activation=3 is neither a name, a function, a Layer class, a Layer nor a Keras config"),
        (None, r"activation=None is neither a name"),
        ("glu", r"activation 'glu' of Keras takes two channels for one, .*; take 'maxout'"),
        (keras.layers.Activation("glu"), r"activation 'glu' of Keras takes two channels for one"),
        (keras.ops.glu, r"activation 'glu' of Keras takes two channels for one"),
        (keras.saving.serialize_keras_object(keras.activations.glu), r"activation 'glu' of Keras takes two channels"),
        ("threshold", r"activation 'threshold' of Keras needs two more arguments; register a function"),
        ({"class_name": "Nope", "config": {}}, r"is not a serialized Keras activation: Could not locate class 'Nope'"),
    ],
)
def test_what_is_no_activation_is_refused_in_words(activation, sentence):
    with pytest.raises(ValueError, match=sentence):
        activation_factory(activation)
