"""Pairs of a photograph and a painting, and the text files that list them, one pair a line.

A line has the name of the photograph, the name of the painting, and then what kind of pictures they are. A
name is that of a file without its suffix, in any subfolder of the folder of pictures. `#` begins a comment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nst import images
from nst.errors import UserError


class Pair(NamedTuple):
    """A photograph and a painting, by the stems of their files."""

    photo: str
    painting: str
    kind: str  # what is in them, for people

    @property
    def name(self) -> str:
        """The name of the pair, of which files are named."""
        return f"{self.photo}+{self.painting}"


def read(path: Path) -> list[Pair]:
    """Reads a file of pairs.

    Raises:
      UserError: there is no such file of UTF-8 text, a line has fewer than three words, or a pair is there
        twice.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"pairs = {path}: cannot read it ({error})") from error
    pairs = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split(maxsplit=2)
        if not words:
            continue
        if len(words) < 3:
            raise UserError(f"{path}:{number}: write a photograph, a painting and their kind, not {line!r}")
        pair = Pair(words[0], words[1], words[2].strip())
        if pair.name in pairs:
            raise UserError(f"{path}:{number}: {pair.photo} {pair.painting} is there twice")
        pairs[pair.name] = pair
    if not pairs:
        raise UserError(f"pairs = {path}: there are no pairs in it")
    return list(pairs.values())


def find(folder: Path, pairs: Sequence[Pair]) -> dict[str, Path]:
    """Returns the files of the pictures of pairs, by name; those that are not there are left out.

    Args:
      folder: where they lie, at any depth.
      pairs: from `read`.

    Raises:
      UserError: two files have the name of a picture.
    """
    names = {name for pair in pairs for name in (pair.photo, pair.painting)}
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.stem in names and path.suffix.lower() in images.SUFFIXES:
            if path.stem in found:
                raise UserError(f"images = {folder}: {path} and {found[path.stem]} have one name; rename one")
            found[path.stem] = path
    return found
