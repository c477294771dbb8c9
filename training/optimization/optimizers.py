"""Optimizers by name: one function each, whose keyword-only arguments are what users may set.

An optimizer is a function `(schedule, common, **parameters) -> keras.optimizers.Optimizer`. `schedule` turns the
highest learning rate into that of each step. `common` is what all take, for the class `Layerwise` in `rules.py`: a
share of the rate for layers by name, and clipping, whose parameters are added by `optimizer`. Keras is imported inside
the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from keras_resnet.choices.registry import Range, extended, parse_choice, registering

if TYPE_CHECKING:
    import keras

OPTIMIZERS: dict[str, Callable] = {}

Rate = Annotated[float, Range(0, math.inf, above=True), "highest learning rate"]
Momentum = Annotated[float, Range(0, 1), "share of the last step that the next one keeps"]
Nesterov = Annotated[bool, "Nesterov's momentum"]
Decay = Annotated[float, Range(0, math.inf), "weight decay, as L2 regularization or decoupled"]
Decayed = Annotated[Literal["all", "kernels"], "parameters that decay"]
ClipNorm = Annotated[float, Range(0, math.inf), "largest norm of all gradients together; 0 leaves them as they are"]
ClipValue = Annotated[float, Range(0, math.inf), "largest value of a gradient; 0 leaves them as they are"]


def optimizer(name: str) -> Callable[[Callable], Callable]:
    """Make the decorator that puts an optimizer into the registry, with the clipping that all have."""

    def register(function: Callable) -> Callable:
        @functools.wraps(function)
        def clipping(schedule, rates, *, clip_norm: float = 0.0, clip_value: float = 0.0, **parameters):
            if clip_norm and clip_value:
                raise ValueError(
                    f"Gradients are clipped by their norm or by value; received clip_norm={clip_norm} and clip_value="
                    f"{clip_value}. Leave one of them out."
                )
            return function(schedule, {"rates": rates, "clip_norm": clip_norm, "clip_value": clip_value}, **parameters)

        clipping.__signature__ = extended(function, clip_norm=ClipNorm, clip_value=ClipValue)
        return registering(OPTIMIZERS)(name)(clipping)

    return register


def make_optimizer(
    choice: str | Mapping[str, Any], schedule: Callable, rates: Mapping[str, float] | None = None
) -> keras.optimizers.Optimizer:
    """Make the optimizer of a run."""
    name, parameters = parse_choice("optimizer", choice, OPTIMIZERS)
    return OPTIMIZERS[name](schedule, dict(rates or {}), **parameters)


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
    momentum: Momentum = 0.9,
    nesterov: Nesterov = True,
    weight_decay: Decay = 5e-4,
    decayed: Decayed = "kernels",
) -> keras.optimizers.Optimizer:
    """Muon for convolution kernels, SGD for all other parameters.

    Both have the momentum; `kernel_rate` is Muon's and follows the same schedule; all others are SGD's, so that of
    "kernels" only the classifier's decays.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """
    from training.optimization.rules import Muon

    own = {"l2": weight_decay, "decayed": decayed, "kernel_ratio": kernel_rate / learning_rate}
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
