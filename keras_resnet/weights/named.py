"""What a user names to get weights: a path, a repository of the hub, or a collection such as "imagenet"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import get_architecture
from keras_resnet.architecture.table import TABLE
from keras_resnet.messages import unknown
from keras_resnet.weights import hub
from keras_resnet.weights.checkpoint import Checkpoint, naming_faults, read_checkpoint
from keras_resnet.weights.collections import COLLECTIONS
from keras_resnet.weights.names import check_architecture

Named = str | os.PathLike
Network = Architecture | str | None


def is_name(weights: Named | None) -> bool:
    """Tell whether weights are named otherwise than by a path."""
    return is_collection(weights) or (isinstance(weights, str) and weights.startswith(hub.SCHEME))


def is_collection(weights: Named | None) -> bool:
    """Tell whether weights are named by a collection, which may have those of several networks."""
    return isinstance(weights, str) and weights in COLLECTIONS


def only_network(weights: Named | None) -> str | None:
    """Name the network of a collection that has the weights of one alone; None for anything else."""
    networks = COLLECTIONS[weights].networks() if is_collection(weights) else ()
    return networks[0] if len(networks) == 1 else None


def read(weights: Named, network: str | None = None, key: str | None = None, include_top: bool = True) -> Checkpoint:
    """Read the weights that a user names, those of a collection for a network, with its classifier or without."""
    if is_collection(weights):
        return read_checkpoint(COLLECTIONS[weights].file(_in_collection(weights, network), include_top))
    return read_checkpoint(hub.fetch(weights) if is_name(weights) else weights, key)


def find(
    weights: Named, network: Network, choices: Mapping[str, Any], *, key: str | None = None, include_top: bool = True
) -> tuple[Architecture, Checkpoint]:
    """Read the weights that a user names, and give the architecture for them with some choices set otherwise."""
    if is_collection(weights):
        return _chosen(weights, network, choices), read(weights, network, key, include_top)
    checkpoint = read(weights, key=key)
    architecture = network
    if not isinstance(network, Architecture):
        with naming_faults(checkpoint.path, "is of no network that can be built here:"):
            architecture = checkpoint.architecture()
    if isinstance(network, str):
        check_architecture(architecture, network, checkpoint.path)
        if checkpoint.description.architecture() is None:
            architecture = get_architecture(network).replace(**checkpoint.untold)
    return architecture.replace(**choices), checkpoint


def _chosen(name: str, network: Network, choices: Mapping[str, Any]) -> Architecture:
    """Give the architecture that the weights of a collection are of; what would change the function is refused."""
    network = _in_collection(name, network)
    trained = COLLECTIONS[name].architecture(network)
    chosen = trained.replace(**choices)
    for field in choices:
        if not TABLE[field].is_harmless and getattr(chosen, field) != getattr(trained, field):
            raise ValueError(
                f"The weights {name!r} of {network} are of {field}={getattr(trained, field)!r}, and would compute "
                f"something else with {choices[field]!r}. Leave {field} out, or weights."
            )
    return chosen


def _in_collection(name: str, network: Network) -> str:
    """Look up a network, by its name in any case, among those of which a collection has weights."""
    networks = COLLECTIONS[name].networks()
    if not isinstance(network, str):
        example = next(iter(networks), "ResNet50")
        raise ValueError(f"weights={name!r} are of networks by name, as in {example!r}; received {network!r}.")
    for known in networks:
        if known.lower() == network.lower():
            return known
    raise ValueError(unknown(f"network with weights={name!r}:", network, networks))
