"""The configs that come with nst, by name: gatys2016, sweeps/pooling."""

import ast
import difflib
import os
from pathlib import Path

from nst.configs import default
from nst.errors import UserError, shown


def names() -> dict[str, Path]:
    """Returns the files of the configs that come with nst by name, in alphabetical order."""
    folder = Path(default.__file__).parent
    found = sorted(folder.rglob("[!_]*.py"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def locate(config: str) -> str:
    """Returns the path of a config, with its argument.

    Args:
      config: the path of a file, or a name such as gatys2016 or sweeps/pooling; with `:argument` or without.

    Raises:
      UserError: there is no such file; the message names the nearest config.
    """
    file, colon, argument = config.partition(":")
    if os.path.isfile(file):
        return config
    found = names()
    name = file.removesuffix(".py")
    if name not in found:
        # names are compared without their folders, which may be missing or wrong
        short = {known.rpartition("/")[2]: known for known in found}
        near = difflib.get_close_matches(Path(name).name, short, n=1, cutoff=0.5)
        hint = f"did you mean {short[near[0]]}? " if near else ""
        raise UserError(f"--config={shown(file)[1:-1]}: no such config; {hint}nst configs lists all")
    return f"{found[name]}{colon}{argument}"


def has_sweep(config: str) -> bool:
    """Returns whether the file of a config defines `sweep()`.

    Args:
      config: as for `locate`.
    """
    tree = ast.parse(Path(locate(config).partition(":")[0]).read_bytes())
    return any(isinstance(node, ast.FunctionDef) and node.name == "sweep" for node in tree.body)
