"""Functions that say which config fields vary in a sweep, and over which values.

A config file's `sweep()` returns a list of overrides, one dict {dotted field: value} for each run. These
functions make such lists:

    grid({"network.pooling": ("max", "average"), "seed": (0, 1)})        every combination
    zipped({"content": (a, b), "style": (c, d)})                         the first values, the second, ...
    chain(sweep, other)                                                  one sweep after the other
    random(20, {"style_loss.weight": log_uniform(1e2, 1e5)}, seed=0)     values sampled from distributions
    filter(lambda overrides: overrides["seed"] > 0, sweep)               the runs that satisfy a condition

A sweep can be a part of a grid: `grid(zipped(...), {"seed": range(3)})`. A config may also build the list
with a loop. nst/sweeps/points.py applies the overrides to a config.
"""

import builtins
import contextlib
import functools
import hashlib
import importlib.util
import itertools
import math
import operator
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nst.errors import UserError, shown

Overrides = dict[str, Any]  # dotted config field -> value
Distribution = Callable[[np.random.Generator], Any]


def grid(*parts: Mapping[str, Iterable] | Iterable[Overrides]) -> list[Overrides]:
    """Returns every combination of the fields' values and the sweeps' points; the last part varies fastest.

    Args:
      *parts: dicts {dotted field: its values}, or sweeps, whose points are combined with the other parts.

    Raises:
      UserError: a field is set by two parts, or has no values.
    """
    axes = []
    for part in parts:
        if isinstance(part, Mapping):
            axes += [[{field: value} for value in _values(field, values)] for field, values in part.items()]
        else:
            axes.append(chain(part))
    fields = [field for axis in axes for field in dict.fromkeys(field for point in axis for field in point)]
    for field in fields:
        if fields.count(field) > 1:
            raise UserError(f"grid: two parts set {field}; set each field in one part only")
    return [functools.reduce(operator.or_, row, {}) for row in itertools.product(*axes)]


def zipped(fields: Mapping[str, Iterable]) -> list[Overrides]:
    """Returns one point for the first value of every field, one for the second of every field, and so on.

    Args:
      fields: {dotted field: its values}, with the same number of values for each field.

    Raises:
      UserError: the fields have different numbers of values, or none.
    """
    columns = {field: _values(field, values) for field, values in fields.items()}
    if len({len(values) for values in columns.values()}) > 1:
        counts = ", ".join(f"{len(values)} of {field}" for field, values in columns.items())
        raise UserError(f"zipped: {counts}: give as many values of each field")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def chain(*sweeps: Iterable[Overrides]) -> list[Overrides]:
    """Returns the points of several sweeps, one sweep after the other.

    Args:
      *sweeps: lists of overrides, which are copied.

    Raises:
      UserError: a point is not a dict, or a config cannot hold a value.
    """
    return [_overrides(point) for sweep in sweeps for point in sweep]


def random(count: int, fields: Mapping[str, Distribution], seed: int = 0) -> list[Overrides]:
    """Returns `count` points whose values are sampled from distributions.

    The values of a field depend only on the seed and the field's name: another field does not change them,
    and a larger `count` only adds points.

    Args:
      count: the number of points, at least 1.
      fields: {dotted field: uniform(...), log_uniform(...) or choice(...)}.
      seed: seed of the values, at least 0; it is independent of the config's field `seed`.

    Raises:
      UserError: `count` or `seed` is out of range, there are no fields, or a field has no distribution.
    """
    for what, value, least in (("count", count, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer) or value < least:
            raise UserError(f"random: {what} = {value!r}: give a whole number, at least {least}")
    if not fields:
        raise UserError("random: give at least one field, such as {'style_loss.weight': log_uniform(1, 1e4)}")
    draws = {}
    for field, distribution in fields.items():
        if not callable(distribution):
            raise UserError(
                f"random: {field} = {distribution!r}: give uniform(...), log_uniform(...), choice(...)"
            )
        # not Python's `hash`, which differs from process to process
        name = int.from_bytes(hashlib.sha256(field.encode()).digest()[:8], "little")
        rng = np.random.default_rng((int(seed), name))
        draws[field] = [distribution(rng) for _ in range(count)]
    return zipped(draws)


def filter(predicate: Callable[[Overrides], bool], sweep: Iterable[Overrides]) -> list[Overrides]:
    """Returns the points of a sweep that satisfy a predicate.

    Args:
      predicate: a function of a point's overrides.
      sweep: a list of overrides.
    """
    return list(builtins.filter(predicate, chain(sweep)))


def uniform(low: float, high: float) -> Distribution:
    """Returns the uniform distribution on [low, high], for `random`.

    Args:
      low: the lower bound.
      high: the upper bound, larger than `low`.

    Raises:
      UserError: the bounds are not two finite numbers in this order.
    """
    low, high = _bounds("uniform", low, high)
    return lambda rng: float(rng.uniform(low, high))


def log_uniform(low: float, high: float) -> Distribution:
    """Returns the distribution on [low, high] whose logarithm is uniform, for `random`.

    Args:
      low: the lower bound, positive.
      high: the upper bound, larger than `low`.

    Raises:
      UserError: the bounds are not two finite positive numbers in this order.
    """
    low, high = _bounds("log_uniform", low, high)
    if low <= 0:
        raise UserError(f"log_uniform({low}, {high}): both must be positive")
    # clipped, since exp(log(x)) may differ from x by a rounding error
    return lambda rng: min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)


