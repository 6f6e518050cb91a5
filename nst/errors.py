"""Exceptions whose messages are meant for the user, and the check of a named choice."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A wrong input or setting; its message says in one line what was wrong, where, and what to do."""


class TooSmall(UserError):
    """A picture is too small for what is to be computed from it."""


class Busy(UserError):
    """Another process is using the folder."""


def choose(field: str, value: str, allowed: Iterable[str]) -> str:
    """Returns `value`, if it is allowed.

    Args:
      field: the dotted config field, as the user would type it.
      value: the value of the field.
      allowed: the allowed values.

    Raises:
      UserError: the value is not allowed; the message names the allowed ones, and the nearest if one is near.
    """
    allowed = tuple(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(f"{field} = {value!r}: {hint}allowed: {', '.join(allowed)}")
