"""Pickles read as data.

A pickle is a program for a small stack machine, and Python's own machine calls whatever the program names. The machine
here knows the same instructions and calls only the functions that it is given by name. Other names are refused, and
attributes of objects are skipped. It never imports anything, and never touches an object of Python's that could run
code.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from keras_resnet.garbage import uncollected
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.raw import UnreadableError, damaged, shortened

# Instructions that push their own argument.
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = ("PROTO", "FRAME", "STOP")
# Only these may be keys: the hash of anything else is a computation that the file controls.
_KEYS = (str, int, float, bytes, type(None))
# Larger numbers have the hashes of smaller ones, and a dictionary of equal hashes takes the square of their number.
_MAX_KEY = 2**60
# The longest number is that which tells torch's older format, of 77 bits; the memory counts to 32.
_MAX_BITS, _MAX_MEMORY = 128, 2**32
_MAX_NAME = 200
# Instructions that are charged at once, for a charge takes as long as some of them.
_STRIDE = 1024
# Arguments that a function may go through item by item.
_SIZED = (tuple, list, dict, str, bytes, bytearray)


class ForbiddenError(UnreadableError):
    """A pickle that names an object which a file of tensors does not need."""

    def __init__(self, name: str):
        super().__init__(
            f"names the Python object {shortened(name, _MAX_NAME)!r}, which tensors do not need and which is never "
            "imported or run here",
            "use it only if you trust its source: load it with what made it and save `model.state_dict()` alone",
        )
        self.name = name


@dataclass(frozen=True)
class Global:
    """A dotted name in a pickle, and no more than the name."""

    name: str


def read_pickle(
    stream: BinaryIO,
    functions: Mapping[str, Callable[..., Any]],
    budget: Budget,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle, and leave the stream after its end; of the names in it only `functions` are called."""
    machine = _Machine(functions, budget, persistent)
    try:
        with uncollected():
            for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
                if number % _STRIDE == 0:
                    budget.take(_STRIDE, "operations")
                machine.step(instruction.name, argument)
        return machine.stack.pop()
    except UnreadableError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        # An empty stack, a number that was never memorized, arguments that do not fit: pickle wrote no such program.
        raise damaged(f"its pickle does not make sense: {type(error).__name__}: {error}") from error


class _Machine:
    """The stack, the marks and the memory of one pickle."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        budget: Budget,
        persistent: Callable[[Any], Any] | None,
    ):
        self.functions, self.budget, self.persistent = functions, budget, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            if type(argument) is int and argument.bit_length() > _MAX_BITS:
                raise ValueError(f"a number of {argument.bit_length()} bits")
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if argument >= _MAX_MEMORY:
                raise ValueError("a place in the memory that no pickle counts to")
            self.memory[argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memory[argument])
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self)
        elif name == "GLOBAL":
            self.stack.append(self.named(argument.replace(" ", ".")))
        elif name not in _IGNORED:
            if name == "INST":
                self.named(argument.replace(" ", "."))
            raise damaged(f"its pickle has the instruction {name}, which torch does not write")

    def named(self, name: str) -> Global:
        if name not in self.functions:
            raise ForbiddenError(name)
        return Global(name)

    def stored(self, identity: Any) -> Any:
        if self.persistent is None:
            raise damaged("its pickle refers to a tensor where there can be none")
        return self.persistent(identity)

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def collect(self, kind: Callable[[list[Any]], Any]) -> None:
        items = self.since_mark()
        self.stack.append(kind(items))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("items for what is not a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("items for what is not a dictionary")
        self.stack[-1].update(dictionary(items))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise TypeError("a call of what is not a function")
        self.budget.take(len(arguments), "operations")
        self.budget.take(sum(len(item) for item in arguments if isinstance(item, _SIZED)), "operations")
        self.stack.append(self.functions[function.name](*arguments))

    def global_of_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name that is not text")
        self.stack.append(self.named(f"{module}.{name}"))


def dictionary(items: list[Any]) -> dict[Any, Any]:
    """Make a dictionary of a pickle's keys and values, which take turns."""
    keys, values = items[::2], items[1::2]
    if len(keys) != len(values) or not all(isinstance(key, _KEYS) for key in keys):
        raise TypeError("a key that is not a plain value")
    if any(isinstance(key, int) and abs(key) >= _MAX_KEY for key in keys):
        raise ValueError("a key that is a number beyond all counting")
    return dict(zip(keys, values))


_INSTRUCTIONS: dict[str, Callable[[_Machine], Any]] = {
    "MARK": _Machine.mark,
    "POP": lambda machine: machine.stack.pop() if machine.stack else machine.since_mark(),
    "POP_MARK": _Machine.since_mark,
    "DUP": lambda machine: machine.stack.append(machine.stack[-1]),
    "MEMOIZE": lambda machine: machine.memory.__setitem__(len(machine.memory), machine.stack[-1]),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    # The items of sets are of no use here, and their hashes are not ours to compute: sets are read as lists.
    "EMPTY_SET": lambda machine: machine.stack.append([]),
    "FROZENSET": lambda machine: machine.collect(list),
    "LIST": lambda machine: machine.collect(list),
    "DICT": lambda machine: machine.collect(dictionary),
    "TUPLE": lambda machine: machine.collect(tuple),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "APPEND": lambda machine: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine: machine.extend(machine.since_mark()),
    "ADDITEMS": lambda machine: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine: machine.update([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine: machine.update(machine.since_mark()),
    "STACK_GLOBAL": _Machine.global_of_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    # Attributes: those of a dictionary of tensors are its metadata, those of anything else are not weights.
    "BUILD": lambda machine: machine.stack.pop(),
    "BINPERSID": lambda machine: machine.stack.append(machine.stored(machine.stack.pop())),
}
