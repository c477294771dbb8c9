"""What the command lines of the benchmarks have in common."""

from __future__ import annotations

import argparse
import math


def described(text: str) -> argparse.ArgumentParser:
    """Make the parser of a script, whose help is the script's docstring as it stands."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a positive whole number is needed; received {text!r}")
    return int(text)


def positive_number(text: str) -> float:
    """Read a number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a positive number is needed; received {text!r}")
    return value
