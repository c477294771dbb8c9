"""Optimizers against a few lines of NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from training.optimization.curves import After, PiecewiseLinear
from training.optimization.optimizers import make_optimizer
from training.optimization.rules import L2SGD, AdamW, Lion, Muon, layer_rates, orthogonalize
from training.optimization.schedules import make_schedule
from training.optimization.trust_ratio import LAMB, LARS

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.05


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def variables(*names: str, shape: tuple[int, ...] = (3, 2)) -> list[keras.Variable]:
    return [keras.Variable(numbers(*shape, seed=place), name=name) for place, name in enumerate(names)]


def gradients(step: int, count: int, shape: tuple[int, ...] = (3, 2)) -> list[np.ndarray]:
    return [numbers(*shape, seed=100 + 10 * step + place) for place in range(count)]


def run(optimizer, trained: list[keras.Variable], steps: int = 3) -> list[np.ndarray]:
    """Apply a few steps of known gradients; return the values of the variables."""
    for step in range(steps):
        given = gradients(step, len(trained), tuple(trained[0].shape))
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in given], trained)
    return [variable.numpy() for variable in trained]


def sgd_by_hand(weight: np.ndarray, place: int, count: int, l2: float, nesterov: bool, steps: int = 3) -> np.ndarray:
    """Update as Caffe does: v = m v - rate (g + l2 w), w += v; Nesterov adds m v - rate (g + l2 w) instead."""
    velocity = np.zeros_like(weight, "float64")
    for step in range(steps):
        pull = RATE * (gradients(step, count, weight.shape)[place] + l2 * weight)
        velocity = MOMENTUM * velocity - pull
        weight = weight + (MOMENTUM * velocity - pull if nesterov else velocity)
    return weight


@pytest.mark.parametrize("nesterov", [False, True], ids=["plain", "nesterov"])
@pytest.mark.parametrize("decayed", ["all", "kernels"])
def test_l2sgd_follows_caffe(nesterov, decayed):
    names = ("kernel", "gamma", "beta", "bias")
    trained = variables(*names)
    start = [variable.numpy() for variable in trained]
    ended = run(L2SGD(RATE, MOMENTUM, nesterov, DECAY, decayed=decayed), trained)
    for place, name in enumerate(names):
        l2 = DECAY if decayed == "all" or name == "kernel" else 0.0
        np.testing.assert_allclose(ended[place], sgd_by_hand(start[place], place, 4, l2, nesterov), atol=1e-6)


def test_l2sgd_is_sgd_on_the_loss_with_its_penalty():
    inputs, targets = numbers(16, 5), numbers(16, 3, seed=1)

    def fitted(optimizer, penalty):
        keras.utils.set_random_seed(1)
        layer = keras.layers.Dense(3, kernel_regularizer=penalty, bias_regularizer=penalty, bias_initializer="ones")
        model = keras.Sequential([keras.Input((5,)), layer])
        model.compile(optimizer, "mse")
        model.fit(inputs, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    ours = fitted(L2SGD(RATE, MOMENTUM, True, DECAY, decayed="all"), None)
    reference = fitted(keras.optimizers.SGD(RATE, MOMENTUM, True), keras.regularizers.L2(DECAY / 2))
    for left, right in zip(ours, reference, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def steps_of(optimizer, dtype: str, compiled: bool) -> list[np.ndarray]:
    """Train two variables for five steps; return the weights and the optimizer's state."""
    trained = [keras.Variable(numbers(3, 2, seed=place), dtype=dtype, name="kernel") for place in range(2)]
    optimizer.build(trained)
    step = tf.function(lambda given: optimizer.apply(given, trained)) if compiled else optimizer.apply
    for number in range(5):
        step([tf.constant(gradient, dtype) for gradient in gradients(number, 2)])
    return [keras.ops.convert_to_numpy(v) for v in (*trained, *optimizer.variables)]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-7), ("float16", 4e-3)])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, False), (0.9, True), (0.0, False)])
