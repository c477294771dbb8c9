"""Files of `torch.save`, read without torch and without running anything: named tensors.

Both formats hold a pickle of the saved object, in which each tensor refers to a storage by a key. The newer one is a
zip archive with a member for each storage; the older one is a row of pickles, and then the storages, one after
another.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import itertools
import math
import mmap
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np

from keras_resnet.weights.files.archives import Archive
from keras_resnet.weights.files.budget import A_TENSOR, Budget
from keras_resnet.weights.files.pickles import ForbiddenError, read_pickle
from keras_resnet.weights.files.raw import UnreadableError, damaged, decode, shortened, stored_dtype
from keras_resnet.weights.files.torch_objects import FUNCTIONS, Storage, Tensor, storage_of

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Where training programs put the weights when they save more than these; an average of them has another key.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
# Words in the keys under which they put other state than a network's, tensors included.
OTHERS = {"optimizer", "optimizers", "optim", "opt", "amp", "scaler", "scheduler", "schedulers", "rng", "callbacks"}
_MAX_DEPTH, _MAX_DICTIONARIES = 8, 10_000

Sets = dict[str, dict[str, Tensor]]


def is_program(name: str) -> bool:
    """Tell whether a member of an archive is the pickle of torch.save."""
    return name.rsplit("/", 1)[-1] == "data.pkl"


def read_archive(archive: Archive, key: str | None = None) -> dict[str, np.ndarray]:
    """Read the tensors of a zip archive that `torch.save` wrote."""
    pickled = min(filter(is_program, archive.names), key=len)
    folder = pickled.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive:
        raise UnreadableError("is a TorchScript program", "save its `state_dict()` with torch.save instead")
    order = "little"
    if f"{folder}byteorder" in archive:
        order = archive.read(f"{folder}byteorder").decode("ascii")
        if order not in ("little", "big"):
            raise damaged(f"its bytes are in the order {order!r}")
    program, budget = archive.read(pickled), archive.budget
    with _whole_models_told_apart(program.find):
        saved = read_pickle(io.BytesIO(program), FUNCTIONS, budget, storage_of)
        tensors = _named_tensors(saved, key, budget)
    content = functools.cache(archive.read)

    def read(storage: Storage) -> np.ndarray:
        name = f"{folder}data/{storage.key}"
        dtype = stored_dtype(storage.dtype, order)
        if archive.size_of(name) < storage.size * dtype.itemsize:
            raise damaged(f"its member {name!r} has fewer than {storage.size} values")
        return np.frombuffer(content(name), dtype, storage.size)

    return _read_each(tensors, read, budget)


def read_legacy(file: BinaryIO, budget: Budget, key: str | None = None) -> dict[str, np.ndarray]:
    """Read the tensors of a file of the format before torch 1.6: pickles, then storages."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        with _whole_models_told_apart(stream.find):
            magic = read_pickle(stream, FUNCTIONS, budget)
            if magic != MAGIC:
                found = "is a pickle, but not one of torch.save"
                raise UnreadableError(found, "save named arrays as .npz or .safetensors instead")
            if read_pickle(stream, {}, budget) != PROTOCOL:
                raise damaged("it is of a protocol that no torch writes")
            # Sizes of C types on the machine that wrote it; storages are little-endian on all.
            read_pickle(stream, {}, budget)
            storages: dict[str, Storage] = {}

            def noted(identity: Any) -> Storage:
                storage = storage_of(identity)
                storages.setdefault(storage.key, storage)
                return storage

            tensors = _named_tensors(read_pickle(stream, FUNCTIONS, budget, noted), key, budget)
        places = _find_storages(stream, read_pickle(stream, {}, budget), storages)

    def read(storage: Storage) -> np.ndarray:
        # A file may refer to one storage as of several sizes and types: each reference counts for itself.
        dtype, (begin, end) = stored_dtype(storage.dtype), places[storage.key]
        if begin + storage.size * dtype.itemsize > end:
            raise damaged(f"its storage {storage.key!r} has {end - begin} bytes, fewer than {storage.size} values")
        file.seek(begin)
        return np.fromfile(file, dtype, storage.size)

    return _read_each(tensors, read, budget)


def _find_storages(stream: mmap.mmap, keys: Any, storages: dict[str, Storage]) -> dict[str, tuple[int, int]]:
    """Find where the values of each storage begin and end: each has its number of values before it."""
    places = {}
    place = stream.tell()
    for key in map(str, keys):
        if key not in storages:
            raise damaged(f"it has a storage {key!r} that no tensor refers to")
        size = int.from_bytes(stream[place : place + 8], "little")
        begin = place + 8
        place = begin + size * stored_dtype(storages[key].dtype).itemsize
        places[key] = begin, place
        if place > len(stream):
            raise damaged(f"storage {key!r} ends at byte {place} of {len(stream)}")
    missing = sorted(storages.keys() - places.keys())
    if missing:
        raise damaged(f"it has no storage {missing[0]!r}")
    return places


