"""What a run does about classes of unequal size, by name.

A choice is a function `(counts, **parameters) -> Balance` of the number of training images of each class. It changes
how a network learns, never how it is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

from keras_resnet.choices.registry import Range, registering

if TYPE_CHECKING:
    import numpy as np

BALANCES: dict[str, Callable] = {}
balance = registering(BALANCES)

Power = Annotated[float, Range(0, 1, above=True, closed=True), "1 makes up for all of the inequality, less for a part"]


class Balance(NamedTuple):
    """What makes up for classes of unequal size.

    Args:
        weights: float64 array (classes,), by which the loss of an example of a class is multiplied, or None.
        shares: float64 array (classes,) that adds up to 1, the part of an epoch's images that is of each class, or None
            where each image is shown once.
    """

    weights: np.ndarray | None = None
    shares: np.ndarray | None = None


@balance("none")
def none(counts: np.ndarray) -> Balance:
    """Take classes as they are.

    Args:
        counts: integer array (classes,), training images of each class.

    Returns:
        Balance.
    """
    return Balance()


@balance("weights")
def weights(counts: np.ndarray, *, power: Power = 1.0) -> Balance:
    """Weight the loss of an example by 1 / n ** power of the n images of its class; the mean over all images is 1.

    At a power of 1 a class of n among N images of C classes weighs N / (C n). An example that is a mixture of several
    weighs as much as they do on average, in the proportions of its label.

    Args:
        counts: integer array (classes,), training images of each class.
        power: float, 1 makes up for all of the inequality, less for a part.

    Returns:
        Balance.

    Source: King and Zeng, "Logistic Regression in Rare Events Data" (2001), section 5.2, as scikit-learn's "balanced".
    """
    import numpy as np

    own = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0)
    return Balance(weights=own * counts.sum() / (own * counts).sum())


@balance("sampling")
def sampling(counts: np.ndarray, *, power: Power = 1.0) -> Balance:
    """Show every class equally often: images of small classes several times in an epoch, not all of large ones.

    At a power below 1 a class of n images is shown in proportion to n ** (1 - power); 0.5 is square-root sampling.

    Args:
        counts: integer array (classes,), training images of each class.
        power: float, 1 makes up for all of the inequality, less for a part.

    Returns:
        Balance.

    Source: arXiv 1910.09217, section 3, with power = 1 - q.
    """
    import numpy as np

    own = np.where(counts > 0, np.maximum(counts, 1.0) ** (1 - power), 0.0)
    return Balance(shares=own / own.sum())
