"""The order of operations in a unit, from the paper's figure: the row that the tests want of every placement."""

from typing import NamedTuple

# arXiv 1603.05027, Figure 4 and Table 2, (a) to (e): a basic unit from its input to its output.
# W is a convolution (weight), B a normalization (BN), R an activation (ReLU), + the addition.
ORDERS = {
    "original": "WBRWB+R",
    "bn_after_addition": "WBRW+BR",
    "relu_before_addition": "WBRWBR+",
    "relu_only_preactivation": "RWBRWB+",
    "full_preactivation": "BRWBRW+",
}


class Order(NamedTuple):
    """What stands before the first convolution, between two, behind the last, and after the addition."""

    before: str
    between: str
    behind: str
    after: str

    def of_unit(self, convolutions: int) -> str:
        """Write the order of a unit of so many convolutions: what is between two stands between any two."""
        return self.before + self.between.join("W" * convolutions) + self.behind + "+" + self.after


def order_of(placement: str) -> Order:
    assert placement in ORDERS, f"give the placement {placement!r} a row in ORDERS of {__file__}"
    branch, after = ORDERS[placement].split("+")
    return Order(*branch.split("W"), after)