def choice(values: Iterable) -> Distribution:
    """Returns the uniform distribution over several values, for `random`.

    Args:
      values: a sequence of numbers, strings, booleans or tuples of them; at least one.

    Raises:
      UserError: there are no values, or a value has another type.
    """
    values = _values("choice", values)
    return lambda rng: values[int(rng.random() * len(values))]


def load_sweep(path: str) -> list[Overrides]:
    """Returns the result of `sweep()` in a config file.

    Args:
      path: a Python file, such as configs/sweeps/pooling.py.

    Raises:
      UserError: the file has no function `sweep`, or its code raises an error.
    """
    try:
        return _sweep_of(path)
    except UserError:
        raise
    except Exception as error:  # the file may hold anything
        line = next(
            (f":{frame.lineno}" for frame in reversed(traceback.extract_tb(error.__traceback__))
             if frame.filename == path), "",
        )  # fmt: skip
        raise UserError(f"{path}{line}: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def no_bytecode() -> Iterator[None]:
    """Keeps Python from writing `__pycache__` beside a user's configs that are loaded in the `with` block."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _sweep_of(path: str) -> list[Overrides]:
    specification = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(specification)
    with no_bytecode():
        specification.loader.exec_module(module)
    if not hasattr(module, "sweep"):
        raise UserError(f"{path}: has no sweep(); `nst configs` lists those that have, as sweeps/pooling")
    return module.sweep()


def _bounds(kind: str, low, high) -> tuple[float, float]:
    try:
        a, b = float(low), float(high)
    except (TypeError, ValueError):
        a = b = math.nan
    if not (a < b and math.isfinite(b - a)):
        raise UserError(f"{kind}({low!r}, {high!r}): give two finite numbers, the lower first")
    return a, b


def _values(field: str, values: Iterable) -> list:
    """Returns the values of a field as a list of plain values; raises UserError if it has none."""
    # a string would be split into its letters, and the order of a set changes between processes
    if isinstance(values, str | os.PathLike | Mapping | set | frozenset) or not isinstance(values, Iterable):
        raise UserError(f"{field} = {shown(values)}: give a sequence of values, such as [{shown(values)}]")
    plain = [_plain(field, value) for value in values]
    if not plain:
        raise UserError(f"{field}: give at least one value")
    return plain


def _plain(field: str, value):
    """Returns a value as Python's own number, bool, string or tuple of them, as a config holds it."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, list | tuple):
        return tuple(_plain(field, part) for part in value)
    if not isinstance(value, bool | int | float | str):
        raise UserError(f"{field} = {value!r}: give a number, a string, True, False, or a tuple of them")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{field} = {value!r}: give a finite number")
    return value


def _overrides(point: Overrides) -> Overrides:
    """Returns a copy of a point's overrides with plain values."""
    if not isinstance(point, Mapping):
        raise UserError(f"a sweep is a list of dicts of overrides; {point!r} is not a dict")
    return {field: _plain(field, value) for field, value in point.items()}
