"""Options that several subcommands share, and types of options for argparse."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from nst.errors import UserError
from nst.runs import kinds


def add_workdir(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds --workdir to a parser.

    Args:
      parser: the parser of a subcommand.
      what: description of the folder, for the help.
    """
    parser.add_argument("--workdir", metavar="FOLDER", help=what)


def required(workdir: str | None, what: str, example: str) -> Path:
    """Returns the folder that --workdir names.

    Args:
      workdir: the value of the option.
      what: what the folder is for, such as "the run", for the error message.
      example: a value that the error message suggests.

    Raises:
      UserError: the option was not given.
    """
    if not workdir:
        raise UserError(f"give a folder for {what}: --workdir={example}")
    return Path(workdir)


def renamed(error: UserError, options: Mapping[str, str]) -> UserError:
    """Returns an error whose message names the options that set fields, instead of the fields.

    Args:
      error: an error whose message names fields of the config, such as weights.name.
      options: {field: option}.
    """
    text = str(error)
    for field, option in options.items():
        name = re.escape(field)
        text = re.sub(rf"--config\.{name}(?![\w.])", option, text)
        # a name without a dot may be an ordinary word
        after = r"(?![\w.])" if re.search("[._]", field) else "(?= = )"
        text = re.sub(rf"(?<![\w.-]){name}{after}", option, text)
        text = re.sub(rf"\b(raise|lower|give) {name}\b", rf"\1 {option}", text)
    return UserError(text)


def count(text: str) -> int:
    """Returns a whole number of at least 1, for an option of argparse.

    Args:
      text: the number as it was typed.

    Raises:
      ArgumentTypeError: it is not a whole number of at least 1.
    """
    try:
        found = kinds.whole_number(text)
    except (TypeError, ValueError, OverflowError):
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, at least 1")
    return found


def positive(text: str) -> float:
    """Returns a number above 0, for an option of argparse.

    Args:
      text: the number as it was typed.

    Raises:
      ArgumentTypeError: it is not a number above 0.
    """
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
    return found


class Once(argparse.Action):
    """Stores a sequence that is given with commas, and refuses a second one."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Stores the text."""
        if getattr(namespace, self.dest) != self.default:
            parser.error(f"{option_string} is given twice; give it once, with commas")
        setattr(namespace, self.dest, values)
