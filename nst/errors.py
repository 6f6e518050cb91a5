"""Exceptions with messages for the user; checks of a named choice and of an optional library."""

import difflib
import importlib
import reprlib
from collections.abc import Iterable
from types import ModuleType

_LONG_LIST = 60  # characters


class UserError(ValueError):
    """A wrong input or setting; the message says in one line what was wrong, where, and what to do."""


class TooSmall(UserError):
    """A picture is too small for a computation."""


class Busy(UserError):
    """Another process is using the folder."""


class _Advised(UserError):
    """An error whose advice a caller may replace by a better one."""

    def __init__(self, finding: str, advice: str):
        super().__init__(f"{finding}; {advice}")
        self.finding = finding


class OtherRun(_Advised):
    """The folder holds another run, which the requested run cannot continue."""


class Unreachable(_Advised):
    """The server that has a file cannot be reached."""

    def __init__(self, finding: str, reason: str, advice: str):
        super().__init__(f"{finding} ({reason})", advice)
        self.reason = reason


def shown(value) -> str:
    """Returns a value as Python writes it, shortened if it is long, for an error message of one line.

    Args:
      value: anything.
    """
    try:
        text = repr(value)
    except ValueError:  # Python does not print a whole number of more than 4300 digits
        return f"a {type(value).__name__} that is too long to print"
    return text if len(text) < 200 else reprlib.repr(text)[1:-1]


def choose(field: str, value: str, allowed: Iterable[str], advice: str = "") -> str:
    """Returns `value`, if it is allowed.

    Args:
      field: the dotted config field, as the user would type it.
      value: the value of the field.
      allowed: the allowed values.
      advice: what the message says in place of all allowed values, if they are many; "": it lists them.

    Raises:
      UserError: the value is not allowed; the message names the nearest allowed value, all of them, or both.
    """
    allowed = tuple(allowed)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    listed = advice or f"allowed: {', '.join(allowed)}"
    hint = f"did you mean {near[0]!r}? {listed if len(listed) < _LONG_LIST else ''}" if near else listed
    raise UserError(f"{field} = {shown(value)}: {hint.rstrip()}")


def optional(library: str, extra: str, what: str, otherwise: str = "") -> ModuleType:
    """Imports a library that is installed only with one of the extras of this package.

    Args:
      library: the name of its module.
      extra: the name of the extra.
      what: what needs the library.
      otherwise: what the user can do without the library; "": there is no other way.

    Raises:
      UserError: the library is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        advice = f", or {otherwise}" if otherwise else ""
        raise UserError(f"{what} needs {library}: pip install 'nst[{extra}]'{advice}") from error
