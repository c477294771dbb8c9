"""Weights in repositories of the Hugging Face hub, by its own client: its cache, its offline mode, its credentials."""

from __future__ import annotations

import os
import re
from types import ModuleType

from keras_resnet.weights.files.raw import shortened

SCHEME = "hf://"
# A repository, and perhaps a branch, a tag or a commit of it.
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
# What is looked for: a file of weights, the first one that is there, and what its code writes beside it.
LAYOUTS = {
    "model.safetensors": ("config.json",),
    "pytorch_model.bin": ("config.json",),
    "model.weights.h5": ("config.json", "task.json", "task.weights.h5", "preprocessor.json"),
}


def fetch(name: str) -> str:
    """Fetch the weights of a repository, or find them in the hub's cache; give the folder in which they lie.

    What is in the cache is taken as it is, without asking whether the repository has gone on.
    """
    match = _NAME.fullmatch(name.removeprefix(SCHEME))
    if match is None:
        raise ValueError(
            f"{shortened(name)!r} names no repository of the hub; write {SCHEME}owner/name or "
            f"{SCHEME}owner/name@revision."
        )
    client = _client(name)
    folders = _folders(client, name, match)
    if len(folders) > 1:  # a part was in the cache, and the repository has gone on since: fetch all as it is now
        folders = _folders(client, name, match)
    return folders.pop()


def _client(name: str) -> ModuleType:
    """Import the hub's client."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"{name!r} is fetched by huggingface_hub, which is not installed; install it with: "
            "pip install 'keras-resnet-suite[hub]'"
        ) from error
    return huggingface_hub


def _folders(client: ModuleType, name: str, match: re.Match) -> set[str]:
    """Bring the files of a repository to this machine; name their folders, of which each commit has one."""
    for weights, others in LAYOUTS.items():
        if path := _file(client, name, match, weights):
            paths = [path, *(_file(client, name, match, other) for other in others)]
            return {os.path.dirname(found) for found in paths if found}
    raise ValueError(f"{name!r} has none of the files that are read: {', '.join(LAYOUTS)}.")


def _file(client: ModuleType, name: str, match: re.Match, file: str) -> str | None:
    """Bring a file of a repository to this machine; None where the repository has no such file."""
    repository, revision = match["repository"], match["revision"]
    known = client.try_to_load_from_cache(repository, file, revision=revision)
    if known is not None:  # a path; or a mark that the repository has no such file
        return known if isinstance(known, str) else None
    from huggingface_hub import errors

    try:
        return client.hf_hub_download(repository, file, revision=revision)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ValueError(
            f"{name!r} is not on the hub, or not for everybody; check its name, or log in with `hf auth login`."
        ) from error
    except errors.HFValidationError as error:
        raise ValueError(f"{name!r} names no repository of the hub: {shortened(error)}") from error
    except errors.LocalEntryNotFoundError as error:
        raise ValueError(
            f"{name!r} is not whole in the cache of this machine, where {file} is missing, and the hub cannot be "
            "reached: go online without HF_HUB_OFFLINE; or copy the cache, in HF_HOME, from a machine that has it."
        ) from error
    except errors.EntryNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{name!r} could not be fetched: {shortened(error)}") from error
