"""The words of a command that set the config, and words that belong to no option.

A sequence is given once, with commas: --config.style=a.jpg,b.jpg. The text is passed on as it is, so that a
path may have spaces, commas and quotes; nst/runs/kinds.py splits it. The form of Python is understood as
well: --config.style="('a.jpg', 'b.jpg')".
"""

import ast
import difflib
import itertools
import os
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from absl import flags
from ml_collections import ConfigDict, config_flags

from nst.cli.catalogue import locate
from nst.cli.mistakes import right_form
from nst.errors import UserError
from nst.runs import kinds
from nst.sweeps import points
from nst.sweeps.space import no_bytecode

_CONFIG = re.compile(r"--?config(=|$)")
_FIELD = re.compile(r"--?(?:no)?config\.([^=]+)(=|$)")  # a word of the command that sets a field


class _Sequence(flags.ArgumentParser):
    """Passes on the text of a sequence, unless it is a Python literal such as ('a', 'b') or 'a, b'."""

    def parse(self, argument):
        if not isinstance(argument, str):  # it is the value in the config
            return argument
        if argument.strip()[:1] in ("(", "[", "'", '"'):
            try:
                value = ast.literal_eval(argument.strip())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return (argument,)
            return tuple(value) if isinstance(value, list | tuple) else (value,)
        return (argument,) if argument else ()

    def flag_type(self):
        return "sequence"


class _Whole(flags.IntegerParser):
    """Reads a whole number, such as 1000 or 1e3."""

    def convert(self, argument):
        try:
            return kinds.whole_number(argument)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError("give a whole number") from error


class _Switch(flags.BooleanParser):
    """Reads true and false."""

    def parse(self, argument):
        try:
            return super().parse(argument)
        except ValueError as error:
            raise ValueError("give true or false") from error


class _ConfigFile(flags.ArgumentParser):
    """Loads a config, and checks the names of the fields that the command sets."""

    def __init__(self, loader: flags.ArgumentParser):
        self.loader = loader  # the parser of ml_collections
        self.command: Sequence[str] = ()

    def parse(self, path):
        file = path.split(":")[0]
        try:
            with warnings.catch_warnings(), no_bytecode():
                # ml_collections loads files by a function that Python has deprecated
                warnings.filterwarnings("ignore", "the load_module", DeprecationWarning)
                config = self.loader.parse(locate(path))
        except UserError:
            raise
        except Exception as error:  # the code of a config may raise any exception
            # ml_collections puts the text of the traceback into some errors
            cause = error.__context__ or error
            if isinstance(cause, AttributeError) and "'get_config'" in str(cause):
                raise UserError(f"{file}: has no function get_config(); see nst configs default") from error
            raise UserError(f"{file}: {type(cause).__name__}: {cause}") from error
        if not isinstance(config, ConfigDict):
            raise UserError(f"{file}: get_config() returns no ConfigDict; see nst configs default")
        fields = list(points.field_names(config))
        for word, following in itertools.pairwise([*self.command, "--"]):
            if not (match := _FIELD.match(word)):
                continue
            if match[1] not in fields:
                raise UserError(points.unknown(match[1], fields))
            is_switch = isinstance(points.get_field(config, match[1]), bool)
            if not (match[2] or is_switch) and following.startswith("--"):
                raise UserError(f"{word} needs a value: --config.{match[1]}=VALUE")
        return config

    def flag_type(self):
        return self.loader.flag_type()


class Loaded(NamedTuple):
    """The config of a command, and the rest of the command."""

    config: ConfigDict | None  # None: the command takes no config
    file: str  # file of the config, with its argument; "": there is no config
    words: list[str]  # the words that do not set the config
    command: list[str]  # the name of the program, and all words
    values: flags.FlagValues


def load(words: Sequence[str], default: str | None) -> Loaded:
    """Loads the config that a command names, and sets its fields.

    Args:
      words: words of the command, without the program.
      default: the config if --config is not given; "": --config has to be given; None: the command takes no
        config.

    Raises:
      UserError: a file or a field does not exist, a field cannot hold its value, or a sequence is given
        twice.
    """
    words = _config_first([_with_home(word) for word in words])
    _check_split(words)
    given = sum(_CONFIG.match(word) is not None for word in words)
    if given > 1:
        raise UserError("--config is given more than once: give one, and set its fields by --config.FIELD")
    if default is None and (given or any(_FIELD.match(word) for word in words)):
        raise UserError("this command takes no --config")
    if default == "" and not given:
        raise UserError("give a config: --config=NAME, or --config=FILE")
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow other words
    if default is None:
        return Loaded(None, "", words, ["nst", *words], values)
    command = ["nst", *([] if given else [f"--config={default}"]), *words]
    holder = define_config(values, command)
    rest = _parsed(command, values, known_only=True)
    return Loaded(holder.value, values["config"].config_filename, rest[1:], command, values)


