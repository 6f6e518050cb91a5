"""The table of subcommands, and what they share: --config, --debug, and errors of one line.

    nst photo.jpg painting.jpg
    nst stylize --config=gatys2016 --config.content=photo.jpg --config.style=painting.jpg --workdir=runs/first

If the first word is not a subcommand, the command is `paint`, as in the first line. If a file is named like a
subcommand, write ./sweep to stylise it; after `--` every word is a path.
"""

import argparse
import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType
from typing import NamedTuple, NoReturn

from nst.cli import process
from nst.errors import UserError

PAINT, DEFAULT = "paint", "default"


class Command(NamedTuple):
    """A subcommand: a module of nst/cli, which is imported only when its command is run."""

    summary: str
    # the config if --config is not given; "": --config has to be given; None: the command takes no config
    config: str | None = DEFAULT
    computes: bool = True  # whether it needs JAX, whose import takes a second


COMMANDS = {
    "stylize": Command("make or continue one run, in a run folder"),
    "sweep": Command("run every point of a config's sweep()", config=""),
    "report": Command("write the page of a sweep", config=None),
    "measure": Command("measure pictures against their photograph and painting", config=None),
    "visualize": Command("draw what the layers of a network represent", config="trial"),
    "animate": Command("make a film of a run from its previews", config=None),
    "networks": Command("list the networks, or show the layers of one", config=None, computes=False),
    "configs": Command("list the configs that come with nst, or show one", config=None, computes=False),
    "doctor": Command("say what is found on this machine, and what is missing", config=None),
}
_COMMANDS_LISTED = "other commands, with a help of their own:\n" + "\n".join(
    f"  nst {name:<10} {command.summary}" for name, command in COMMANDS.items()
)


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage like all other errors: one line, exit status 1."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(words: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status.

    Args:
      words: words of the command, without the program's name; None: the arguments of this process.
    """
    process.prepare()
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    return process.guarded(lambda: _run([word for word in words if word != "--debug"]), debug)


def _run(words: list[str]) -> int:
    if "--version" in words and words[0] not in COMMANDS:
        print(f"nst {version('nst')}")
        return 0
    words = _without_separator(words)
    name, words = (words[0], words[1:]) if words and words[0] in COMMANDS else (PAINT, words)
    module = importlib.import_module(f"nst.cli.{name}")
    parser = make_parser(name, module)
    if "-h" in words or "--help" in words or (name == PAINT and not words):
        print(parser.format_help())  # argparse's own function ignores errors of writing
        return 0
    if name == PAINT:
        _check_first(words[0])
    # otherwise JAX logs every backend that it does not find
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)
    from nst.cli import options

    command = COMMANDS.get(name, Command(""))
    args = _parse(name, module, parser, words)
    if command.computes:
        from nst.devices import compilation_cache, platform

        platform.set_flags()
        compilation_cache.keep()
    process.handle_interrupts()
    try:
        return module.run(args) or 0
    except UserError as error:
        raise options.renamed(error, args.names) from error


def _parse(
    name: str, module: ModuleType, parser: argparse.ArgumentParser, words: list[str]
) -> argparse.Namespace:
    """Returns the arguments of a subcommand, including its config."""
    from nst.cli import arguments, mistakes

    try:
        loaded = arguments.load(words, COMMANDS.get(name, Command("")).config)
        arguments.check_run(loaded)
        args, extra = parser.parse_known_intermixed_args(_with_hyphens(loaded.words))
        if extra:
            known = [option for action in parser._actions for option in action.option_strings]
            raise arguments.misplaced(loaded, extra, known)
    except UserError as error:
        if os.path.isfile(name):
            raise UserError(f"{error}; the file of that name is ./{name}") from error
        raise
    for option in mistakes.repeated(words):
        print(f"note: {option} is given more than once: the last one counts", file=sys.stderr)
    args.config, args.config_file, args.command = loaded.config, loaded.file, ["nst", name, *words]
    args.config_flags = loaded.values
    # errors name a field by the option with which the command has set it
    typed = {word.partition("=")[0] for word in words}
    names = getattr(module, "NAMES", {})
    args.names = {field: option for field, option in names.items() if f"--config.{field}" not in typed}
    return args


def _check_first(word: str) -> None:
    """Raises UserError if the first word is a misspelt subcommand."""
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.7)
    if near and not os.path.exists(word):
        raise UserError(f"{word}: neither a command nor a picture; did you mean nst {near[0]}?")


def make_parser(name: str, module: ModuleType) -> argparse.ArgumentParser:
    """Returns the parser of a subcommand, without the options of the config.

    Args:
      name: name of the subcommand.
      module: module of the subcommand in nst/cli.
    """
    parser = _Parser(
        prog="nst" if name == PAINT else f"nst {name}",
        description=module.__doc__,
        epilog=_COMMANDS_LISTED if name == PAINT else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    default = COMMANDS.get(name, Command("")).config
    if default is not None:
        config = parser.add_argument_group("the config")
        # arguments.load removes both from the words before they are parsed
        which = f" ({default})" if default else ""
        config.add_argument("--config", metavar="NAME", help=f"a name of nst configs, or a file{which}")
        config.add_argument("--config.FIELD", metavar="VALUE", help="a field: nst configs default has all")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    if name == PAINT:
        parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _without_separator(words: list[str]) -> list[str]:
    """Returns the words without `--`, after which every word is a path: ./-dash.jpg, ./sweep."""
    if "--" not in words:
        return words
    index = words.index("--")
    paths = [f"./{word}" if word.startswith("-") or word in COMMANDS else word for word in words[index + 1 :]]
    return words[:index] + paths


def _with_hyphens(words: Sequence[str]) -> list[str]:
    """Returns the words with --dry_run written as --dry-run, since both forms are allowed."""
    found = []
    for word in words:
        flag, equals, value = word.partition("=")
        found.append(flag.replace("_", "-") + equals + value if flag.startswith("--") else word)
    return found


if __name__ == "__main__":
    sys.exit(main())
