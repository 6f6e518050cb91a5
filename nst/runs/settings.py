"""The normal form of a config, by the table of nst/runs/fields.py.

`resolve` is the first step of every run; all other functions take the config that it returns.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from nst.errors import UserError, choose
from nst.networks import checkpoints
from nst.networks.table import ARCHITECTURES
from nst.runs.fields import AUTO, FIELDS
from nst.runs.kinds import names, normal_form, paths
from nst.runs.log import Detail

__all__ = ["AUTO", "as_dict", "differences", "digest", "names", "notes", "paths", "resolve"]

# fields that do not change the iterates, and so may differ when a run is continued
HOST = ("log", "checkpoint", "resources", "devices", "memory_limit_gb", "max_megapixels")
# fields that name files; in place of these fields, the contents of the files are compared
FILES = (
    "content", "style", "weights.name", "init.image", "guidance.content_masks", "guidance.style_masks",
)  # fmt: skip


def resolve(config: ConfigDict) -> ConfigDict:
    """Returns a copy of a config whose fields are in their normal form.

    References between fields are replaced by their values, and each value is brought to the normal form of
    its kind. Resolving a config a second time changes nothing. No file is read, and JAX is not started.

    Args:
      config: from `get_config` of a file in configs/; any field may be changed.

    Raises:
      UserError: `config` is not a ConfigDict; a field is missing or unknown, or its value is not of its kind;
        or two fields exclude each other. The message names the field.
    """
    if not isinstance(config, ConfigDict) or isinstance(config, FrozenConfigDict):
        kind = type(config).__name__
        raise UserError(f"config: a {kind}; give a ConfigDict, such as nst.configs.gatys2016.get_config()")
    found = dict(_leaves(config.copy_and_resolve_references()))
    for field in FIELDS:
        if field not in found:
            raise UserError(
                f"{field}: the config lacks this field; start from nst.configs.default.get_config()"
            )
    tree = {}
    for field, value in found.items():
        choose("the field of the config", field, FIELDS)
        *groups, leaf = field.split(".")
        group = functools.reduce(lambda group, name: group.setdefault(name, {}), groups, tree)
        group[leaf] = normal_form(field, value, FIELDS[field])
    resolved = ConfigDict(tree)
    row = ARCHITECTURES[checkpoints.architecture(resolved.weights.name, resolved.weights.architecture)]
    for loss, chosen in ((resolved.content_loss, row.content), (resolved.style_loss, row.style)):
        if loss.layers == (AUTO,):
            loss.layers = chosen
    masks, guidance = resolved.guidance.content_masks, resolved.guidance
    guidance.styles = guidance.styles or tuple(map(str, range(len(masks))))
    _check_together(resolved)
    return resolved.lock()


def _leaves(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted name and the value of every field."""
    for name, value in config.items():
        if isinstance(value, ConfigDict) and f"{prefix}{name}" not in FIELDS:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _check_together(config: ConfigDict) -> None:
    """Raises UserError if fields exclude each other, or if a text would not be read."""
    content, style, optimizer = config.content_loss, config.style_loss, config.optimizer
    if not any(loss.weight and any(loss.layer_weights) for loss in (content, style) if loss.layers):
        if not (content.layers or style.layers):
            raise UserError("content_loss.layers and style_loss.layers are both empty: nothing to optimise")
        raise UserError(
            "content_loss.weight and style_loss.weight: no layer has a weight above 0: nothing to optimise"
        )
    if config.init.image and config.init.kind != "image":
        raise UserError(
            f"init.image = {config.init.image!r}: a run that starts from init.kind = {config.init.kind} does "
            "not read it; add --config.init.kind=image, or leave init.image empty"
        )
    if optimizer.schedule_options and not optimizer.schedule:
        raise UserError(
            f"optimizer.schedule_options = {optimizer.schedule_options!r}: nothing reads them without "
            "optimizer.schedule"
        )


def notes(config: ConfigDict) -> list[str]:
    """Returns lines for the log on fields that have no effect in a run.

    Args:
      config: from `resolve`.
    """
    color, lines = config.color, []
    if color.mode == "none" and (color.space, color.transform) != ("srgb", "pca"):
        lines.append("color.space and color.transform have no effect, since color.mode = none")
    elif color.mode == "luminance" and color.transform != "pca":
        lines.append("color.transform has no effect, since color.mode = luminance")
    if config.size != AUTO and 0 < config.size <= config.pyramid.min_size:
        smallest = f"pyramid.min_size = {config.pyramid.min_size}: not below size = {config.size}"
        lines.append(Detail(f"{smallest}: only this size is made"))
    return lines


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


def description(plain: dict) -> str:
    """Returns the text for the metadata of a picture.

    Args:
      plain: from `as_dict`.
    """
    return f"nst config {digest(plain)}"


def differences(old: dict, new: dict, prefix: str = "") -> list[str]:
    """Returns a line `field: old -> new` for every difference that makes two configs different runs.

    Fields that change no pixel are left out. Fields that name files are left out, too, since the contents of
    the files are compared (nst/runs/identity.py).

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
