"""Optimizers by name: one function each, whose keyword-only arguments are what users may set.

An optimizer is a function `(schedule, common, **parameters) -> keras.optimizers.Optimizer`. `schedule` turns the
highest learning rate into that of each step. `common` is what all take, for the class `Layerwise` in `rules.py`: a
share of the rate for layers by name, an average of the weights, and clipping. `optimizer` adds the parameters of
clipping, and those of a rate that is stated for a batch of another size. Keras is imported inside the functions, so
that `--help` can list them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from keras_resnet.choices.registry import Range, extended, parse_choice, registering

if TYPE_CHECKING:
    import keras

    from training.optimization.averages import Average

OPTIMIZERS: dict[str, Callable] = {}

Rate = Annotated[float, Range(0, math.inf, above=True), "highest learning rate"]
Momentum = Annotated[float, Range(0, 1), "share of the last step that the next one keeps"]
Nesterov = Annotated[bool, "Nesterov's momentum"]
Decay = Annotated[float, Range(0, math.inf), "weight decay, as L2 regularization or decoupled"]
Decayed = Annotated[Literal["all", "kernels"], "parameters that decay"]
ClipNorm = Annotated[float, Range(0, math.inf), "largest norm of all gradients together; 0 leaves them as they are"]
ClipValue = Annotated[float, Range(0, math.inf), "largest value of a gradient; 0 leaves them as they are"]
Scaling = Annotated[Literal["none", "linear", "sqrt"], "how the rate grows with batch_size, from reference_batch on"]
ReferenceBatch = Annotated[
    int, Range(1, math.inf), "examples in a step for which learning_rate is stated, where scaling is not none"
]


def optimizer(name: str) -> Callable[[Callable], Callable]:
    """Make the decorator that puts an optimizer into the registry, with the clipping and scaling that all have."""

    def register(function: Callable) -> Callable:
        def common(
            schedule,
            given,
            batch_size,
            *,
            clip_norm: ClipNorm = 0.0,
            clip_value: ClipValue = 0.0,
            scaling: Scaling = "none",
            reference_batch: ReferenceBatch = 256,
            **parameters,
        ):
            if clip_norm and clip_value:
                raise ValueError(
                    f"Gradients are clipped by their norm or by value; received clip_norm={clip_norm} and clip_value="
                    f"{clip_value}. Leave one of them out."
                )
            own = {**given, "clip_norm": clip_norm, "clip_value": clip_value}
            factor = scaling_factor(scaling, reference_batch, batch_size)
            return function(lambda rate: schedule(rate * factor), own, **parameters)

        return registering(OPTIMIZERS)(name)(extended(function, common))

    return register


def make_optimizer(
    choice: str | Mapping[str, Any],
    schedule: Callable,
    rates: Mapping[str, float] | None = None,
    *,
    batch_size: int | None = None,
    average: Average | None = None,
    dtype: str = "float32",
) -> keras.optimizers.Optimizer:
    """Make the optimizer of a run, which scales the loss where the dtype policy is `mixed_float16`.

    A rate that is scaled needs the examples of a step over all devices.
    """
    name, parameters = parse_choice("optimizer", choice, OPTIMIZERS)
    given = {"rates": dict(rates or {}), "average": average.share if average else None}
    made = OPTIMIZERS[name](schedule, given, batch_size, **parameters)
    if dtype != "mixed_float16":
        return made
    from training.optimization.rules import LossScale

    return LossScale(made, name="loss_scale_optimizer")


def scaling_factor(scaling: str, reference_batch: int, batch_size: int | None) -> float:
    """Give the factor of a rate that is stated for one batch size and used at another.

    Source: arXiv 1706.02677, section 2.1, "linear scaling rule"; arXiv 1404.5997 for the square root.
    """
    return 1.0 if scaling == "none" else (batch_size / reference_batch) ** {"linear": 1.0, "sqrt": 0.5}[scaling]


def scaled_rate(choice: Mapping[str, Any], batch_size: int) -> str | None:
    """Say at which rate a complete choice learns with so many examples in a step; None where it does not depend."""
    rate, scaling, reference = (choice[name] for name in ("learning_rate", "scaling", "reference_batch"))
    if scaling == "none":
        return None
    used = rate * scaling_factor(scaling, reference, batch_size)
    return f"{used:g}, scaled from {rate:g} for {reference} examples in a step ({scaling})"


@optimizer("sgd")
def sgd(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 0.1,
    momentum: Momentum = 0.9,
    nesterov: Nesterov = False,
    weight_decay: Decay = 1e-4,
    decayed: Decayed = "all",
) -> keras.optimizers.Optimizer:
    """SGD with momentum, and weight decay as L2 regularization.

    Source: arXiv 1512.03385, section 3.4.
    """
    from training.optimization.rules import L2SGD

    return L2SGD(schedule(learning_rate), momentum, nesterov, weight_decay, decayed=decayed, **common)


@optimizer("muon")
def muon(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 0.2,
    kernel_rate: Annotated[float, Range(0, math.inf, above=True), "highest rate of convolution kernels"] = 0.015,
    head_share: Annotated[
        float, Range(0, math.inf, above=True), "rate of the classifier as a share of learning_rate"
    ] = 1.0,
    scale_share: Annotated[
        float, Range(0, math.inf), "rate of normalizations' scales as a share of learning_rate; 0 fixes them"
    ] = 1.0,
    offset_share: Annotated[
        float, Range(0, math.inf, above=True), "rate of normalizations' offsets as a share of learning_rate"
    ] = 1.0,
    momentum: Momentum = 0.9,
    nesterov: Nesterov = True,
    weight_decay: Decay = 5e-4,
    decayed: Decayed = "kernels",
) -> keras.optimizers.Optimizer:
    """Muon for convolution kernels, SGD for all other parameters.

    Both have the momentum; `kernel_rate` is Muon's and follows the same schedule; all others are SGD's, so that of
    "kernels" only the classifier's decays. `head_share`, `scale_share` and `offset_share` give the classifier and the
    normalizations rates of their own.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; scales fixed at 1 and
        offsets that learn faster: arXiv 2404.00498, section 3.
    """
    from keras_resnet.build.head import TOP
    from training.optimization.rules import Muon

    own = {"l2": weight_decay, "decayed": decayed, "kernel_ratio": kernel_rate / learning_rate}
    own |= {"scale_share": scale_share, "offset_share": offset_share}
    if head_share != 1:
        rates = common["rates"]
        common = {**common, "rates": {**rates, TOP: rates.get(TOP, 1.0) * head_share}}
    return Muon(schedule(learning_rate), momentum, nesterov, **own, **common)


@optimizer("adamw")
def adamw(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 0.001,
    weight_decay: Decay = 0.01,
    decayed: Decayed = "kernels",
) -> keras.optimizers.Optimizer:
    """Adam with decoupled weight decay: a step takes `weight_decay`, times the learning rate, of a parameter.

    Source: arXiv 1711.05101, algorithm 2.
    """
    from training.optimization.rules import AdamW

    return AdamW(schedule(learning_rate), weight_decay, decayed=decayed, **common)


@optimizer("lion")
def lion(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 1e-4,
    weight_decay: Decay = 0.1,
    decayed: Decayed = "kernels",
) -> keras.optimizers.Optimizer:
    """Steps by the sign of the momentum, with decoupled weight decay.

    Rates are 3 to 10 times lower than those of adamw, and weight decays as many times higher.

    Source: arXiv 2302.06675, algorithm 2 and section 5.
    """
    from training.optimization.rules import Lion

    return Lion(schedule(learning_rate), weight_decay, decayed=decayed, **common)


@optimizer("lamb")
def lamb(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 0.005,
    weight_decay: Decay = 0.02,
    decayed: Decayed = "kernels",
) -> keras.optimizers.Optimizer:
    """Adam for large batches: the step of a parameter that decays, decay included, is as long as a share of its norm.

    All others follow Adam.

    Source: arXiv 1904.00962, algorithm 2.
    """
    from training.optimization.trust_ratio import LAMB

    return LAMB(schedule(learning_rate), weight_decay, decayed=decayed, **common)


@optimizer("lars")
def lars(
    schedule: Callable[[float], Any],
    common: dict[str, Any],
    *,
    learning_rate: Rate = 1.0,
    momentum: Momentum = 0.9,
    weight_decay: Decay = 1e-4,
    decayed: Decayed = "kernels",
    trust: Annotated[
        float, Range(0, math.inf, above=True), "length of a gradient as a share of the parameter's"
    ] = 0.001,
) -> keras.optimizers.Optimizer:
    """SGD with momentum for large batches: gradients of parameters that decay are scaled to a share of their norm.

    All others follow SGD.

    Source: arXiv 1708.03888, algorithm 1.
    """
    from training.optimization.trust_ratio import LARS

    own = {"l2": weight_decay, "decayed": decayed, "coefficient": trust}
    return LARS(schedule(learning_rate), momentum, **own, **common)
