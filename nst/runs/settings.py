"""Brings the fields of a config to their normal form, and checks sequences and the ranges of numbers.

`resolve` is the first step of every run; all other functions take the config that it returns. The names of
choices, such as `network.pooling`, are checked where they are used, before the first step is made.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable

from ml_collections import ConfigDict, FrozenConfigDict

from nst.errors import UserError

AUTO = "auto"  # instead of a number for `size`
# fields that change no pixel of the iterates, and so may differ when a run is continued
HOST = ("log", "checkpoint", "resources", "devices", "memory_limit_gb", "max_megapixels")
# fields that name files: compared by the files' content instead
FILES = (
    "content", "style", "weights.name", "init.image", "guidance.content_masks", "guidance.style_masks",
)  # fmt: skip


def names(value) -> tuple[str, ...]:
    """Splits names however they were typed: ('a', 'b'), ['a', 'b'], 'a,b', or the flag parser's ('a,b',).

    Args:
      value: a string, a path, or a sequence of these.

    Returns:
      The names, without the spaces around them; empty ones are left out.
    """
    parts = [value] if isinstance(value, str | os.PathLike) else list(value)
    return tuple(name.strip() for part in parts for name in str(part).split(",") if name.strip())


def paths(value) -> tuple[str, ...]:
    """Splits paths as `names` does, but leaves a path that exists whole, commas included.

    Args:
      value: a string, a path, or a sequence of these.

    Returns:
      The paths, whether they exist or not.
    """
    parts = [value] if isinstance(value, str | os.PathLike) else list(value)
    return tuple(p for part in parts for p in ([str(part)] if os.path.exists(part) else names(part)))


def numbers(field: str, value) -> tuple[float, ...]:
    """Splits numbers however they were typed: (1, 2), 1, '1,2', or the flag parser's ('1,2',).

    Args:
      field: the name of the config field, for the error.
      value: a number, a string, or a sequence of these.

    Raises:
      UserError: something in it is not a number.
    """
    parts = [value] if isinstance(value, int | float | str) else list(value)
    try:
        return tuple(
            float(x) for part in parts for x in (part.split(",") if isinstance(part, str) else [part])
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"{field} = {value!r}: give numbers, such as 1,0.5,0.25") from error


def _whole_numbers(field: str, value) -> tuple[int, ...]:
    found = numbers(field, value)
    if not all(number == int(number) >= 1 for number in found):
        raise UserError(f"{field} = {tuple(found)}: give whole numbers, at least 1")
    return tuple(map(int, found))


def _positive_numbers(field: str, value) -> tuple[float, ...]:
    found = numbers(field, value)
    if not all(number > 0 for number in found):
        raise UserError(f"{field} = {found}: must be positive")
    return found


def _color(field: str, value) -> tuple[float, ...]:
    found = numbers(field, value)
    if len(found) not in (1, 3):
        raise UserError(f"{field} = {value}: give one grey level or three (RGB) in [0, 1]")
    return found


def _paintings(field: str, value) -> tuple[str, ...]:
    """Returns the indices of each region's paintings, as "0" or "0+1"."""
    regions = names(str(value) if isinstance(value, int) else value)
    if not all(number.strip().isdecimal() for region in regions for number in region.split("+")):
        raise UserError(f"{field} = {regions}: give the number of each region's painting, such as 0,1 or 0+1")
    return tuple("+".join(str(int(number)) for number in region.split("+")) for region in regions)


