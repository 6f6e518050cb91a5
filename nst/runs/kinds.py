"""Kinds of values that a field of a config may hold: types, ranges, and ways in which they may be written.

nst/runs/fields.py gives each field its kind. A kind brings a value to its normal form, whether it comes from
Python, from a flag or from JSON.
"""

import numbers
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from nst.errors import UserError, choose, shown

LARGEST = float(np.finfo(np.float32).max)  # numbers become float32 on the device
LONGEST = 10_000  # most characters of a text
_MOST_COMMAS = 100  # most commas of a text that may contain paths with commas


class Kind(NamedTuple):
    """A kind of values that a field may hold."""

    words: str  # the allowed values in words, for errors and help, such as "a finite number above 0"
    # (field, value) -> the normal form; raises UserError, or TypeError, ValueError or OverflowError, which
    # `normal_form` turns into a UserError
    read: Callable[[str, Any], Any]


def normal_form(field: str, value, kind: Kind):
    """Returns the normal form of a field's value.

    Args:
      field: the dotted config field, for error messages.
      value: any object.
      kind: the kind of values that the field may hold.

    Raises:
      UserError: the value is not of that kind.
    """
    try:
        return kind.read(field, value)
    except UserError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{field} = {shown(value)}: give {kind.words}") from error


# --- numbers


def number(*, least: float | None = None, above: float | None = None, most: float | None = None,
           below: float | None = None) -> Kind:  # fmt: skip
    """Returns the kind of finite numbers within a range.

    Args:
      least, above: the lower bound, which is allowed (`least`) or not (`above`); None: no bound.
      most, below: the upper bound, which is allowed (`most`) or not (`below`); None: no bound.
    """

    def read(field, value) -> float:
        found = _float(value)
        # a number that float32 rounds to a bound is not above or below that bound on the device
        rounded = np.float32(found)
        inside = (least is None or found >= least) and (above is None or rounded > above)
        if not (inside and (most is None or found <= most) and (below is None or rounded < below)):
            raise ValueError
        return found

    return Kind(_within("a finite number", least, above, most, below), read)


def whole(*, least: int = 0, most: int = 2**31 - 1) -> Kind:
    """Returns the kind of whole numbers, which may be written as 1000, 1e3 or 1000.0.

    Args:
      least, most: the range; by default, the numbers from 0 that an int32 can hold.
    """

    def read(field, value) -> int:
        if isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_):
            found = int(value)
        else:
            found = whole_number(value)
        if not least <= found <= most:
            raise ValueError
        return found

    return Kind(f"a whole number from {least} to {most}", read)


def whole_number(value) -> int:
    """Returns a number, or the text of a number, as an int: "1e3" is 1000.

    Args:
      value: the number or text.

    Raises:
      ValueError, TypeError: `value` is not a whole number.
    """
    found = _float(value)
    if found != int(found):
        raise ValueError(f"{value!r} is not a whole number")
    return int(found)


def _float(value) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | str):
        raise TypeError
    found = float(value)
    if not abs(found) <= LARGEST:  # this also refuses NaN
        raise ValueError
    return found


def _within(noun: str, least, above, most, below) -> str:
    low = f"at least {least}" if least is not None else f"above {above}" if above is not None else ""
    high = f"at most {most}" if most is not None else f"below {below}" if below is not None else ""
    return f"{noun}, {low} and {high}" if low and high else f"{noun}, {low or high}" if low or high else noun


def switch() -> Kind:
    """Returns the kind of True and False."""

    def read(field, value) -> bool:
        if not isinstance(value, bool | np.bool_):
            raise TypeError
        return bool(value)

    return Kind("True or False", read)


# --- texts


def text() -> Kind:
    """Returns the kind of texts."""
    return Kind(f"a text of at most {LONGEST} characters", lambda field, value: _text(value))


def path() -> Kind:
    """Returns the kind of a file's or folder's path; `~` stands for the home folder."""
    return Kind("a path", lambda field, value: _expanded(_text(value)))


