"""Keyword arguments that a config field gives as text, such as "degree=3,offset=1"."""

import ast
import inspect
import math
from collections.abc import Callable

from nst.errors import UserError, choose, shown


def parse(field: str, text: str, *functions: Callable) -> dict:
    """Parses keyword arguments.

    Args:
      field: the dotted config field, for error messages.
      text: the arguments, as in "degree=3,offset=1"; values are Python literals.
      *functions: the functions that take the arguments; each argument must be a parameter of at least one.

    Returns:
      {name: value}.

    Raises:
      UserError: the text cannot be parsed, or an argument is not a parameter of any of the functions.
    """
    try:
        # parsed as a function call, so that Python's own grammar defines the values
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args
        options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        assert len(options) == len(call.keywords)  # no name is given twice
        assert _finite(options)
    # Python's parser raises the last two if there are thousands of brackets
    except (SyntaxError, ValueError, TypeError, AssertionError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{field} = {shown(text)}: write it as name=value,name=value, with finite numbers"
        ) from error
    allowed = [name for function in functions for name in inspect.signature(function).parameters]
    for name in options:
        if not allowed:
            raise UserError(f"{field} = {text!r}: there are no options here; leave it empty")
        choose(f"{field}, option", name, allowed)
    return options


def _finite(value) -> bool:
    """Returns whether all numbers in a literal are finite; 1e999 is infinite."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