@contextlib.contextmanager
def _whole_models_told_apart(find: Callable[[bytes, int], int]):
    """Tell a whole pickled module apart in the message, which would else name the first of its classes."""
    try:
        yield
    except ForbiddenError as error:
        if find(b"torch.nn.modules.", 0) < 0:
            raise
        found = f"holds a whole pickled model ({error.name!r}), which nothing can read without running its code"
        raise UnreadableError(found, "load it where it was made and save `model.state_dict()`") from error


def _named_tensors(saved: Any, key: str | None, budget: Budget) -> dict[str, Tensor]:
    """Find the tensors in what was saved: a dictionary of them, or one that has such under some key."""
    if not isinstance(saved, dict):
        advice = "save `model.state_dict()`, a dictionary of tensors"
        raise UnreadableError(f"holds no dictionary of tensors but a {_kind(saved)}", advice)
    sets = _sets(saved, budget)
    if not sets:
        what = f"tensors (its keys: {_listed(saved)})" if saved else "anything in it"
        raise UnreadableError(f"is a checkpoint without {what}", "give one that holds a `state_dict`")
    if key is None:
        return _plain(sets)
    inside = {name.removeprefix(f"{key}."): tensors for name, tensors in sets.items() if name.startswith(f"{key}.")}
    if key in sets or inside:
        return sets[key] if key in sets else _plain(inside)
    names = _listed(name for name in sets if name)
    if not names:
        raise UnreadableError(f"holds no set of weights {key!r}, but a single one", "leave the key out")
    raise UnreadableError(f"holds no set of weights {key!r}", f"choose another key: {names}")


def _plain(sets: Sets) -> dict[str, Tensor]:
    """Choose the set that a file is of: at each level a wrapper's, else the tensors there, else the only one."""
    while True:
        first: dict[str, Sets] = {}
        for name, tensors in sets.items():
            key, _, rest = name.partition(".")
            first.setdefault(key, {})[rest] = tensors
        wrapped = [key for key in WRAPPERS if key in first]
        own = [""] if "" in first else []
        chosen = wrapped or own or list(first)
        if len(chosen) > 1:
            names = _listed(name for key in chosen for name in (f"{key}.{rest}".rstrip(".") for rest in first[key]))
            raise UnreadableError(f"holds several sets of weights, {names}", 'choose one by its key, as in key="model"')
        if chosen == [""]:
            return first[""][""]
        sets = first[chosen[0]]


def _sets(saved: dict[Any, Any], budget: Budget) -> Sets:
    """Find all dictionaries of named tensors, the outer first, by their keys joined by dots; "" is the whole."""
    sets: Sets = {}
    found = collections.deque([((), saved)])
    for _ in range(_MAX_DICTIONARIES):
        if not found:
            return sets
        keys, things = found.popleft()
        # A dictionary may stand in many places, and its names with it.
        budget.take(len(things) + sum(map(len, keys)), "operations")
        named = {key: thing for key, thing in things.items() if isinstance(key, str)}
        if tensors := {key: thing for key, thing in named.items() if isinstance(thing, Tensor)}:
            sets[".".join(keys)] = tensors
        if len(keys) < _MAX_DEPTH:
            found += [
                ((*keys, key), thing)
                for key, thing in named.items()
                if isinstance(thing, dict) and OTHERS.isdisjoint(key.split("_"))
            ]
    raise damaged(f"it has more than {_MAX_DICTIONARIES} dictionaries in one another")


def _listed(names: Iterable[Any]) -> str:
    """Write names or keys, the first of them, for messages."""
    return ", ".join(shortened(repr(name), 60) for name in itertools.islice(names, 8))


def _kind(saved: Any) -> str:
    return "single tensor" if isinstance(saved, Tensor) else type(saved).__name__.strip("_").lower()


def _read_each(
    tensors: dict[str, Tensor], read: Callable[[Storage], np.ndarray], budget: Budget
) -> dict[str, np.ndarray]:
    """Read each storage once, and lay its tensors over it; a tensor may have many more values than its storage."""
    storages: dict[Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if storage not in storages:
            budget.take(storage.size * stored_dtype(storage.dtype).itemsize, "bytes")
            storages[storage] = decode(read(storage), storage.dtype)
        values = storages[storage]
        budget.take(A_TENSOR, "operations")
        budget.take(math.prod(tensor.shape) * values.itemsize, "bytes")
        arrays[name] = tensor.view(values)
    return arrays
