"""What the command lines of the benchmarks have in common."""

from __future__ import annotations

import argparse
import functools
import math
import os
import subprocess
import sys
from collections.abc import Callable

Main = Callable[[list[str] | None], int]


def in_a_sentence(main: Main) -> Main:
    """Let a command line say in a sentence what it cannot write or read, with status 1, as those of the packages do."""

    @functools.wraps(main)
    def ended(arguments: list[str] | None = None) -> int:
        try:
            status = main(arguments)
            sys.stdout.flush()
            return status
        except subprocess.CalledProcessError as error:
            sentence = f"A process of this script ended with status {error.returncode}; what it said stands above."
        except (ValueError, OSError) as error:
            if os.environ.get("KERAS_RESNET_DEBUG"):
                raise
            sentence = str(error)
        try:
            sys.stdout.flush()
        except OSError:  # standard output is what cannot be written; Python would complain once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
        return 1

    return ended


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
