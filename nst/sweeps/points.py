"""The points of a sweep: overrides (nst/sweeps/space.py) applied to a base config, one point for each run."""

import copy
import difflib
import functools
import hashlib
import json
import operator
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PureWindowsPath
from typing import NamedTuple

from ml_collections import ConfigDict

from nst.errors import UserError
from nst.sweeps.space import Overrides, chain

_MAX_NAME = 80  # most characters of a point's name
_PATH = re.compile(r"[/\\]|\.[A-Za-z]\w*$")  # a string with a match counts as the path of a file


class Point(NamedTuple):
    """One run of a sweep."""

    index: int  # position in the sweep, from 0
    name: str  # name of its run folder
    overrides: Overrides  # with the values that the config holds
    config: ConfigDict  # locked, references resolved


def make_points(base: ConfigDict, sweep: Iterable[Overrides]) -> list[Point]:
    """Applies the overrides of a sweep to a base config, and checks every name and type.

    For a field that holds a tuple, a single value stands for a tuple of one, as on the command line; an int
    may stand for a float.

    Args:
      base: the config, which is not changed.
      sweep: a list of overrides, as from the functions of nst.sweeps.space.

    Returns:
      The points, in the order of the sweep.

    Raises:
      UserError: the config does not have a field (the message names the nearest), a value has the wrong type,
        two points have the same overrides, or there are no points.
    """
    sweep = chain(sweep)
    if not sweep:
        raise UserError("the sweep has no points: sweep() returned an empty list")
    fields = list(field_names(base))
    configs = [_apply(base, overrides, fields, index) for index, overrides in enumerate(sweep)]
    # the values are read back from the configs, where 1 has become 1.0 and "a" has become ("a",)
    sweep = [
        {field: get_field(config, field) for field in overrides}
        for config, overrides in zip(configs, sweep, strict=True)
    ]
    short = {field: _short(field, fields) for overrides in sweep for field in overrides}
    first = {}
    for index, overrides in enumerate(sweep):
        earlier = first.setdefault(_canonical(overrides), index)
        if earlier != index:
            raise UserError(f"points {earlier} and {index} of the sweep are both {_name(overrides, short)}")
    return [
        Point(index, _name(overrides, short), overrides, config)
        for index, (overrides, config) in enumerate(zip(sweep, configs, strict=True))
    ]


