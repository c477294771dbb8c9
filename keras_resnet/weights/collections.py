"""Collections of weights by the name of the data that they were trained on, each with those of one or more networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_resnet.architecture import Architecture
from keras_resnet.weights import published, trained


class Collection(NamedTuple):
    """Where the weights of networks are, by the networks' names."""

    networks: Callable[[], Sequence[str]]
    architecture: Callable[[str], Architecture]  # in which a network was trained
    file: Callable[[str, bool], str]  # of a network, with its classifier or for use without


def of_files(files: Mapping[str, Path]) -> Collection:
    """Make a collection of files with cards, by the networks' names."""
    return Collection(
        networks=lambda: [*files],
        architecture=lambda network: trained.architecture(files[network]),
        file=lambda network, include_top: str(files[network]),
    )


# By the name that a user gives; those that come with the package are there where there is a file.
COLLECTIONS: dict[str, Collection] = {
    "imagenet": Collection(lambda: [*published.PUBLISHED], published.architecture, published.file),
    **{dataset: of_files(files) for dataset, files in trained.files().items()},
}


def collections_with(network: str) -> list[str]:
    """Name the collections that have weights of a network."""
    return [name for name, collection in COLLECTIONS.items() if network in collection.networks()]
