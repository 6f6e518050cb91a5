"""Lists the configs that come with nst, or shows one of them.

nst configs                 the names of all configs, with a line about each
nst configs gatys2016       the description of a config, and the fields in which it differs from default
nst configs default         every field, with its meaning

Configs in sweeps/ are for nst sweep, and all others for nst photo.jpg painting.jpg and nst stylize.
The name may also be the path of a config file. An argument of a config follows a colon: demystifying:linear.
"""

import argparse
import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nst.cli import arguments, catalogue
from nst.sweeps import points


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a config; without one, all are listed")


def run(args: argparse.Namespace) -> int:
    """Lists the configs, or shows the config that the arguments name; returns the exit status."""
    if args.name is None:
        found = catalogue.names()
        width = max(map(len, found))
        print(
            "\n".join(f"{name:<{width}}  {_docstring(path).splitlines()[0]}" for name, path in found.items())
        )
        return 0
    path = Path(catalogue.locate(args.name).partition(":")[0])
    config = _fields(arguments.load([f"--config={args.name}"], "default").config)
    print(_as_typed(_docstring(path)))
    default = _fields(arguments.load([], "default").config)
    if config == default:
        print("\n" + "\n".join(_with_meanings(config, path)))
        return 0
    print("\nWhat differs from default (`nst configs default` explains the fields):\n")
    lines = [(name, value) for name, value in config.items() if default.get(name, ...) != value]
    width = max(len(name) for name, _ in lines)
    print("\n".join(f"    {name:<{width}} = {value!r}" for name, value in lines))
    return 0


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or path.stem


def _as_typed(text: str) -> str:
    """Returns a docstring in which commands that a backslash has joined are divided again."""
    return re.sub(r"(?<=\S) {5,}(?=--)", " \\\\\n        ", text)


def _fields(config) -> dict[str, Any]:
    """Returns the values of all fields by their dotted names."""
    return {name: points.get_field(config, name) for name in points.field_names(config)}


def _with_meanings(fields: dict[str, Any], path: Path) -> Iterator[str]:
    """Yields each field with its comments from the file, in the order of the file."""
    for name, meaning in _comments(path).items():
        if name not in fields:
            yield f"\n{name}: {meaning}" if meaning else f"\n{name}"
            continue
        yield f"    {name} = {fields[name]!r}"
        yield textwrap.indent(textwrap.fill(meaning, 96), " " * 8)


def _comments(path: Path) -> dict[str, str]:
    """Returns {NAME: comments above and at the end of the line `config.NAME = ...`}."""
    found, above, name = {}, [], ""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        line = token.line.strip()
        if token.type == tokenize.COMMENT and line.startswith("#"):
            above.append(token.string.lstrip("# "))
        elif token.type == tokenize.NAME and line.startswith("config.") and " = " in line and not name:
            name = line.partition(" = ")[0].removeprefix("config.")
        elif token.type == tokenize.COMMENT:
            above.append(token.string.lstrip("# "))
        elif token.type == tokenize.NEWLINE:
            if name:
                found[name] = " ".join(above)
            above, name = [], ""
    return found
