"""Recipes: config files with changes of their fields, written as `name=configs/default.py;steps=100`."""

import ast
import importlib.util
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from nst.errors import UserError
from nst.runs import pyramid, settings
from nst.runs.pyramid import Level


class Recipe(NamedTuple):
    """A named config."""

    name: str
    config: ConfigDict


def parse(text: str, defaults: dict) -> Recipe:
    """Returns the recipe of `name=file;field=value;field=value`.

    The file may have an argument after a colon, as in configs/demystifying.py:linear.

    Args:
      text: the recipe.
      defaults: {dotted field: value} set before the recipe's own changes.

    Raises:
      UserError: the text cannot be parsed, the file cannot be loaded, or there is no such field or value.
    """
    head, *changes = (part.strip() for part in text.split(";"))
    name, _, file = (part.strip() for part in head.partition("="))
    if not name or not file or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UserError(f"recipe = {text!r}: write it as name=configs/default.py;steps=100")
    config = _load(file)
    config.update_from_flattened_dict(defaults)
    for change in filter(None, changes):
        field, equals, value = (part.strip() for part in change.partition("="))
        try:
            if not equals:
                raise ValueError("write it as field=value")
            config.update_from_flattened_dict({field: _value(config, field, value)})
        except KeyError as error:
            raise UserError(f"recipe {name}: {change!r}: there is no field {field}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(f"recipe {name}: {change!r}: {' '.join(str(error).split())}") from error
    return Recipe(name, config)


def _load(file: str) -> ConfigDict:
    path, _, argument = file.partition(":")
    if not Path(path).is_file():
        raise UserError(f"recipe: there is no file {path}")
    try:
        spec = importlib.util.spec_from_file_location(Path(path).stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.get_config(*([argument] if argument else [])).copy_and_resolve_references()
    except UserError:
        raise
    except Exception as error:  # the file may hold anything
        reason = " ".join(str(error).split())
        raise UserError(f"recipe: {file} is no config: {type(error).__name__}: {reason}") from error


def _value(config: ConfigDict, field: str, text: str):
    """Returns the value that a text has in a field: a text, a sequence or a Python literal."""
    group = config
    for name in field.split("."):
        group = group[name]
    if isinstance(group, str):
        return text
    if isinstance(group, tuple | list):
        return settings.names(text.strip("()"))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{text} is not a number, True or False") from error


def scaled(config: ConfigDict, work: float) -> ConfigDict:
    """Returns a config whose steps at all sizes are multiplied by one factor, so that its work is `work`.

        work = sum_sizes steps * size^2 / full size^2

    It is the number of steps at the full size that cost as much. Steps are rounded, to at least 1; those at
    the full size are then chosen so that the sum comes as near as it can. What else counts steps, such as the
    options of a schedule, is left as it is.

    Args:
      config: a recipe's, with a number of pixels for its size.
      work: to reach; 0: the config's steps stay as they are.

    Raises:
      UserError: the size is not a number of pixels, or a field is out of its range.
    """
    config = settings.resolve(config)
    if type(config.size) is not int or config.size < 1:
        raise UserError(f"size = {config.size}: give the size of a recipe in pixels")
    if not work:
        return config
    *smaller, full = levels(config)
    factor = work / work_of(config)
    steps = tuple(max(1, round(factor * level.config.steps)) for level in smaller)
    before = sum(
        count * (level.config.size / full.config.size) ** 2
        for count, level in zip(steps, smaller, strict=True)
    )
    config.pyramid.steps = steps
    config.steps = max(1, round(work - before))
    return config


def work_of(config: ConfigDict) -> float:
    """Returns the work of a config: the steps at its full size that cost as much as all of its steps.

    Args:
      config: from `settings.resolve`, with a number of pixels for its size.
    """
    return sum(level.config.steps * (level.config.size / config.size) ** 2 for level in levels(config))


def levels(config: ConfigDict) -> list[Level]:
    """Returns the sizes of a run, smallest first; the last one is the run itself.

    Args:
      config: from `settings.resolve`, with a number of pixels for its size.
    """
    return pyramid.plan(config, None)


def stronger(config: ConfigDict, factor: float) -> ConfigDict:
    """Returns a config whose style weight is multiplied by a factor."""
    result = config.copy_and_resolve_references()
    result.style_loss.weight *= factor
    return result