# every field that holds a sequence, and the function that checks it and returns its normal form
_SEQUENCES: dict[str, Callable] = {
    "style": lambda field, value: paths(value),
    "style_scale": _positive_numbers,
    "pyramid.steps": _whole_numbers,
    "content_loss.layers": lambda field, value: names(value),
    "content_loss.layer_weights": numbers,
    "style_loss.layers": lambda field, value: names(value),
    "style_loss.layer_weights": numbers,
    "style_loss.image_weights": numbers,
    "style_loss.representation_weights": numbers,
    "guidance.content_masks": lambda field, value: paths(value),
    "guidance.style_masks": lambda field, value: paths(value),
    "guidance.styles": _paintings,
    "guidance.weights": numbers,
    "init.center": _color,
}
# field -> its smallest value; Spec, Network and Optimizer check the numbers that they hold
_LEAST = {
    "steps": 1, "pyramid.min_size": 0, "log.every": 1, "log.preview_every": 0, "checkpoint.seconds": 0,
    "style_size": 0, "devices": 0, "init.blend": 0, "seed": 0, "max_megapixels": 1,
}  # fmt: skip


def resolve(config: ConfigDict) -> ConfigDict:
    """Returns a copy of a config whose fields are in their normal form.

    References between fields are replaced by their values, and each sequence, however it was typed, becomes
    a tuple of strings, floats or ints. Resolving a config a second time changes nothing.

    Args:
      config: from `get_config` of a file in configs/; any field may be changed.

    Raises:
      UserError: a sequence cannot be read, or a number is out of its range; names the field. Or `config` is
        not a ConfigDict.
    """
    if not isinstance(config, ConfigDict) or isinstance(config, FrozenConfigDict):
        kind = type(config).__name__
        raise UserError(f"config: a {kind}; give a ConfigDict, such as nst.configs.gatys2016.get_config()")
    config = config.copy_and_resolve_references()
    with config.ignore_type():  # a field of floats may have been typed as text or as ints
        for field, normal_form in _SEQUENCES.items():
            group, leaf = _split(config, field)
            group[leaf] = normal_form(field, group[leaf])
    masks, guidance = config.guidance.content_masks, config.guidance
    guidance.styles = guidance.styles or tuple(map(str, range(len(masks))))
    if config.size != AUTO and (type(config.size) is not int or config.size < 0):
        raise UserError(f"size = {config.size!r}: give pixels, 0 for the photograph's own size, or auto")
    for field, least in _LEAST.items():
        group, leaf = _split(config, field)
        if group[leaf] < least:
            raise UserError(f"{field} = {group[leaf]}: must be at least {least}")
    if config.seed >= 2**31:
        raise UserError(f"seed = {config.seed}: must be less than 2147483648, since it is held in 32 bits")
    if config.init.blend > 1:
        raise UserError(f"init.blend = {config.init.blend}: must lie in [0, 1]")
    return config


def _split(config: ConfigDict, field: str) -> tuple[ConfigDict, str]:
    """Returns the group that holds a dotted field, and the field's name in it."""
    *groups, leaf = field.split(".")
    return functools.reduce(lambda group, name: group[name], groups, config), leaf


def as_dict(config: ConfigDict) -> dict:
    """Returns a resolved config as plain JSON values.

    Args:
      config: from `resolve`.

    Returns:
      {field: value}, groups of fields as dicts, in the order of configs/default.py.
    """
    return json.loads(config.to_json_best_effort())


def digest(plain: dict) -> str:
    """Returns 16 hexadecimal digits that identify the fields which can change the result.

    Args:
      plain: from `as_dict`.
    """
    relevant = {name: value for name, value in plain.items() if name not in HOST}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def differences(old: dict, new: dict, prefix: str = "") -> list[str]:
    """Returns a line `field: old -> new` for every difference that makes two configs different runs.

    Fields that change no pixel are left out, as are those that name files, whose content is compared instead
    (`enter` of nst/runs/folder.py).

    Args:
      old, new: from `as_dict`.
      prefix: the name of the group that holds these fields, with a dot after it; "" for a whole config.
    """
    lines = []
    for name in sorted(old.keys() | new.keys()):
        field, a, b = prefix + name, old.get(name), new.get(name)
        if field in HOST or field in FILES or field in ("steps", "output"):
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{field}.")
        elif a != b:
            lines.append(f"{field}: {a!r} -> {b!r}")
    return lines
