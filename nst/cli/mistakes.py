"""Suggestions for words that a command does not understand."""

import os
import re
from collections import Counter
from collections.abc import Sequence

from absl import flags


def right_form(command: Sequence[str], extra: Sequence[str], values: flags.FlagValues) -> str:
    """Returns the probable right form of words that belong to no option.

    Args:
      command: the words of the command, the first of which is the program.
      extra: the words that belong to no option.
      values: the options that the command has, with their values.
    """
    flag, value = _flag_before(command, command.index(extra[0]))
    following = ",".join(word.rstrip(",") for word in extra)
    if flag and os.path.exists(f"{value} {extra[0]}"):
        return f'put a path with spaces in quotes: {flag}="{value} {extra[0]}"'
    if flag and not value:
        return f"write {flag}={extra[0]}"
    if flag and (value.endswith(",") or _is_sequence(flag, values)):
        return (
            f"several values have commas and no spaces between them: {flag}={value.rstrip(',')},{following}"
        )
    if "config" in values and values["config"].present:
        photo, painting = [*extra, "painting.jpg"][:2]
        return f"pictures are given as --config.content={photo} --config.style={painting}"
    return "leave it out, or write it as --option=value"


def _is_sequence(flag: str, values: flags.FlagValues) -> bool:
    name = flag.lstrip("-")
    return name in values and isinstance(values[name].value, tuple)


def _flag_before(command: Sequence[str], index: int) -> tuple[str, str]:
    """Returns the flag to which the word before `index` belongs, and its value; ("", "") if there is none."""
    before = command[index - 1]
    if before.startswith("-"):
        flag, _, value = before.partition("=")
        return flag, value
    if index > 2 and command[index - 2].startswith("-") and "=" not in command[index - 2]:
        return command[index - 2], before
    return "", ""


def repeated(words: Sequence[str]) -> list[str]:
    """Returns the options that are given more than once.

    Args:
      words: words of the command.
    """
    names = [word.partition("=")[0].replace("_", "-") for word in words if re.match("--?[A-Za-z]", word)]
    return [name for name, count in Counter(names).items() if count > 1]
