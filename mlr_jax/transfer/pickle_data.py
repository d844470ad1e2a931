"""Pickles read as data: of the instructions of a pickle only those that build plain values are carried out."""

import pickletools
from collections.abc import Callable, Mapping
from inspect import isfunction
from mmap import mmap
from typing import IO, Any, cast

LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
"""Instructions that push their own argument."""

CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}

TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

IGNORED = {"PROTO", "FRAME"}

Persistent = Callable[[Any], Any]
"""What stands for a value that is stored outside of the pickle, by its identifier."""


def read_pickle(file: IO[bytes] | mmap, names: Mapping[str, Any], persistent: Persistent | None = None) -> Any:
    """The value of the pickle at the position of the file, which then stands behind it.

    A pickle is a program for a small machine with a stack. `pickle.load` lets it import and call whatever it names.
    Here it may mention what `names` has, such as "collections.OrderedDict", and gets what stands there instead; it may
    call the functions among these and nothing else; nothing is imported. The state of an object is dropped.

    Raises ValueError for every other instruction and name, and for a damaged pickle.
    """
    machine = _Machine(names, persistent)
    try:
        for instruction, argument, position in pickletools.genops(cast(IO[bytes], file)):
            if instruction.name == "STOP":
                return machine.stack.pop()
            machine.carry_out(instruction.name, argument, position)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"damaged pickle: {error}") from error
    raise ValueError("damaged pickle: no end")


class _Machine:
    """The stack of a pickle, the stacks below its marks, and what it has stored for later."""

    def __init__(self, names: Mapping[str, Any], persistent: Persistent | None) -> None:
        self.names, self.persistent = names, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def carry_out(self, name: str, argument: Any, position: int | None) -> None:
        """Carry out one instruction. Raises ValueError for one that is not allowed."""
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            self.stack[-TUPLES[name] :] = [tuple(self.stack[-TUPLES[name] :])]
        elif name == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif name == "TUPLE":
            items = tuple(self._since_mark())
            self.stack.append(items)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name not in IGNORED:
            self._build(name, argument, position)

    def _build(self, name: str, argument: Any, position: int | None) -> None:
        if name in ("SETITEM", "SETITEMS"):
            items = self._since_mark() if name == "SETITEMS" else self._pop(2)
            self._top(dict).update(zip(items[::2], items[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            items = self._since_mark() if name == "APPENDS" else self._pop(1)
            self._top(list).extend(items)
        elif name == "BUILD":
            self.stack.pop()
            self._top(dict)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            words = argument.split(" ") if name == "GLOBAL" else self._pop(2)
            self.stack.append(self._named(".".join(map(str, words)), position))
        elif name == "REDUCE":
            function, arguments = self._pop(2)
            if not isfunction(function) or not isinstance(arguments, tuple):
                raise ValueError(
                    f"the pickle calls a {type(function).__name__} at byte {position}, which is not allowed"
                )
            self.stack.append(function(*arguments))
        elif name == "BINPERSID" and self.persistent is not None:
            self.stack.append(self.persistent(self.stack.pop()))
        else:
            raise ValueError(f"the pickle has the instruction {name} at byte {position}, which is not allowed")

    def _named(self, name: str, position: int | None) -> Any:
        if name not in self.names:
            raise ValueError(
                f"the pickle asks for {name} at byte {position}; only tensors in dicts are read, nothing runs"
            )
        return self.names[name]

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("nothing left on the stack")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"the pickle changes a {type(self.stack[-1]).__name__}, which is not allowed")
        return self.stack[-1]
