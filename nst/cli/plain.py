"""The plain options of `nst photo.jpg painting.jpg`, and the fields of the config that they set."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from nst.errors import UserError


class Option(NamedTuple):
    """An option, which sets one field to the value that the user gives, or several fields to fixed values."""

    metavar: str  # name of the value, for the help; "": the option takes no value
    fields: dict[str, Any]  # field of the config -> its value; ...: the value that the user gives
    meaning: str  # meaning, for the help
    default: str = ""  # value in the default config, for the help


OPTIONS = {
    "--size": Option(
        "N", {"size": ...}, "long edge in pixels; 0: the photograph's; auto: what memory allows", "512"
    ),
    "--style-weight": Option(
        "W", {"style_loss.weight": ...}, "0.1 hardly changes the photograph, 10 is abstract", "1"
    ),
    "--strokes": Option(
        "S", {"style_scale": ...}, "size of the strokes: 2 doubles the painting's, 0.5 halves it", "1"
    ),
    "--steps": Option("N", {"steps": ...}, "updates at the full size; more give a finer picture", "100"),
    "--keep-colors": Option(
        "", {"color.mode": "luminance", "color.space": "yiq"}, "keep the colours of the photograph"
    ),
    "--network": Option(
        "NAME", {"weights.name": ...}, "vgg19; vgg19_slim, small and fast; or another", "vgg19"
    ),
    "--init": Option(
        "KIND", {"init.kind": ...}, "the start: content, style, noise, grey or blend", "content"
    ),
    "--pooling": Option(
        "NAME", {"network.pooling": ...}, "max, average, l2, lp, mixed, strided, blur or hann", "max"
    ),
    "--seed": Option("N", {"seed": ...}, "seed of the noise and of random networks", "0"),
}  # fmt: skip
# field -> option, for the fields whose value the user gives; errors then name the option
NAMES = {
    field: flag for flag, option in OPTIONS.items() for field, value in option.fields.items() if value is ...
}
# the options of the group "the picture"; all others are in the group "the method"
_PICTURE = ("--size", "--style-weight", "--strokes", "--steps", "--keep-colors")


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a parser, in groups.

    Args:
      parser: the parser of the command.
    """
    picture, method = parser.add_argument_group("the picture"), parser.add_argument_group("the method")
    for flag, option in OPTIONS.items():
        group = picture if flag in _PICTURE else method
        if not option.metavar:
            group.add_argument(flag, action="store_true", help=option.meaning)
            continue
        meaning = f"{option.meaning} ({option.default})"
        group.add_argument(flag, metavar=option.metavar, help=meaning)


def chosen(args: argparse.Namespace) -> dict[str, tuple[str, Any]]:
    """Returns {field: (the option as it was typed, the value)} of the options that were given.

    Args:
      args: arguments from a parser with `add`.
    """
    found = {}
    for flag, option in OPTIONS.items():
        typed = getattr(args, flag.removeprefix("--").replace("-", "_"))
        if typed in (None, False):
            continue
        for field, value in option.fields.items():
            own = typed if value is ... else value
            found[field] = (flag if typed is True else f"{flag}={typed}", own)
    return found


def given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns {field: value} of the fields that the command sets by --config.FIELD=VALUE.

    Args:
      flags: `values` of `arguments.load`.
    """
    return {
        name.removeprefix("config."): flags[name].value
        for name in flags
        if name.startswith("config.") and flags[name].present
    }


def apply(config, choices: Mapping[str, tuple[str, Any]], given: Mapping[str, Any]) -> None:
    """Sets the fields of a config.

    Args:
      config: a ConfigDict, which is changed.
      choices: {field: (the words of the command, the value)}.
      given: {field: value} of the fields that the command sets by --config.FIELD.

    Raises:
      UserError: a field cannot hold a value (the message names the words of the command), or --config.FIELD
        sets the same field to another value.
    """
    from nst.runs.fields import FIELDS
    from nst.runs.kinds import normal_form

    for field, (words, value) in choices.items():
        value = normal_form(words.partition("=")[0], value, FIELDS[field])
        if field in given and normal_form(field, given[field], FIELDS[field]) != value:
            other = f"--config.{field}={_as_typed(given[field])}"
            raise UserError(f"{words} and {other} contradict each other: give one of them")
        config.update_from_flattened_dict({field: value})


def _as_typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
