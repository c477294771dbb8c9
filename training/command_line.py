"""What command lines of this project have in common: commands by name, and one sentence where something goes wrong."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pydantic

from keras_resnet.interrupts import STATUS
from keras_resnet.startup import CLOSED, DEBUG, VERBOSE, set_level
from training.config import explain

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
    set_level(VERBOSE in arguments)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with flushing():
            arguments = checked(arguments)
            if arguments and arguments[0] in commands:
                commands[arguments[0]](arguments[1:])
            else:
                default(arguments)
    except KeyboardInterrupt:
        return STATUS
    except BrokenPipeError as error:
        return close_output() if output_is_closed() else complain(str(error), error)
    except pydantic.ValidationError as error:
        return complain(explain(error), error)
    except ImportError as error:
        hint = f"Install what is missing with: pip install 'keras-resnet-suite[cpu,{extras}]' (or '[gpu,{extras}]')."
        return complain(f"{error}. {hint}", error)
    except (ValueError, OSError) as error:
        return complain(str(error), error)
    except Exception as error:
        return complain(unexpected(error), error)
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


def unexpected(error: Exception) -> str:
    """Put an error that no part of the program has foreseen into a sentence.

    Args:
        error: the exception.

    Returns:
        str.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # the latter TensorFlow's
        return f"Out of memory. Lower --batch-size or --image-size, or leave out --cache; {DEBUG}=1 shows where."
    # TensorFlow's messages go on with the operations of the graph.
    reason = (str(getattr(error, "message", "") or error).strip().splitlines() or ["no more is known"])[0][:300]
    return f"{type(error).__name__}: {reason.rstrip('.')}. This was not foreseen; {DEBUG}=1 shows where it happened."


@contextlib.contextmanager
def flushing() -> Iterator[None]:
    """Write out what a command has printed, --help too, while it can be told what became of it."""
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def output_is_closed() -> bool:
    """Tell whether what this process prints is no longer read, as behind `| head -3`."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def close_output() -> int:
    """Throw away what is still to be printed, for nobody reads it.

    Returns:
        int, the exit status.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED


def checked(arguments: list[str]) -> list[str]:
    """Write the names of options in one way, and refuse what would be lost without a word.

    Args:
        arguments: list of str.

    Returns:
        List of str, with the names of options in dashes.

    Raises:
        ValueError: an option is given twice, or without anything in it.
    """
    arguments = [dashed(argument) for argument in arguments]
    names = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    for name, count in Counter(name.replace("--no-", "--") for name in names).items():
        if count > 1:
            raise ValueError(f"{name} is given {count} times; give it once.")
    for argument, value in zip(arguments, [*arguments[1:], None]):
        name, equals, own = argument.partition("=")
        if name.startswith("--") and not (own.strip() if equals else value is None or value.strip()):
            raise ValueError(f"{name} is given with nothing in it; give a value, or leave it out.")
    return arguments


def dashed(argument: str) -> str:
    """Write the name of an option in dashes, as its help does: tyro takes underscores too."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def option(arguments: list[str], name: str) -> str | None:
    """Read one option before all are parsed, for it decides the defaults of the others.

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
