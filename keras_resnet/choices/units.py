"""The convolutions of a residual unit, as a table."""

from __future__ import annotations

from typing import NamedTuple


class Convolutions(NamedTuple):
    """The convolutions of a unit: kernel sizes, and the channels it gives out as a multiple of its width."""

    kernels: tuple[int, ...]
    expansion: int


# arXiv 1512.03385, Figure 5; one convolution: arXiv 1603.05027, Table 3, "1-layer", and the Highway networks.
UNITS: dict[str, Convolutions] = {
    "basic": Convolutions(kernels=(3, 3), expansion=1),
    "bottleneck": Convolutions(kernels=(1, 3, 1), expansion=4),
    "single": Convolutions(kernels=(3,), expansion=1),
}
