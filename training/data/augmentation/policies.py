"""The policies that AutoAugment found, as a table of facts.

A line is a pair of operations, one after the other, each with its probability and its magnitude from 0 to 9, or `-` for
an operation that has none.

Source: arXiv 1805.09501, tables 7 (CIFAR-10) and 9 (ImageNet).
"""

from __future__ import annotations

from typing import NamedTuple

CIFAR10 = """
    invert         0.1  -    contrast       0.2  6
    rotate         0.7  2    translate_x    0.3  9
    sharpness      0.8  1    sharpness      0.9  3
    shear_y        0.5  8    translate_y    0.7  9
    auto_contrast  0.5  -    equalize       0.9  -
    shear_y        0.2  7    posterize      0.3  7
    color          0.4  3    brightness     0.6  7
    sharpness      0.3  9    brightness     0.7  9
    equalize       0.6  -    equalize       0.5  -
    contrast       0.6  7    sharpness      0.6  5
    color          0.7  7    translate_x    0.5  8
    equalize       0.3  -    auto_contrast  0.4  -
    translate_y    0.4  3    sharpness      0.2  6
    brightness     0.9  6    color          0.2  8
    solarize       0.5  2    invert         0.0  -
    equalize       0.2  -    auto_contrast  0.6  -
    equalize       0.2  -    equalize       0.6  -
    color          0.9  9    equalize       0.6  -
    auto_contrast  0.8  -    solarize       0.2  8
    brightness     0.1  3    color          0.7  0
    solarize       0.4  5    auto_contrast  0.9  -
    translate_y    0.9  9    translate_y    0.7  9
    auto_contrast  0.9  -    solarize       0.8  3
    equalize       0.8  -    invert         0.1  -
    translate_y    0.7  9    auto_contrast  0.9  -
"""
IMAGENET = """
    posterize      0.4  8    rotate         0.6  9
    solarize       0.6  5    auto_contrast  0.6  -
    equalize       0.8  -    equalize       0.6  -
    posterize      0.6  7    posterize      0.6  6
    equalize       0.4  -    solarize       0.2  4
    equalize       0.4  -    rotate         0.8  8
    solarize       0.6  3    equalize       0.6  -
    posterize      0.8  5    equalize       1.0  -
    rotate         0.2  3    solarize       0.6  8
    equalize       0.6  -    posterize      0.4  6
    rotate         0.8  8    color          0.4  0
    rotate         0.4  9    equalize       0.6  -
    equalize       0.0  -    equalize       0.8  -
    invert         0.6  -    equalize       1.0  -
    color          0.6  4    contrast       1.0  8
    rotate         0.8  8    color          1.0  2
    color          0.8  8    solarize       0.8  7
    sharpness      0.4  7    invert         0.6  -
    shear_x        0.6  5    equalize       1.0  -
    color          0.4  0    equalize       0.6  -
    equalize       0.4  -    solarize       0.2  4
    solarize       0.6  5    auto_contrast  0.6  -
    invert         0.6  -    equalize       1.0  -
    color          0.6  4    contrast       1.0  8
    equalize       0.8  -    equalize       0.6  -
"""


class Part(NamedTuple):
    """One of the two operations of a line."""

    operation: str
    probability: float
    magnitude: int


def read_policy(text: str) -> list[tuple[Part, Part]]:
    """Read the lines of a table."""
    lines = (line.split() for line in text.strip().splitlines())
    return [(_part(*words[:3]), _part(*words[3:])) for words in lines]


def _part(operation: str, probability: str, magnitude: str) -> Part:
    return Part(operation, float(probability), 0 if magnitude == "-" else int(magnitude))


POLICIES = {"cifar10": read_policy(CIFAR10), "imagenet": read_policy(IMAGENET)}
