"""The files of `torch.save`, read without torch: named tensors, and nothing that could run.

Both formats hold a pickle of the saved object, in which each tensor refers to a storage by a key. The newer one is a
zip archive with a member for each storage; the older one is a row of pickles, and then the storages, one after
another.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from keras_resnet.weights.pickles import ForbiddenError, read_pickle
from keras_resnet.weights.raw import UnreadableError, check_member, damaged, decode, read_member, stored_dtype
from keras_resnet.weights.torch_objects import FUNCTIONS, Storage, Tensor, storage_of

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Where training programs put the tensors when they save more than these, the likeliest first.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema")
_MAX_DEPTH = 8


def is_program(name: str) -> bool:
    """Tell whether a member of an archive is the pickle of torch.save.

    Args:
        name: str, its full name.

    Returns:
        bool.
    """
    return name.rsplit("/", 1)[-1] == "data.pkl"


def read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Read the tensors of a zip archive that `torch.save` wrote.

    Args:
        archive: zipfile.ZipFile.

    Returns:
        dict of arrays by name, in the file's order.

    Raises:
        UnreadableError: it holds none, or what cannot be read without running it.
    """
    pickled = min((name for name in archive.namelist() if is_program(name)), key=len)
    folder = pickled.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.NameToInfo:
        raise UnreadableError("is a TorchScript program", "save its `state_dict()` with torch.save instead")
    order = "little"
    if f"{folder}byteorder" in archive.NameToInfo:
        order = read_member(archive, f"{folder}byteorder").decode("ascii")
        if order not in ("little", "big"):
            raise damaged(f"its bytes are in the order {order!r}")
    program = read_member(archive, pickled)
    with _whole_models_told_apart(program.find):
        tensors = _named_tensors(read_pickle(io.BytesIO(program), FUNCTIONS, storage_of))

    def read(storage: Storage) -> np.ndarray:
        name = f"{folder}data/{storage.key}"
        check_member(archive, name)
        dtype = stored_dtype(storage.dtype, order)
        if archive.getinfo(name).file_size < storage.size * dtype.itemsize:
            raise damaged(f"its member {name!r} has fewer than {storage.size} values")
        return decode(np.frombuffer(archive.read(name), dtype, storage.size), storage.dtype)

    return _read_each(tensors, read)


def read_legacy(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read the tensors of a file of the format before torch 1.6: pickles, then storages.

    Args:
        file: the file, opened for reading bytes.

    Returns:
        dict of arrays by name, in the file's order.

    Raises:
        UnreadableError: it holds none, or what cannot be read without running it.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        with _whole_models_told_apart(stream.find):
            magic = read_pickle(stream, FUNCTIONS)
            if magic != MAGIC:
                found = "is a pickle, but not one of torch.save"
                raise UnreadableError(found, "save named arrays as .npz or .safetensors instead")
            if read_pickle(stream, {}) != PROTOCOL:
                raise damaged("it is of a protocol that no torch writes")
            read_pickle(stream, {})  # sizes of C types on the machine that wrote it; storages are little-endian on all
            storages: dict[str, Storage] = {}

            def noted(identity: Any) -> Storage:
                storage = storage_of(identity)
                storages.setdefault(storage.key, storage)
                return storage

            tensors = _named_tensors(read_pickle(stream, FUNCTIONS, noted))
        places = _find_storages(stream, read_pickle(stream, {}), storages)

    def read(storage: Storage) -> np.ndarray:
        file.seek(places[storage.key])
        stored = np.fromfile(file, stored_dtype(storage.dtype), storage.size)
        return decode(stored, storage.dtype)

    return _read_each(tensors, read)


def _find_storages(stream: mmap.mmap, keys: Any, storages: dict[str, Storage]) -> dict[str, int]:
    """Find where the values of each storage begin: each has its number of values before it."""
    places = {}
    place = stream.tell()
    for key in map(str, keys):
        if key not in storages:
            raise damaged(f"it has a storage {key!r} that no tensor refers to")
        size = int.from_bytes(stream[place : place + 8], "little")
        places[key] = place + 8
        place += 8 + size * stored_dtype(storages[key].dtype).itemsize
        if place > len(stream) or size < storages[key].size:
            raise damaged(f"storage {key!r} ends at byte {place} of {len(stream)}")
    missing = sorted(storages.keys() - places.keys())
    if missing:
        raise damaged(f"it has no storage {missing[0]!r}")
    return places


@contextlib.contextmanager
def _whole_models_told_apart(find: Callable[[bytes, int], int]):
    """Say of a pickled module that it is one, instead of which of its classes came first."""
    try:
        yield
    except ForbiddenError as error:
        if find(b"torch.nn.modules.", 0) < 0:
            raise
        found = f"holds a whole pickled model ({error.name!r}), which nothing can read without running its code"
        raise UnreadableError(found, "load it where it was made and save `model.state_dict()`") from error


def _named_tensors(saved: Any, depth: int = 0) -> dict[str, Tensor]:
    """Find the tensors in what was saved: a dictionary of them, or one that has it under some key."""
    if not isinstance(saved, dict) or depth > _MAX_DEPTH:
        advice = "save `model.state_dict()`, a dictionary of tensors"
        raise UnreadableError(f"holds no dictionary of tensors but a {_kind(saved)}", advice)
    inner = {key: value for key, value in saved.items() if isinstance(value, dict) and _holds_tensors(value)}
    for key in WRAPPERS:
        if key in inner:
            return _named_tensors(inner[key], depth + 1)
    tensors = {key: value for key, value in saved.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        return tensors
    if len(inner) == 1:
        return _named_tensors(next(iter(inner.values())), depth + 1)
    keys = ", ".join(repr(key)[:40] for key in list(inner or saved)[:8])
    if inner:
        raise UnreadableError(f"holds several sets of tensors, {keys}", f"save the right one under {WRAPPERS[0]!r}")
    found = f"is a checkpoint without tensors (its keys: {keys})" if saved else "is a checkpoint without anything in it"
    raise UnreadableError(found, "give one that holds a `state_dict`")


def _holds_tensors(saved: dict[Any, Any], depth: int = 0) -> bool:
    """Tell whether a dictionary holds named tensors, itself or under the key of a wrapper."""
    if any(isinstance(key, str) and isinstance(value, Tensor) for key, value in saved.items()):
        return True
    wrapped = (saved[key] for key in WRAPPERS if isinstance(saved.get(key), dict))
    return depth < _MAX_DEPTH and any(_holds_tensors(value, depth + 1) for value in wrapped)


def _kind(saved: Any) -> str:
    return "single tensor" if isinstance(saved, Tensor) else type(saved).__name__.strip("_").lower()


def _read_each(tensors: dict[str, Tensor], read: Callable[[Storage], np.ndarray]) -> dict[str, np.ndarray]:
    """Read each storage once, and lay its tensors over it."""
    storages: dict[Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        if tensor.storage not in storages:
            storages[tensor.storage] = read(tensor.storage)
        arrays[name] = tensor.view(storages[tensor.storage])
    return arrays
