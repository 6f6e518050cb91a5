"""The one exception that is addressed to a person rather than to a programmer."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A wrong input or a wrong setting: one line saying what, where, and what to do."""


class Busy(UserError):
    """Another process works in the folder."""


def choose(field: str, value: str, allowed: Iterable[str]) -> str:
    """Returns `value` if it is one of `allowed`, else raises a UserError naming the nearest.

    Args:
      field: the dotted config field, as the user would type it.
      value: what it was set to.
      allowed: the valid values.
    """
    allowed = tuple(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(f"{field} = {value!r}: {hint}allowed: {', '.join(allowed)}")