def check_run(loaded: Loaded) -> None:
    """Checks that the config of a command is the config of a run.

    Args:
      loaded: the config of the command.

    Raises:
      UserError: the config is for something else, such as a program for developers.
    """
    if loaded.config is not None and not {"content", "style"} <= set(loaded.config.keys()):
        raise UserError(
            f"--config={loaded.file}: not the config of a run (it has no content and style); nst configs "
            f"{loaded.file} shows what it is for"
        )


def misplaced(loaded: Loaded, extra: Sequence[str], flags: Sequence[str] = ()) -> UserError:
    """Returns an error that shows the right form of words that belong to no option.

    Args:
      loaded: the config and the words of the command.
      extra: the words that belong to no option.
      flags: the flags that the command has, such as --workdir.
    """
    flag = next((word for word in extra if word.startswith("-")), None)
    if flag:
        flag = flag.partition("=")[0]
        near = difflib.get_close_matches(flag, flags, n=1)
        return UserError(f"there is no option {flag}" + (f"; did you mean {near[0]}?" if near else ""))
    return UserError(f"{extra[0]!r} belongs to no option: {right_form(loaded.command, extra, loaded.values)}")


def define_config(
    values: flags.FlagValues = flags.FLAGS, command: Sequence[str] | None = None
) -> flags.FlagHolder:
    """Defines --config and the flags of its fields, such as --config.steps=100.

    Args:
      values: the flags of the program.
      command: the words of the command, the first of which is the program; None: the command of this process.

    Returns:
      The holder of the config.
    """
    for kind, parser in ((tuple, _Sequence()), (int, _Whole()), (bool, _Switch())):
        config_flags.register_flag_parser_for_type(kind, parser)
    holder = config_flags.DEFINE_config_file(
        "config", None, "A file of configs/.", values, sys_argv=None if command is None else list(command)
    )
    flag = values["config"]
    flag.parser = _ConfigFile(flag.parser)
    return holder


def parse(command: Sequence[str], values: flags.FlagValues = flags.FLAGS) -> None:
    """Parses the command line of a program whose flags are absl's and which takes no words without flags.

    Args:
      command: the words of the command, the first of which is the program.
      values: the flags of the program.

    Raises:
      UserError: a flag is wrong, a file or a field does not exist, a sequence is given twice, or a word
        belongs to no option; the message shows the right form.
    """
    command = [_with_home(word) for word in values.read_flags_from_files(list(command), force_gnu=False)]
    if extra := _parsed(command, values)[1:]:
        raise UserError(f"{extra[0]!r} belongs to no option: {right_form(command, extra, values)}")


def _parsed(command: Sequence[str], values: flags.FlagValues, known_only: bool = False) -> list[str]:
    """Parses the flags of a command; returns the other words and, with `known_only`, unknown flags."""
    values["config"].parser.command = command
    try:
        rest = values(command, known_only=known_only)
    except flags.IllegalFlagValueError as error:
        if isinstance(error.__context__, UserError):  # absl would put the flag before the message
            raise error.__context__ from error
        raise UserError(str(error)) from error
    # absl and ml_collections raise any of these for a wrong flag
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(str(error)) from error
    _check_repeated(command, values)
    return rest


def _with_home(word: str) -> str:
    """Expands `~` at the start of a flag's value; the shell does so only at the start of a word."""
    flag, equals, value = word.partition("=")
    return flag + equals + os.path.expanduser(value) if equals and word.startswith("-") else word


def _config_first(words: list[str]) -> list[str]:
    """Returns the words with --config before the fields, which is the order that ml_collections needs."""
    for index, word in enumerate(words):
        if _CONFIG.match(word):
            count = 1 if "=" in word else 2
            return words[index : index + count] + words[:index] + words[index + count :]
    return words


def _check_repeated(command: Sequence[str], flag_values: flags.FlagValues) -> None:
    """Raises UserError if a sequence is given twice; for a single value, the last one counts."""
    given = {}
    for word in command:
        if match := _FIELD.match(word):
            given.setdefault(match[1], []).append(word.partition("=")[2])
    for field, values in given.items():
        if len(values) > 1 and isinstance(flag_values[f"config.{field}"].value, tuple):
            raise UserError(
                f"--config.{field} is given {len(values)} times; give it once, with commas: "
                f"--config.{field}={','.join(value for value in values if value) or 'a,b'}"
            )


def _check_split(words: Sequence[str]) -> None:
    """Raises UserError if a list has spaces after its commas, where the shell divides it into words."""
    for index, word in enumerate(words):
        following = list(itertools.takewhile(lambda other: not other.startswith("-"), words[index + 1 :]))
        if word.startswith("-") and word.endswith(",") and following:
            whole = word + ",".join(other.rstrip(",") for other in following)
            raise UserError(f"several values have commas and no spaces between them: {whole}")
