"""What a user names to be used: the network of a run, or weights; and the options that are for one of them alone."""

from __future__ import annotations

import os
from pathlib import Path

from keras_resnet.weights.collections import COLLECTIONS
from keras_resnet.weights.named import is_collection, is_name, only_network
from keras_resnet.weights.sources import weights_of_folder
from training.run_folder import RunFolder


def names_run(what: str | os.PathLike, network: str | None = None, best: bool = False) -> bool:
    """Tell whether a user names a run, or else weights.

    Args:
        what: run folder, `.keras` file, file or folder of weights that other code wrote, "hf://owner/name", or the name
            of a collection of weights, as "cifar10" or "imagenet". A folder that is none of these is taken for a run,
            of which whoever opens it says what it lacks.
        network: str, name of the network of weights, which a collection of several needs; None for what they tell.
        best: bool, whether the network of a run's best epoch is asked for.

    Returns:
        bool.

    Raises:
        ValueError: there is no such thing, an option is for the other kind, or a collection of several networks is
            named without one of them.
    """
    if not is_name(what) and _is_folder_of_run(Path(what)):
        if network is not None:
            raise ValueError(f"--network is for weights; the run {os.fspath(what)} names its own network.")
        return True
    if best:
        raise ValueError(f"--best is for run folders; {os.fspath(what)} names weights.")
    if is_collection(what) and network is None and only_network(what) is None:
        networks = ", ".join(COLLECTIONS[what].networks())
        raise ValueError(f"{what!r} names the weights of several networks; name one by --network: {networks}.")
    if not is_name(what) and not os.path.lexists(what):
        raise ValueError(
            f"{os.fspath(what)!r} is no run folder, no file of a network or of weights, and no name of weights: "
            f"{', '.join(COLLECTIONS)} or hf://owner/name."
        )
    return False


def _is_folder_of_run(path: Path) -> bool:
    """Tell whether a folder has the configuration of a run, or nothing that other code writes as weights."""
    return path.is_dir() and (
        RunFolder(path).config_file.exists() or weights_of_folder(os.fspath(path)) == os.fspath(path)
    )
