"""Reading of the pickles in PyTorch's files without executing them.

A pickle is a program for a small stack machine, and some of its instructions import and call functions. Here
`pickletools` decodes the instructions, and this file carries out the few that PyTorch writes. They can only
name functions from a table that the caller gives. Python's own unpickler could be kept from calling other
functions, but not from allocating gigabytes when a pickle of a few bytes has a large index, and not from
overflowing the C stack when a key is deeply nested.
"""

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nst.errors import UserError

MOST_BYTES = 1 << 24  # most bytes of one pickle; the pickle of a VGG has about 5 kB
# most instructions, which are read in half a second; the pickle of a VGG with Adam's moments has about 5,000
_MOST_INSTRUCTIONS = 100_000
_MARK = object()

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = frozenset(
    """BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES""".split()
)
_EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Pickle(NamedTuple):
    """The value that a pickle holds, and its size."""

    value: Any
    size: int  # bytes of the pickle; other data may follow it


def read(
    data: bytes, names: Mapping[tuple[str, str], Any], reference: Callable[[Any], Any], state: Callable
) -> Pickle:
    """Reads the first of the pickles in `data`.

    Args:
      data: bytes that begin with a pickle.
      names: {(module, name): the object that stands for this name}; a pickle can call only these.
      reference: function that makes an object from its persistent id.
      state: function of (object, state) that sets the state of an object.

    Raises:
      UserError: the pickle has another name or is too long, or it has an instruction that PyTorch does not
        write.
      Exception: any kind of exception, if `data` is not a pickle.
    """
    stack, memo = [], {}
    for count, (instruction, argument, position) in enumerate(pickletools.genops(data)):
        name = instruction.name
        if name == "STOP":
            (value,) = stack
            return Pickle(value, position + 1)
        if count == _MOST_INSTRUCTIONS:
            raise UserError(f"refused: its pickle has more than {_MOST_INSTRUCTIONS:,} instructions")
        if name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(_resolve(names, *_global(argument, stack)))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack.append(stack.pop()(*arguments))
        elif name == "BUILD":
            what = stack.pop()
            state(stack[-1], what)
        elif name == "BINPERSID":
            stack.append(reference(stack.pop()))
        elif not (_remember(name, argument, stack, memo) or _make(name, argument, stack)):
            raise UserError(f"refused: its pickle has the instruction {name}, which weights do not need")
    raise AssertionError("genops ends with STOP")


def items(pairs) -> dict:
    """Returns a dict of the pairs whose keys are strings or integers.

    Args:
      pairs: the pairs. Other keys are left out, since hashing a deeply nested key would overflow the stack.
    """
    return {key: value for key, value in pairs if type(key) in (str, int)}


def _global(argument: str | None, stack: list) -> tuple[str, str]:
    if argument is not None:
        module, name = argument.split(" ", 1)
        return module, name
    name = stack.pop()
    return stack.pop(), name


def _resolve(names: Mapping[tuple[str, str], Any], module: str, name: str):
    if type(module) is not str or type(name) is not str:
        raise ValueError("a name that is no text")
    if (module, name) not in names:
        raise UserError(f"refused: it names {module + '.' + name!r}, which a file of weights does not need")
    return names[module, name]


def _remember(name: str, argument: Any, stack: list, memo: dict) -> bool:
    """Carries out an instruction that stores the top of the stack or fetches a stored value.

    Returns False if the instruction is another one.
    """
    if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
        memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    else:
        return False
    return True


def _make(name: str, argument: Any, stack: list) -> bool:
    """Carries out an instruction that makes a constant, tuple, list or dict, or adds to a list or dict.

    Returns False if the instruction is another one.
    """
    if name in ("PROTO", "FRAME"):
        pass
    elif name in _ARGUMENTS:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name == "MARK":
        stack.append(_MARK)
    elif name in _TUPLES:
        stack.append(tuple([stack.pop() for _ in range(_TUPLES[name])][::-1]))
    elif name in ("TUPLE", "LIST", "DICT"):
        made = _from_mark(stack)
        stack.append({"TUPLE": tuple, "LIST": list, "DICT": _paired}[name](made))
    elif name in ("APPEND", "APPENDS"):
        added = _from_mark(stack) if name == "APPENDS" else [stack.pop()]
        _target(stack, list).extend(added)
    elif name in ("SETITEM", "SETITEMS"):
        added = _from_mark(stack) if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
        _target(stack, dict).update(_paired(added))
    else:
        return False
    return True


def _from_mark(stack: list) -> list:
    """Removes the last mark and the values above it from the stack, and returns the values."""
    values = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]


def _paired(values: list) -> dict:
    return items(zip(values[::2], values[1::2], strict=True))


def _target(stack: list, kind: type):
    if type(stack[-1]) is not kind:
        raise ValueError(f"fills a {type(stack[-1]).__name__} like a {kind.__name__}")
    return stack[-1]
