"""What command lines of this project have in common: commands by name, and one sentence where something goes wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import pydantic

from training.config import explain

DEBUG = "KERAS_RESNET_DEBUG"

Command = Callable[[list[str]], None]


def run(commands: Mapping[str, Command], default: Command, arguments: list[str] | None, extras: str) -> int:
    """Run a command line; whatever goes wrong ends in one sentence.

    Args:
        commands: mapping of names to commands.
        default: what to run where the first argument names none.
        arguments: list of str; None for those of the process.
        extras: str, what to install where something is missing, as in "train".

    Returns:
        int, the exit status.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        if arguments and arguments[0] in commands:
            commands[arguments[0]](arguments[1:])
        else:
            default(arguments)
    except KeyboardInterrupt:
        return 130
    except pydantic.ValidationError as error:
        return complain(explain(error), error)
    except ImportError as error:
        hint = f"Install what is missing with: pip install 'keras-resnet-suite[cpu,{extras}]' (or '[gpu,{extras}]')."
        return complain(f"{error}. {hint}", error)
    except (ValueError, OSError) as error:
        return complain(str(error), error)
    return 0


def complain(sentence: str, error: Exception) -> int:
    """Print what went wrong, or raise it where a traceback was asked for.

    Args:
        sentence: str.
        error: the exception.

    Returns:
        int, the exit status.
    """
    if os.environ.get(DEBUG):
        raise error
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    return 1


def option(arguments: list[str], name: str) -> str | None:
    """Find the value of an option, written `--name value` or `--name=value`.

    Args:
        arguments: list of str.
        name: str, with its dashes.

    Returns:
        str, or None where the option is not given.
    """
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return None
