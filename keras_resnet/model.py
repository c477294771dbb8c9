"""ResidualNetwork: the model class of all networks of this package, and the function that builds one."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from typing import Any

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import get_architecture
from keras_resnet.build.network import Shape, build_graph
from keras_resnet.build.stages import Level, levels_of
from keras_resnet.files import write_atomically
from keras_resnet.garbage import uncollected
from keras_resnet.layers.conventions import PACKAGE
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.signature import sign

CARRIED = ("architecture", "levels", "preprocessing", "labels")  # what a network knows of itself


@keras.saving.register_keras_serializable(PACKAGE)
class ResidualNetwork(keras.Model):
    """A functional model whose graph may be thousands of layers deep, and that knows what it is.

    It carries its choices (`architecture`, an `Architecture`), where its features lie (`levels`, a dict of names to
    `Level`), what its weights expect of images (`preprocessing`, a `Preprocessing`) and the names of its classes
    (`labels`, a tuple of str) into its `.keras` file, copies and configuration. `architecture` is None for a network
    that a file of version 0.1.0 holds or that was not built by this package, `preprocessing` while its weights have no
    known input contract, `labels` while nobody has named its classes.

    Keras walks the graph of a functional model recursively when it makes one, which also happens on loading
    and cloning, and meets Python's recursion limit near 1000 layers.

    Args:
        *args: those of `keras.Model`. They are not spelled out because Keras 3.12 takes a subclass for a
            functional model only if its arguments look like those of its own, wrapped constructor.
        **kwargs: those of `keras.Model`; and `architecture`, `levels`, `preprocessing` and `labels`, as here or as in
            a configuration. Levels are by default those of the architecture.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        known = {name: kwargs.pop(name) for name in CARRIED if name in kwargs} or _carried_by_outputs(*args, **kwargs)
        with deep_recursion():
            super().__init__(*args, **kwargs)
        architecture, levels, preprocessing, labels = (known.get(name) for name in CARRIED)
        self.architecture: Architecture | None = (
            Architecture.from_dict(architecture) if isinstance(architecture, dict) else architecture
        )
        if levels is None and self.architecture is not None:
            levels = levels_of(self.architecture)
        self.levels: dict[str, Level] = {name: Level(*level) for name, level in (levels or {}).items()}
        self.preprocessing: Preprocessing | None = (
            Preprocessing(**preprocessing) if isinstance(preprocessing, dict) else preprocessing
        )
        self.labels: tuple[str, ...] | None = None if labels is None else tuple(labels)

    def get_config(self) -> dict[str, Any]:
        """Return the model's configuration."""
        config = super().get_config()
        if self.architecture is not None:
            config["architecture"] = self.architecture.to_dict()
        if self.levels:
            config["levels"] = {name: list(level) for name, level in self.levels.items()}
        if self.preprocessing is not None:
            config["preprocessing"] = self.preprocessing.to_dict()
        if self.labels is not None:
            config["labels"] = list(self.labels)
        return config

    def _run_through_graph(self, *args: Any, **kwargs: Any):
        """Mark the outputs of a symbolic graph, from which `keras.models.clone_model` makes a model of this class.

        The method is Keras's own. Where it is not used any more, a clone knows its weights and not its choices.
        """
        outputs = super()._run_through_graph(*args, **kwargs)
        for tensor in keras.tree.flatten(outputs):
            if keras.backend.is_keras_tensor(tensor):
                tensor.carried = carried(self)
        return outputs

    def train_step(self, *args: Any, **kwargs: Any):
        """Train on a batch as Keras does, without Python's garbage collector while the step is traced."""
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
    """Give an upper bound of a weights file's bytes; on a full disk the HDF5 library would end the whole process."""
    variables = [*model.variables, *(model.optimizer.variables if getattr(model, "optimizer", None) else ())]
    return sum(4 * math.prod(variable.shape) + 4096 for variable in variables)


def uncompiled(model: ResidualNetwork) -> ResidualNetwork:
    """Give a network over the same layers without optimizer, loss and metrics.

    Keras writes these into every `.keras` file of a compiled model, with the optimizer's state, and to load the file
    their classes are needed.
    """
    return ResidualNetwork(model.input, model.output, name=model.name, **carried(model))


def carried(model: keras.Model) -> dict[str, Any]:
    """Give what a model knows of itself, as arguments of a `ResidualNetwork` made of it."""
    return {name: getattr(model, name, None) for name in CARRIED}


def _carried_by_outputs(inputs: Any = None, outputs: Any = None, **_: Any) -> dict[str, Any]:
    """Give what the model knew of itself whose graph has been run through to these outputs."""
    return next((tensor.carried for tensor in keras.tree.flatten(outputs) if hasattr(tensor, "carried")), {})


@contextlib.contextmanager
def deep_recursion(limit: int = 100_000) -> Iterator[None]:
    """Raise Python's recursion limit for a while, to so many frames."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def build_network(
    architecture: Architecture | str,
    *,
    name: str | None = None,
    include_top: bool = True,
    input_tensor=None,
    input_shape: Shape | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    **choices: Any,
) -> ResidualNetwork:
    """Build an untrained network; see `keras_resnet.ResNet` for the arguments."""
    name = name or (architecture.lower() if isinstance(architecture, str) else "resnet")
    architecture = as_architecture(architecture).replace(**choices)
    with uncollected():
        inputs, outputs = build_graph(
            architecture,
            include_top=include_top,
            input_tensor=input_tensor,
            input_shape=input_shape,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
        )
        return ResidualNetwork(inputs, outputs, name=name, architecture=architecture)


def as_architecture(network: Architecture | str) -> Architecture:
    """Give an architecture, or look one up by the network's name."""
    if isinstance(network, str):
        return get_architecture(network)
    if not isinstance(network, Architecture):
        raise ValueError(f"architecture must be an Architecture or a name; received {network!r}.")
    return network
