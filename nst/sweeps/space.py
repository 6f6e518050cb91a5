"""Sweeps: which fields vary, as a list of overrides of a config; and the points that they make.

A config file's `sweep()` returns such a list, made with a small algebra:

    grid({"network.pooling": ("max", "average"), "seed": (0, 1)})        every combination
    zipped({"content": (a, b), "style": (c, d)})                         side by side
    chain(sweep, other)                                                  one after the other
    random(20, {"style_loss.weight": log_uniform(1e2, 1e5)}, seed=0)     drawn
    filter(lambda overrides: overrides["seed"] > 0, sweep)               those that pass

`grid(zipped(...), {"seed": range(3)})`: a sweep is also a part of a grid.
"""

import builtins
import copy
import difflib
import functools
import hashlib
import itertools
import json
import math
import operator
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst.errors import UserError

Overrides = dict[str, Any]  # dotted config field -> value
Distribution = Callable[[np.random.Generator], Any]

_LONGEST = 80  # characters of a point's name


def grid(*parts: Mapping[str, Iterable] | Iterable[Overrides]) -> list[Overrides]:
    """Every combination of each field's values and of each sweep's points; the last varies fastest.

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
            raise UserError(f"grid: two parts set {field}; let each field stand in one")
    return [functools.reduce(operator.or_, row, {}) for row in itertools.product(*axes)]


def zipped(fields: Mapping[str, Iterable]) -> list[Overrides]:
    """The values of several fields side by side; raises UserError unless there are as many of each."""
    values = {field: _values(field, found) for field, found in fields.items()}
    if len({len(found) for found in values.values()}) > 1:
        counts = ", ".join(f"{len(found)} of {field}" for field, found in values.items())
        raise UserError(f"zipped: {counts}: give as many values of each field")
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def chain(*sweeps: Iterable[Overrides]) -> list[Overrides]:
    """One sweep after the other."""
    return [_overrides(point) for sweep in sweeps for point in sweep]


def random(count: int, fields: Mapping[str, Distribution], seed: int = 0) -> list[Overrides]:
    """`count` points drawn from distributions.

    A field's draws depend on the seed and its name alone: another field changes none, nor does a larger
    `count`, which only adds points.

    Raises:
      UserError: no points, no fields, or something else than uniform, log_uniform, choice.
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
        name = int.from_bytes(hashlib.sha256(field.encode()).digest()[:8], "little")
        rng = np.random.default_rng((int(seed), name))
        draws[field] = [distribution(rng) for _ in range(count)]
    return zipped(draws)


def filter(predicate: Callable[[Overrides], bool], sweep: Iterable[Overrides]) -> list[Overrides]:
    """The points whose overrides satisfy the predicate."""
    return list(builtins.filter(predicate, chain(sweep)))


def uniform(low: float, high: float) -> Distribution:
    """Numbers in [low, high], each as likely as another."""
    low, high = _bounds("uniform", low, high)
    return lambda rng: float(rng.uniform(low, high))


def log_uniform(low: float, high: float) -> Distribution:
    """Numbers in [low, high], low > 0, every decade as likely as another."""
    low, high = _bounds("log_uniform", low, high)
    if low <= 0:
        raise UserError(f"log_uniform({low}, {high}): both must be positive")
    # clipped, since exp(log(x)) may miss x by a rounding
    return lambda rng: min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)


def choice(values: Iterable) -> Distribution:
    """One of several values, each as likely as another."""
    values = _values("choice", values)
    return lambda rng: values[int(rng.random() * len(values))]


def _bounds(kind: str, low, high) -> tuple[float, float]:
    try:
        a, b = float(low), float(high)
    except (TypeError, ValueError):
        a = b = math.nan
    if not (a < b and math.isfinite(b - a)):
        raise UserError(f"{kind}({low!r}, {high!r}): give two finite numbers, the lower first")
    return a, b


def _values(field: str, values: Iterable) -> list:
    # a string would fall apart into its letters, and a set has no order that lasts
    if isinstance(values, str | os.PathLike | Mapping | set | frozenset) or not isinstance(values, Iterable):
        raise UserError(f"{field} = {values!r}: give a sequence of values, such as [{values!r}]")
    found = [_plain(field, value) for value in values]
    if not found:
        raise UserError(f"{field}: give at least one value")
    return found


def _plain(field: str, value):
    """A value as Python's own number, bool, string or tuple of them."""
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
    """A copy, with plain values."""
    if not isinstance(point, Mapping):
        raise UserError(f"a sweep is a list of dicts of overrides; {point!r} is none")
    return {field: _plain(field, value) for field, value in point.items()}


class Point(NamedTuple):
    """One run of a sweep."""

    index: int
    name: str  # of its folder
    overrides: Overrides  # as the config holds them
    config: ConfigDict  # locked, references resolved


