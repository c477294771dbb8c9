"""The random numbers of `python -m training`, without TensorFlow: the order of an epoch, the draws of augmentations.

TensorFlow makes both by Philox 4x32-10, a function of a counter and a key: so a run here sees the same batches, image
for image, as one of the same seed there.

Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MULTIPLIERS, WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF
SEEDS = 2**31 - 1  # modulo which TensorFlow takes seeds; two zeros would be none, and become this number
SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)  # by which TensorFlow's stateless generators turn a seed into a key


def philox(counters: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """Turn counters, uint32 (4, count), into as many random numbers of the same shape."""
    a, b, c, d = counters.astype("uint64")
    for number in range(10):
        first, second = ((start + number * step) & LOW for start, step in zip(key, WEYL))
        product, other = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (other >> 32) ^ b ^ first, other & LOW, (product >> 32) ^ d ^ second, product & LOW
    return np.stack([a, b, c, d]).astype("uint32")


def halves(number: int) -> tuple[int, int]:
    """Part an integer of 64 bits into its lower and its upper half."""
    return number & LOW, number >> 32 & LOW


def numbers(count: int, key: Sequence[int], upper: Sequence[int]) -> np.ndarray:
    """Draw so many uint32 by a key and the upper half of the counter, from its lower half at zero."""
    groups = -(-count // 4)
    counters = np.zeros((4, groups), "uint32")
    counters[0], counters[2:] = np.arange(groups), np.array(upper)[:, np.newaxis]
    return philox(counters, key).T.reshape(-1)[:count]


def uniform(shape: tuple[int, ...], key: int, epoch: int) -> np.ndarray:
    """Draw float32 numbers in [0, 1) as `tf.random.stateless_uniform(shape, (key, epoch))` does on a CPU or GPU."""
    counter = np.array([*halves(key), *halves(epoch)], "uint32")[:, np.newaxis]
    mixed = [int(number) for number in philox(counter, SCRAMBLING_KEY)[:, 0]]
    drawn = numbers(int(np.prod(shape)), mixed[:2], mixed[2:])
    return ((drawn & 0x7FFFFF) | 0x3F800000).view("float32").reshape(shape) - np.float32(1)


def order_of(count: int, buffer: int, seed: int, epoch: int) -> np.ndarray:
    """Put the examples of an epoch in the order of `training.data.batches`, int32 (count,).

    That is a shuffle of tf.data through a buffer, seeded by the run's global seed and the epoch's own.
    """
    run, own = (seed + 1) % SEEDS, (seed * 1_000_003 + epoch) % SEEDS
    seeds = [int(number) for number in numbers(2, halves(run), halves(own if run or own else SEEDS))]
    size = min(count, buffer)
    drawn = numbers(count, halves(seeds[0]), halves(seeds[1])).tolist()
    held, order = list(range(size)), np.empty(count, "int32")
    for start, number in enumerate(drawn):
        end = min(start + size, count)
        place = (start + number % (end - start)) % size
        order[start], held[place] = held[place], held[start % size]
        if end < count:
            held[end % size] = end
    return order