def select(points: Sequence[Point], only: str) -> list[Point]:
    """Returns the points that a text such as "3,7" or "3-7" names, in the order of `points`.

    Args:
      points: the points to select from.
      only: indices and ranges of indices (both ends included), separated by commas.

    Raises:
      UserError: `only` is not such a text, or contains an index that no point has.
    """
    indices, known = set(), {point.index for point in points}
    for part in only.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if not match:
            raise UserError(f"only = {only!r}: give indices of points, such as 3,7 or 3-7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or not {first, last} <= known:
            raise UserError(f"only = {only!r}: {part.strip()}: the points are {min(known)} to {max(known)}")
        indices |= set(range(first, last + 1))
    return [point for point in points if point.index in indices]


def varied_fields(sweep: Iterable[Overrides]) -> tuple[str, ...]:
    """Returns all fields that any point of a sweep sets.

    Args:
      sweep: the overrides of each point.

    Returns:
      Dotted names, in order of first appearance.
    """
    return tuple(dict.fromkeys(field for overrides in sweep for field in overrides))


def field_names(config: Mapping | ConfigDict, prefix: str = "") -> Iterator[str]:
    """Yields the dotted name of every field of a config, including the fields of its groups.

    Args:
      config: a config or a group of fields, or a dict of dicts.
      prefix: the name of the group, with a dot after it; "" for a whole config.
    """
    for name, value in config.items():
        if isinstance(value, ConfigDict | Mapping):
            yield from field_names(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def get_field(config: Mapping | ConfigDict, field: str):
    """Returns the value of a dotted field.

    Args:
      config: a config, or a dict of dicts.
      field: dotted name of the field, such as "network.pooling".
    """
    return functools.reduce(operator.getitem, field.split("."), config)


def _apply(base: ConfigDict, overrides: Overrides, fields: Sequence[str], index: int) -> ConfigDict:
    """Returns a copy of the base config with the overrides of point `index`."""
    config = copy.deepcopy(base)  # keeps references, so that fields that refer to a varied field follow it
    config.lock()
    for field, value in overrides.items():
        if field not in fields:
            raise UserError(f"point {index} of the sweep: {unknown(field, fields)}")
        group, _, leaf = field.rpartition(".")
        group = get_field(config, group) if group else config
        kind = group.get_type(leaf)
        numeric = kind is tuple and not any(isinstance(part, str) for part in group[leaf])
        if kind is tuple and (isinstance(value, str) or numeric and isinstance(value, int | float)):
            value = (value,)
        try:
            # ml_collections would take True for 1
            if isinstance(value, bool) and kind in (int, float):
                raise TypeError
            group[leaf] = value
        except TypeError as error:
            actual = type(value).__name__
            raise UserError(
                f"point {index} of the sweep: {field} = {value!r}: must be {kind.__name__}, not {actual}"
            ) from error
    return config.copy_and_resolve_references()


def unknown(field: str, fields: Sequence[str]) -> str:
    """Returns the error message for a field that the config does not have.

    Args:
      field: the dotted name that was given.
      fields: the dotted names that the config has.
    """
    if not isinstance(field, str):
        return f"{field!r}: give the dotted name of a config field"
    inside = [name for name in fields if name.startswith(f"{field}.")]
    if inside:
        return f"{field} is a group of fields; set one of {', '.join(inside)}"

    def similarity(name):
        # whole names and last parts are compared, since a missing group is as common as a misspelt letter
        pairs = (field, name), (field.rpartition(".")[2], name.rpartition(".")[2])
        return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    return f"the config has no field {field}; did you mean {max(fields, key=similarity)}?"


def _short(field: str, fields: Sequence[str]) -> str:
    """Returns the shortest end of a field's name that no other field of the config shares.

    All fields of the config are compared, not only those that vary, so that no folder gets another name when
    one more field varies.
    """
    parts = field.split(".")
    ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
    return next((end for end in ends if sum(f".{name}".endswith(f".{end}") for name in fields) == 1), field)


def _name(overrides: Overrides, short: Mapping[str, str]) -> str:
    """Returns a name such as `pooling=average,seed=3`, or `base` if there are no overrides.

    If the name does not hold every value in full, it ends with a digest of all values. So a name belongs to
    one set of values, independent of the other points of the sweep. The `=` distinguishes a run folder from
    the other files in a sweep's folder, such as `report`.
    """
    parts = [f"{end}={_text(overrides[field])}" for field, end in short.items() if field in overrides]
    name = ",".join(parts) or "base"
    if len(name) <= _MAX_NAME and all(map(_in_full, overrides.values())):
        return name
    return f"{name[: _MAX_NAME - 9]},{hashlib.sha256(_canonical(overrides).encode()).hexdigest()[:8]}"


def _text(value) -> str:
    """Returns a value in characters that every file system accepts in a name."""
    if isinstance(value, list | tuple):
        return "+".join(map(_text, value)) or "none"
    if isinstance(value, float) and not _in_full(value):
        return f"{value:.6g}"
    text = str(value)
    if isinstance(value, str) and _PATH.search(text):
        text = PureWindowsPath(text).stem  # a path, with slashes or backslashes
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w.+-]+|\.$", "-", text) or "none"


def _in_full(value) -> bool:
    """Returns whether `_text` shows a value in full, so that two different values have different texts."""
    if isinstance(value, list | tuple):
        return all(not isinstance(part, list | tuple) and _in_full(part) for part in value)
    if isinstance(value, str):
        # no capitals, since the file systems of macOS and Windows ignore the case; `True` is a boolean
        plain = re.fullmatch(r"[a-z]([a-z0-9_.-]*[a-z0-9_-])?", value, re.ASCII)
        return plain is not None and value not in ("none", "true", "false") and not _PATH.search(value)
    return not isinstance(value, float) or len(repr(value)) <= 8


def _canonical(overrides: Overrides) -> str:
    """Returns a text that is the same for equal overrides in any order."""
    return json.dumps(overrides, sort_keys=True, separators=(",", ":"))
