"""Kinds of values that a field of a config may hold: type, range, and the ways in which they may be typed.

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
LONGEST = 10_000  # characters of a text
_MOST_COMMAS = 100  # commas of a text in which paths with commas are looked for


class Kind(NamedTuple):
    """What a field may hold."""

    words: str  # what is allowed, for errors and help, such as "a finite number above 0"
    # (field, value) -> the normal form; raises UserError, or TypeError, ValueError or OverflowError for
    # `normal_form` to explain
    read: Callable[[str, Any], Any]


def normal_form(field: str, value, kind: Kind):
    """Returns the normal form of a field's value.

    Args:
      field: the dotted config field, for the error.
      value: anything.
      kind: what the field may hold.

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
      least, above: the smallest value, or the value that all are larger than; None: there is none.
      most, below: the largest value, or the value that all are smaller than; None: there is none.
    """

    def read(field, value) -> float:
        found = _float(value)
        # a number that float32 rounds to a bound is not above or below it there
        rounded = np.float32(found)
        inside = (least is None or found >= least) and (above is None or rounded > above)
        if not (inside and (most is None or found <= most) and (below is None or rounded < below)):
            raise ValueError
        return found

    return Kind(_within("a finite number", least, above, most, below), read)


def whole(*, least: int = 0, most: int = 2**31 - 1) -> Kind:
    """Returns the kind of whole numbers, which may be typed as 1000, 1e3 or 1000.0.

    Args:
      least, most: the range; by default, what an int32 holds.
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
    """Returns a number, or the text of one, as an int: "1e3" is 1000.

    Args:
      value: the number or text.

    Raises:
      ValueError, TypeError: it is not a whole number.
    """
    found = _float(value)
    if found != int(found):
        raise ValueError(f"{value!r} is not a whole number")
    return int(found)


def _float(value) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | str):
        raise TypeError
    found = float(value)
    if not abs(found) <= LARGEST:  # true of nan, too
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
    """Returns the kind of one of several names.

    Args:
      allowed: the names, such as the table of functions that have them.
    """
    allowed = tuple(allowed)
    listed = ", ".join(name or '""' for name in allowed)
    return Kind(f"one of {listed}", lambda field, value: choose(field, _text(value), allowed))


def joined(allowed: Iterable[str]) -> Kind:
    """Returns the kind of one or more of several names, joined by "+"; arguments as for `choice`."""
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
    os.fsencode(value)  # raises ValueError for what cannot be a file's name
    if "\0" in value or len(value) > LONGEST:
        raise ValueError
    return str(value)  # and not a subclass, such as NumPy's


def _expanded(found: str) -> str:
    return os.path.expanduser(found) if found.startswith("~") and not os.path.exists(found) else found


# --- sequences


def several(one: Kind, counts: tuple[int, ...] = ()) -> Kind:
    """Returns the kind of a sequence, however typed: (1, 2), 1, "1,2", or the flag parser's ("1,2",).

    Args:
      one: the kind of its parts.
      counts: the allowed numbers of parts; (): any.
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
    """Returns the kind of the paintings of each region, such as 0 or 0+1, by their index."""

    def read(field, value) -> tuple[str, ...]:
        found = names([str(part) if type(part) is int else part for part in _parts(value)])
        if not all(re.fullmatch(r"\d{1,9}(\s*\+\s*\d{1,9})*", region, re.ASCII) for region in found):
            raise ValueError
        return tuple("+".join(str(int(index)) for index in region.split("+")) for region in found)

    return Kind("the number of each region's painting, such as 0,1 or 0+1", read)


def names(value) -> tuple[str, ...]:
    """Splits names however they were typed: ("a", "b"), ["a", "b"], "a,b", or the flag parser's ("a,b",).

    Args:
      value: a text, a path, or a sequence of these.

    Returns:
      The names, without the spaces around them; empty ones are left out.

    Raises:
      ValueError, TypeError: something in it is no text.
    """
    return tuple(name.strip() for part in _parts(value) for name in _text(part).split(",") if name.strip())


def paths(value) -> tuple[str, ...]:
    """Splits paths as `names` does, but leaves a path of an existing file whole, commas and spaces included.

    Args:
      value: a text, a path, or a sequence of these.

    Returns:
      The paths, whether they exist or not; `~` stands for the home folder.

    Raises:
      ValueError, TypeError: something in it is no text.
    """
    return tuple(found for part in _parts(value) for found in _split_paths(_text(part)))


def _split_paths(typed: str) -> list[str]:
    """Splits at commas, but at none within the longest path that exists."""
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