def test_without_decay_l2sgd_is_the_sgd_of_keras_in_weights_and_state(momentum, nesterov, dtype, tolerance, compiled):
    schedule = PiecewiseLinear([0, 5], [0.1, 0.3])
    ours = steps_of(L2SGD(schedule, momentum, nesterov, 0.0), dtype, compiled)
    reference = steps_of(keras.optimizers.SGD(schedule, momentum, nesterov), dtype, compiled)
    for left, right in zip(ours, reference, strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "loss_scaled"])
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"clipnorm": 0.5},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
    ],
    ids=lambda choices: next(iter(choices), "plain"),
)
def test_what_keras_does_about_a_step_works_with_the_fused_update(choices, wrapped):
    def fitted(optimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(7, 3), keras.layers.Dense(2)])
        model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer, "mse")
        model.fit(np.arange(24) % 5, numbers(24, 2), batch_size=4, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    # The gradient of an embedding is sparse, those of the dense layer are not.
    ours = fitted(L2SGD(RATE, MOMENTUM, True, 0.0, **choices))
    reference = fitted(keras.optimizers.SGD(RATE, MOMENTUM, True, **choices))
    for left, right in zip(ours, reference, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_update_of_a_variable_is_one_operation():
    def types(optimizer):
        trained = variables("kernel", "bias")
        optimizer.build(trained)
        given = [tf.TensorSpec((3, 2))] * 2
        graph = tf.function(lambda *given: optimizer.apply(given, trained)).get_concrete_function(*given).graph
        return [operation.type for operation in graph.get_operations()]

    assert types(L2SGD(RATE, MOMENTUM)).count("ResourceApplyKerasMomentum") == 2
    assert "ResourceApplyKerasMomentum" not in types(L2SGD(RATE, 0.0))


def test_kernels_are_told_apart_in_a_compiled_step():
    layer = keras.layers.Dense(2, bias_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(L2SGD(RATE, 0.0, False, DECAY, decayed="kernels"), loss=lambda y_true, y_pred: 0.0 * y_pred)
    kernel = layer.kernel.numpy()
    model.fit(numbers(4, 3), numbers(4, 2), batch_size=4, epochs=1, verbose=0)
    np.testing.assert_allclose(layer.kernel.numpy(), kernel * (1 - RATE * DECAY), rtol=1e-6)
    np.testing.assert_array_equal(layer.bias.numpy(), [1, 1])


def restored(instance):
    """Serialise and deserialise, as `model.save` does."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(instance))


@pytest.mark.parametrize(
    "optimizer",
    [
        L2SGD(PiecewiseLinear([0, 2], [0.1, 0.3]), 0.7, True, 0.02, decayed="kernels"),
        Muon(0.3, 0.8, False, 0.02, "all", kernel_ratio=0.2),
        AdamW(After(2, 0.01, PiecewiseLinear([0, 2], [0.1, 0.3])), 0.02, decayed="kernels", rates={"a": 0.1}),
        Lion(0.02, 0.3, decayed="all"),
        LAMB(0.02, 0.3, 1e-3, decayed="kernels"),
        LARS(0.3, 0.8, True, 0.02, "all", coefficient=0.3),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_optimizer_survives_serialisation(optimizer):
    copy = restored(optimizer)
    assert type(copy) is type(optimizer)
    first, second = (variables("kernel", "bias", shape=(3, 3, 2, 4)) for _ in range(2))
    for left, right in zip(run(optimizer, first), run(copy, second), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("shape", [(6, 6), (27, 4), (4, 27)])
def test_orthogonalize_keeps_directions_and_brings_lengths_near_one(shape):
    matrix = numbers(*shape)
    moved = np.asarray(orthogonalize(matrix))
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ moved @ right.T
    np.testing.assert_allclose(inner, np.diag(np.diag(inner)), atol=1e-3)
    assert np.diag(inner).min() > 0.65 and np.diag(inner).max() < 1.25


@pytest.mark.parametrize("shape", [(2, 27, 4), (2, 4, 27), (30, 30)])
def test_orthogonalize_gives_what_the_iteration_gives_as_its_authors_write_it(shape):
    # The directions differ in length by a factor of up to 1,000, as those of gradients do.
    expected = matrices = numbers(*shape) * np.logspace(0, -3, shape[-1], dtype="float32")
    expected = expected / np.linalg.norm(expected, axis=(-2, -1), keepdims=True).astype("float64")
    for _ in range(5):
        gram = expected @ np.swapaxes(expected, -2, -1)
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    np.testing.assert_allclose(orthogonalize(matrices), expected, atol=1e-3)


def test_orthogonalize_takes_each_matrix_of_a_batch_alone():
    batch = numbers(3, 5, 4)
    together = np.asarray(orthogonalize(batch))
    np.testing.assert_allclose(together, [np.asarray(orthogonalize(matrix)) for matrix in batch], atol=1e-5)


def test_orthogonalize_ignores_scale():
    matrix = numbers(9, 4)
    np.testing.assert_allclose(orthogonalize(matrix), orthogonalize(1000 * matrix), atol=1e-4)


@pytest.mark.parametrize("momentum", [MOMENTUM, 0])
def test_muon_steps_along_the_orthogonalized_momentum_and_keeps_the_norm(momentum):
    shape, ratio = (3, 3, 2, 4), 0.3
    (kernel,) = variables("kernel", shape=shape)
    weight, velocity = kernel.numpy(), np.zeros(shape)
    ended = run(Muon(RATE, momentum, True, DECAY, "all", ratio), [kernel])[0]
    for step in range(3):
        gradient = gradients(step, 1, shape)[0]
        velocity = momentum * velocity + gradient
        direction = np.asarray(orthogonalize((gradient + momentum * velocity).reshape(18, 4).astype("float32")))
        weight = weight - RATE * ratio * direction.reshape(shape)
        weight *= 2 / np.linalg.norm(weight)
    np.testing.assert_allclose(ended, weight, atol=1e-5)
    assert abs(np.linalg.norm(ended) - 2) < 1e-5


@pytest.mark.parametrize("name", ["sgd", "muon", "lars"])
def test_momentum_may_be_none_at_all(name):
    kernel = keras.Variable(np.ones((1, 1, 1, 2), "float32"), name="kernel")
    bias = keras.Variable([1.0, 2.0], name="bias")
    choice = {"name": name, "learning_rate": 1, "momentum": 0, "weight_decay": 0}
    optimizer = make_optimizer(choice, make_schedule("constant", 2))
    for _ in range(2):
        optimizer.apply([keras.ops.zeros((1, 1, 1, 2)), keras.ops.ones(2)], [kernel, bias])
    np.testing.assert_allclose(bias.numpy(), [-1, 0])


@pytest.mark.parametrize("nesterov", [False, True])
def test_muon_hands_all_but_convolution_kernels_to_sgd(nesterov):
    ours, reference = variables("kernel", "bias"), variables("kernel", "bias")
    left = run(Muon(RATE, MOMENTUM, nesterov, DECAY, "kernels"), ours)
    right = run(L2SGD(RATE, MOMENTUM, nesterov, DECAY, decayed="kernels"), reference)
    np.testing.assert_array_equal(left, right)


def test_muon_gives_the_classifier_a_rate_of_its_own():
    model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=2)
    trained = [model.get_layer(name).trainable_variables[-1] for name in ("predictions", "conv1_bn", "conv1_conv")]
    before = [variable.numpy() for variable in trained]
    choice = {"name": "muon", "learning_rate": 0.2, "kernel_rate": 0.1, "momentum": 0, "weight_decay": 0}
    optimizer = make_optimizer({**choice, "head_share": 0.05}, make_schedule("constant", 2), {"predictions": 0.5})
    assert make_optimizer(choice, make_schedule("constant", 2), {"predictions": 0.5}).rates == {"predictions": 0.5}
    optimizer.apply([keras.ops.ones(variable.shape) for variable in trained], trained)
    bias, offset, _ = (left - variable.numpy() for left, variable in zip(before, trained))
    np.testing.assert_allclose(bias, 0.005, rtol=1e-4)  # half of 0.05 of the rate, as the stages ask
    np.testing.assert_allclose(offset, 0.2, rtol=1e-4)
    assert np.linalg.norm(trained[2].numpy()) == pytest.approx(4, rel=1e-4)  # Muon keeps the norm, sqrt(16)


def test_muon_gives_normalizations_rates_of_their_own():
    model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=2, activation="trainable_swish")
    norm, swish = model.get_layer("conv1_bn"), model.get_layer("conv1_relu")
    trained = [norm.gamma, norm.beta, swish.beta, model.get_layer("predictions").bias]
    assert swish.beta.name == norm.beta.name
    before = [variable.numpy() for variable in trained]
    shares = {"head_share": 0.5, "scale_share": 0, "offset_share": 3}
    choice = {"name": "muon", "learning_rate": 0.2, "momentum": 0, "weight_decay": 0.1, "decayed": "all", **shares}
    optimizer = make_optimizer(choice, make_schedule("constant", 2), {"conv1_bn": 0.5})
    optimizer.apply([keras.ops.ones(variable.shape) for variable in trained], trained)
    gamma, beta, own, bias = (left - variable.numpy() for left, variable in zip(before, trained))
    assert not gamma.any()
    np.testing.assert_allclose(beta, 0.3, rtol=1e-4)  # three times half of the rate, as the stages ask
    np.testing.assert_allclose(own, 0.22, rtol=1e-4)  # an activation's own beta is no offset: the rate, and its decay
    np.testing.assert_allclose(bias, 0.1, rtol=1e-4)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    again.build(trained)
    assert again._shares == optimizer._shares == [0, 1.5, 1, 0.5]


OURS = {"adamw": AdamW, "lion": Lion, "lamb": LAMB}


def test_choice_decides_the_optimizer():
    schedule, rates = make_schedule("constant", 10), {"conv1_conv": 0.5}
    fields = {"learning_rate": 0.2, "momentum": 0.8, "nesterov": True, "weight_decay": 0.03, "decayed": "kernels"}
    sgd = make_optimizer({"name": "sgd", **fields}, schedule, rates)
    assert type(sgd) is L2SGD
    assert (sgd.momentum, sgd.nesterov, sgd.l2, sgd.decayed) == (0.8, True, 0.03, "kernels")
    muon = make_optimizer({"name": "muon", **fields, "kernel_rate": 0.05}, schedule, rates)
    assert type(muon) is Muon and muon.kernel_ratio == pytest.approx(0.25)
    assert (muon.momentum, muon.nesterov, muon.l2, muon.decayed) == (0.8, True, 0.03, "kernels")
    lars = make_optimizer({"name": "lars", "learning_rate": 0.2, "momentum": 0.8, "trust": 0.01}, schedule, rates)
    assert type(lars) is LARS and (lars.momentum, lars.nesterov, lars.l2) == (0.8, False, 1e-4)
    assert (lars.coefficient, lars.decayed) == (0.01, "kernels")
    named = [({"name": name, "learning_rate": 0.2, "weight_decay": 0.3}, kind) for name, kind in OURS.items()]
    others = [make_optimizer(choice, schedule, rates) for choice, _ in named]
    assert [type(made) for made in others] == [kind for _, kind in named]
    assert [(made.decay, made.decayed) for made in others] == [(0.3, "kernels")] * 3
    for made in (sgd, muon, lars, *others):
        assert float(made.learning_rate) == pytest.approx(0.2) and made.rates == rates
    scheduled = make_optimizer({"name": "sgd", **fields}, make_schedule({"name": "one_cycle", "warmup": 0.0}, 10))
    scheduled.build(variables("kernel"))
    assert float(scheduled.learning_rate) == pytest.approx(0.2)


@pytest.mark.parametrize("decayed", ["all", "kernels"])
def test_adamw_decays_what_is_asked(decayed):
    choice = {"name": "adamw", "learning_rate": RATE, "weight_decay": DECAY, "decayed": decayed}
    names = ("kernel", "gamma", "beta", "bias", "alpha", "slope_0", "numerator")
    trained = variables(*names)
    start = [variable.numpy() for variable in trained]
    optimizer = make_optimizer(choice, make_schedule("constant", 10))
    optimizer.apply([keras.ops.zeros((3, 2)) for _ in names], trained)
    for name, before, variable in zip(names, start, trained):
        share = 1 - RATE * DECAY if decayed == "all" or name == "kernel" else 1
        np.testing.assert_allclose(variable.numpy(), before * share, rtol=1e-6)


@pytest.mark.parametrize("decayed", ["all", "kernels"])
def test_adamw_is_that_of_keras(decayed):
    names = ("kernel", "gamma", "bias")
    reference = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
    if decayed == "kernels":
        reference.exclude_from_weight_decay(var_names=["^(?!kernel)"])
    left = run(AdamW(RATE, DECAY, decayed=decayed), variables(*names))
    for ours, expected in zip(left, run(reference, variables(*names)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: L2SGD(RATE, MOMENTUM, True, DECAY, **k),
        lambda **k: Muon(RATE, MOMENTUM, True, DECAY, **k),
        lambda **k: AdamW(RATE, DECAY, **k),
        lambda **k: Lion(RATE, DECAY, **k),
        lambda **k: LAMB(RATE, DECAY, **k),
        lambda **k: LARS(RATE, MOMENTUM, True, DECAY, coefficient=0.5, **k),
    ],
    ids=["L2SGD", "Muon", "AdamW", "Lion", "LAMB", "LARS"],
)
@pytest.mark.parametrize("shape", [(3, 2), (3, 3, 2, 4)])
def test_layer_follows_an_optimizer_of_its_own_rate(make, shape):
    def trained(share_of_slow, **rates):
        optimizer = make(**rates)
        if share_of_slow != 1:
            optimizer.learning_rate = RATE * share_of_slow
        layers = []
        for name in ("slow", "fast"):
            with keras.name_scope(name):
                layers.append(keras.Variable(numbers(*shape), name="kernel"))
        return run(optimizer, layers)

    both = trained(1, rates={"slow": 0.25})
    np.testing.assert_allclose(both[0], trained(0.25)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both[1], trained(1)[1], rtol=1e-6, atol=1e-7)
    assert np.abs(both[0] - trained(1)[0]).max() > 1e-3


def test_rates_fall_from_the_head_to_the_stem():
    rates = layer_rates(keras_resnet.ResNet("ResNet8V2", input_shape=(8, 8, 1)), 0.5)
    expected = {"predictions": 1, "post_bn": 0.5, "conv4_block1_1_conv": 0.5, "conv3_block1_1_bn": 0.25}
    assert expected.items() <= rates.items()
    assert (rates["conv2_block1_2_conv"], rates["conv1_conv"]) == (0.125, 0.0625)
