"""The order of normalizations, activations and the addition in a residual unit, as a table."""

from __future__ import annotations

from typing import NamedTuple


class Placement(NamedTuple):
    """Where the operations other than convolutions stand in a unit; exactly one activation between any two of them."""

    prefix: tuple[str, ...]
    between: tuple[str, ...]
    suffix: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def parse(cls, order: str) -> Placement:
        """Read the order of a basic unit, "+" being the addition; a third convolution repeats what is between."""
        branch, after = order.split("+")
        prefix, between, suffix = (tuple(part.split()) for part in branch.split("conv"))
        return cls(prefix, between, suffix, tuple(after.split()))


# arXiv 1603.05027, Figure 4 and Table 2, (a) to (e).
PLACEMENTS: dict[str, Placement] = {
    name: Placement.parse(order)
    for name, order in {
        "original": "conv norm act conv norm + act",
        "bn_after_addition": "conv norm act conv + norm act",
        "relu_before_addition": "conv norm act conv norm act +",
        "relu_only_preactivation": "act conv norm act conv norm +",
        "full_preactivation": "norm act conv norm act conv +",
    }.items()
}