def choice(allowed: Iterable[str]) -> Kind:
    """Returns the kind of a value that is one of several names.

    Args:
      allowed: the names, for example the keys of a table of functions.
    """
    allowed = tuple(allowed)
    listed = ", ".join(name or '""' for name in allowed)
    return Kind(f"one of {listed}", lambda field, value: choose(field, _text(value), allowed))


def joined(allowed: Iterable[str]) -> Kind:
    """Returns the kind of one or more of several names, joined by "+"; the arguments are as for `choice`."""
    one = choice(allowed)

    def read(field, value) -> str:
        for name in _text(value).split("+"):
            one.read(field, name.strip())
        return _text(value)

    return Kind(f"{one.words}, or several joined by +", read)


def _text(value) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise TypeError
    os.fsencode(value)  # raises ValueError if the text cannot be the name of a file
    if "\0" in value or len(value) > LONGEST:
        raise ValueError
    return str(value)  # and not a subclass, such as NumPy's


def _expanded(found: str) -> str:
    return os.path.expanduser(found) if found.startswith("~") and not os.path.exists(found) else found


# --- sequences


def several(one: Kind, counts: tuple[int, ...] = ()) -> Kind:
    """Returns the kind of a sequence.

    It may be written as (1, 2), 1 or "1,2", or come from the parser of flags as ("1,2",).

    Args:
      one: the kind of the parts of the sequence.
      counts: the allowed numbers of parts; (): any number.
    """
    words = f"values separated by commas, each {one.words}"
    if counts:
        words = f"{' or '.join(map(str, counts))} {words}"

    def read(field, value) -> tuple:
        split = [
            piece
            for part in _parts(value)
            for piece in (part.split(",") if isinstance(part, str) else [part])
        ]
        found = tuple(one.read(field, part) for part in split)
        if counts and len(found) not in counts:
            raise ValueError
        return found

    return Kind(words, read)


def _parts(value) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def layers() -> Kind:
    """Returns the kind of a sequence of names."""
    return Kind("names separated by commas", lambda field, value: names(value))


def files() -> Kind:
    """Returns the kind of a sequence of paths."""
    return Kind("paths separated by commas", lambda field, value: paths(value))


def regions() -> Kind:
    """Returns the kind of a sequence that gives the paintings of each region by index, such as 0 or 0+1."""

    def read(field, value) -> tuple[str, ...]:
        found = names([str(part) if type(part) is int else part for part in _parts(value)])
        if not all(re.fullmatch(r"\d{1,9}(\s*\+\s*\d{1,9})*", region, re.ASCII) for region in found):
            raise ValueError
        return tuple("+".join(str(int(index)) for index in region.split("+")) for region in found)

    return Kind("the number of each region's painting, such as 0,1 or 0+1", read)


def names(value) -> tuple[str, ...]:
    """Splits names, which may be written as ("a", "b"), ["a", "b"] or "a,b", or come from flags as ("a,b",).

    Args:
      value: a text, a path, or a sequence of these.

    Returns:
      The names, without the spaces around them; empty names are left out.

    Raises:
      ValueError, TypeError: a part of `value` is not a text.
    """
    return tuple(name.strip() for part in _parts(value) for name in _text(part).split(",") if name.strip())


def paths(value) -> tuple[str, ...]:
    """Splits paths as `names` does, but not at commas or spaces in the path of an existing file.

    Args:
      value: a text, a path, or a sequence of these.

    Returns:
      The paths, whether they exist or not; `~` stands for the home folder.

    Raises:
      ValueError, TypeError: a part of `value` is not a text.
    """
    return tuple(found for part in _parts(value) for found in _split_paths(_text(part)))


def _split_paths(typed: str) -> list[str]:
    """Splits a text at commas, but not at those within the longest path that exists."""
    pieces, found = typed.split(","), []
    while pieces:
        most = len(pieces) if len(pieces) <= _MOST_COMMAS else 1
        candidates = ((count, ",".join(pieces[:count])) for count in range(most, 0, -1))
        whole_paths = ((count, each) for count, joint in candidates for each in (joint, joint.strip()))
        count, name = next(
            ((count, name) for count, name in whole_paths if name and os.path.exists(_expanded(name))),
            (1, pieces[0].strip()),
        )
        found += [_expanded(name)] if name else []
        pieces = pieces[count:]
    return found
