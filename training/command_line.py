"""Shared by the command lines of this project: commands by name, and errors in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pydantic

from keras_resnet.interrupts import STATUS
from keras_resnet.messages import printable
from keras_resnet.startup import DEBUG, VERBOSE, close_output, end_output, kept_quiet, set_level, start_keras
from training.config import explain

Command = Callable[[list[str]], None]
# What TensorFlow calls exhausted as it does memory, and the way out; of files, the longer message first.
SPENT: dict[int, str] = {
    errno.ENOSPC: "Make room on that disk, or work on another one.",
    errno.EDQUOT: "Make room within your quota there, or work on another disk.",
    errno.ENFILE: "End other programs, or let the system open more files.",
    errno.EMFILE: "Let processes open more files, as by `ulimit -n 4096`.",
}


def run(commands: Mapping[str, Command], default: Command, arguments: list[str] | None, extras: str) -> int:
    """Run a command line; every error becomes one sentence and an exit status."""
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
        return complain(str(error) if "pip install" in str(error) else f"{error}. {hint}", error)
    except (ValueError, OSError) as error:
        return complain(str(error), error)
    except Exception as error:
        return complain(unexpected(error), error)
    return 0


def start_training() -> None:
    """Import Keras, and TensorFlow, which reads the data whatever backend computes."""
    start_keras()
    with kept_quiet():
        import tensorflow  # noqa: F401
    import keras

    if keras.backend.backend() == "jax":
        from training.distribution.jax import leave_accelerators

        leave_accelerators()


def complain(sentence: str, error: Exception) -> int:
    """Print what went wrong, or raise it where a traceback was asked for."""
    if os.environ.get(DEBUG):
        raise error
    end_output(error)
    print(f"error: {printable(' '.join(sentence.split()))}", file=sys.stderr)
    return 1


def unexpected(error: Exception) -> str:
    """Put an error that the program does not handle into a sentence."""
    # TensorFlow's messages name operations of the graph, and go on with them.
    message = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(getattr(error, "message", "") or error))
    reason = (message.strip().splitlines() or ["no details"])[0][:300].strip()
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # the latter TensorFlow's
        if way_out := next((way_out for spent, way_out in SPENT.items() if os.strerror(spent) in message), None):
            return f"{reason.rstrip('.')}. {way_out}"
        return f"Out of memory. Lower --batch-size or --image-size, or leave out --data.cache; {DEBUG}=1 shows where."
    return f"{type(error).__name__}: {reason.rstrip('.')}. This is unexpected; {DEBUG}=1 shows where it happened."


@contextlib.contextmanager
def flushing() -> Iterator[None]:
    """Flush what a command has printed, --help too, while a closed output can still be detected."""
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def output_is_closed() -> bool:
    """Tell whether the reader of the output has gone, as behind `| head -3`."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def checked(arguments: list[str]) -> list[str]:
    """Write the names of options in dashes, and refuse an option that is given twice or with nothing in it."""
    arguments = [dashed(argument) for argument in arguments]
    for name, count in Counter(positive(argument) for argument in arguments if argument.startswith("--")).items():
        if count > 1:
            raise ValueError(f"{name} is given {count} times; give it once.")
    for argument, value in zip(arguments, [*arguments[1:], None]):
        name, equals, own = argument.partition("=")
        if name.startswith("--") and is_blank(name, own if equals else value):
            raise ValueError(f"{name} is given with nothing in it; give a value, or leave it out.")
    return arguments


def is_blank(name: str, value: str | None) -> bool:
    """Tell whether an option is given with nothing in it; white space may part labels, and '' says that none are."""
    if value is None or name == "--label-separator":
        return False
    return not (value if name == "--data.label-separator" else value.strip())


def dashed(argument: str) -> str:
    """Write the name of an option in dashes, as its help does: tyro takes underscores too."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def positive(argument: str) -> str:
    """Give the option that an argument sets, `--data.cache` for `--data.no-cache`."""
    parent, dot, name = argument.partition("=")[0].removeprefix("--").rpartition(".")
    return f"--{parent}{dot}{name.removeprefix('no-')}"


def option(arguments: list[str], name: str) -> str | None:
    """Read one option before all are parsed, for it decides the defaults of the others; None where it is not given."""
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return None
