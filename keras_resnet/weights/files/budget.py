"""What reading one file may cost, so that a small file cannot demand much time or memory. Readers charge it in advance.

Bytes are those that a file unpacks to, and those of the arrays that are laid over them, also where many elements share
one value. Operations are instructions of a pickle, tensors, and objects of an HDF5 file: whatever takes a moment each.
Layers are those of the network that a file describes. A training checkpoint of 1202 layers, with Adam's state and an
average of the weights, takes a million operations; its network has 4212 layers.
"""

from __future__ import annotations

from keras_resnet.weights.files.raw import UnreadableError

# A file may always take as many bytes as it likes up to this, and beyond it so many times its own size.
FREE_BYTES, EXPANSION = 2**28, 8
OPERATIONS = 3_000_000
LAYERS = 10_000
# Operations that a tensor, or an object of an HDF5 file, counts for.
A_TENSOR, AN_OBJECT = 20, 80


class Budget:
    """The bytes, operations and layers that reading one file may still take."""

    def __init__(self, size: int):
        self.size = size
        self.limits = {"bytes": FREE_BYTES + EXPANSION * size, "operations": OPERATIONS, "layers": LAYERS}
        self.spent = dict.fromkeys(self.limits, 0)

    def take(self, count: int, unit: str) -> None:
        """Charge what is about to be spent."""
        self.spent[unit] += count
        if self.spent[unit] > self.limits[unit]:
            most = f"{self.limits[unit]:,} {unit}"
            raise UnreadableError(
                f"asks for more than {most}, which is all that a file of {self.size:,} bytes may take",
                "get it from a source that you trust, for no file of weights needs so many",
            )