def points(base: ConfigDict, sweep: Iterable[Overrides]) -> list[Point]:
    """The points of a sweep over a base config, which stays as it is; every name and type is checked.

    One value for a field of several is a tuple of it, as on the command line; an int may stand for a float.

    Raises:
      UserError: a field that the config does not have (names the nearest), a value of another type, two
        points with the same overrides, or no points at all.
    """
    sweep = chain(sweep)
    if not sweep:
        raise UserError("the sweep has no points: sweep() gave an empty list")
    known = list(_leaves(base))
    configs = [_apply(base, overrides, known, index) for index, overrides in enumerate(sweep)]
    sweep = [
        {field: get(config, field) for field in overrides}
        for config, overrides in zip(configs, sweep, strict=True)
    ]
    short = {field: _short(field, known) for overrides in sweep for field in overrides}
    first = {}
    for index, overrides in enumerate(sweep):
        earlier = first.setdefault(_canonical(overrides), index)
        if earlier != index:
            raise UserError(f"points {earlier} and {index} of the sweep are both {_name(overrides, short)}")
    names = _names(sweep, short)
    return [Point(*parts) for parts in zip(range(len(sweep)), names, sweep, configs, strict=True)]


def swept(sweep: Iterable[Overrides]) -> tuple[str, ...]:
    """All fields that vary, in order of first appearance."""
    return tuple(dict.fromkeys(field for overrides in sweep for field in overrides))


def select(points: Sequence[Point], only: str) -> list[Point]:
    """The points of "3,7" or "3-7": indices, in the points' own order."""
    chosen, known = set(), {point.index for point in points}
    for part in only.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if not match:
            raise UserError(f"only = {only!r}: give indices of points, such as 3,7 or 3-7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or not {first, last} <= known:
            raise UserError(f"only = {only!r}: {part.strip()}: the points are {min(known)} to {max(known)}")
        chosen |= set(range(first, last + 1))
    return [point for point in points if point.index in chosen]


def _leaves(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    """Every dotted field."""
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def get(config: Mapping | ConfigDict, field: str):
    """The value of a dotted field."""
    return functools.reduce(operator.getitem, field.split("."), config)


def _apply(base: ConfigDict, overrides: Overrides, known: Sequence[str], index: int) -> ConfigDict:
    """The config of a point."""
    config = copy.deepcopy(base)  # whose references still hold, so that what depends on a field follows it
    config.lock()
    for field, value in overrides.items():
        if field not in known:
            raise UserError(f"point {index} of the sweep: {_unknown(field, known)}")
        group, _, leaf = field.rpartition(".")
        group = get(config, group) if group else config
        kind = group.get_type(leaf)
        numbers = kind is tuple and not any(isinstance(part, str) for part in group[leaf])
        if kind is tuple and (isinstance(value, str) or numbers and isinstance(value, int | float)):
            value = (value,)
        try:
            # ml_collections takes True for 1
            if isinstance(value, bool) and kind in (int, float):
                raise TypeError
            group[leaf] = value
        except TypeError as error:
            given = type(value).__name__
            raise UserError(
                f"point {index} of the sweep: {field} = {value!r}: must be {kind.__name__}, not {given}"
            ) from error
    return config.copy_and_resolve_references()


def _unknown(field: str, known: Sequence[str]) -> str:
    """What is wrong with a field that the config does not have."""
    if not isinstance(field, str):
        return f"{field!r}: give the dotted name of a config field"
    inside = [name for name in known if name.startswith(f"{field}.")]
    if inside:
        return f"{field} is a group of fields; set one of {', '.join(inside)}"

    def likeness(name):
        pairs = (field, name), (field.rpartition(".")[2], name.rpartition(".")[2])
        return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    return f"the config has no field {field}; did you mean {max(known, key=likeness)}?"


def _short(field: str, known: Sequence[str]) -> str:
    """The shortest end of a field's path that no other field of the config has.

    Of the whole config, not of the swept fields: one more swept field then renames no folder.
    """
    parts = field.split(".")
    ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
    return next((end for end in ends if sum(f".{name}".endswith(f".{end}") for name in known) == 1), field)


def _names(sweep: Sequence[Overrides], short: Mapping[str, str]) -> list[str]:
    """A folder name each, made of the point's own overrides; where two are alike, the first keeps it."""
    names = {}
    for overrides in sweep:
        name = _name(overrides, short)
        if name.casefold() in names:  # folders of macOS and Windows do not tell cases apart
            name = _with_digest(name, overrides)
        names[name.casefold()] = name
    return list(names.values())


def _name(overrides: Overrides, short: Mapping[str, str]) -> str:
    """`pooling=average,seed=3`, or `base`: the `=` keeps it apart from the files of a sweep's folder."""
    parts = [f"{end}={_text(overrides[field])}" for field, end in short.items() if field in overrides]
    name = ",".join(parts) or "base"
    return _with_digest(name, overrides) if len(name) > _LONGEST else name


def _text(value) -> str:
    """A value in characters that every file system takes."""
    if isinstance(value, list | tuple):
        return "+".join(map(_text, value)) or "none"
    if isinstance(value, float) and len(repr(value)) > 8:
        return f"{value:.6g}"
    text = str(value)
    if isinstance(value, str) and re.search(r"[/\\]|\.[A-Za-z]\w*$", text):
        text = PureWindowsPath(text).stem  # of a path with either slash
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.+-]+|\.$", "-", text) or "none"


def _with_digest(name: str, overrides: Overrides) -> str:
    return f"{name[: _LONGEST - 9]}-{hashlib.sha256(_canonical(overrides).encode()).hexdigest()[:8]}"


def _canonical(overrides: Overrides) -> str:
    return json.dumps(overrides, sort_keys=True, separators=(",", ":"))
