"""The pictures that a command asks for: each photograph with its paintings, and the path of the result."""

import glob
import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from nst import images
from nst.cli.process import say
from nst.cli.tables import counted
from nst.errors import UserError
from nst.images import folders

_LONGEST_NAME = 255  # bytes, in nearly all file systems
FORM = "nst photo.jpg painting.jpg"


class Pair(NamedTuple):
    """A picture to be made."""

    photo: str  # path of the photograph; "": the loss needs none
    paintings: tuple[str, ...]  # paths of the paintings, which are blended; (): the loss needs none
    output: Path  # path of the result

    @property
    def folder(self) -> Path:
        """The run folder, which exists while the picture is made."""
        return self.output.with_suffix(".nst")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The paths of the photograph and the paintings."""
        return (*filter(None, [self.photo]), *self.paintings)


class Found(NamedTuple):
    """The pictures that a command asks for."""

    pairs: list[Pair]
    folder: Path | None  # folder of the results; None: there is a single result


class _Side(NamedTuple):
    """The photographs, or the paintings."""

    items: list[tuple[str, ...]]  # for each: one path, or the paths of several paintings that are blended
    name: str  # name for all together, in the name of a folder of results
    parent: Path  # folder in which results lie
    several: bool  # whether they come from a folder or a glob


def find(words: Sequence[str], output: str | None, given: Mapping[str, Any], config: ConfigDict) -> Found:
    """Finds the pictures that a command asks for.

    Args:
      words: PHOTO and PAINTING; either may be missing if the config names it.
      output: the value of -o; None: a single result lies beside its photograph, and several results lie in a
        folder beside their photographs.
      given: {field: value} of the fields that the command sets by --config.FIELD.
      config: from `settings.resolve`.

    Raises:
      UserError: a picture is missing or given twice, there is no such file, or -o does not fit.
    """
    if output == "":  # for example from a variable of the shell that is not set
        raise UserError("-o is empty: give the name of a file, or a folder/")
    photos, paintings = _sides(words, given, config)
    several = photos.several or paintings.several
    pairs = list(itertools.product(photos.items, paintings.items))
    if not output:
        folder = photos.parent / f"{photos.name}_{paintings.name}".strip("_") if several else photos.parent
    elif several or _is_folder(output):
        folder = Path(output)
        if several and folder.suffix.lower() in images.SUFFIXES and not folder.is_dir():
            raise UserError(f"-o {output}: several pictures need a folder, such as -o out/")
    else:
        if Path(output).suffix.lower() not in images.SUFFIXES:
            listed = ", ".join(images.SUFFIXES)
            raise UserError(f"-o {output}: give a name that ends in {listed}, or a folder: {output}/")
        return Found(_checked([Pair(*photo, painting, Path(output)) for photo, painting in pairs]), None)
    names = _names(photos, paintings)
    found = [
        Pair(*photo, painting, folder / f"{name}.{config.output.format}")
        for (photo, painting), name in zip(pairs, names, strict=True)
    ]
    return Found(_checked(found, photos, paintings), folder if several else None)


def _checked(pairs: list[Pair], *sides: _Side) -> list[Pair]:
    """Raises UserError if a result would replace an input or lie among them, or if its name is too long."""
    inputs = {os.path.realpath(path) for pair in pairs for path in pair.inputs}
    groups = {os.path.realpath(Path(path).parent) for side in sides if side.several for (path,) in side.items}
    for pair in pairs:
        where = pair.output.parent
        if os.path.realpath(pair.output) in inputs:
            raise UserError(
                f"{pair.output}: it would replace a picture that it is made from; give another name with -o"
            )
        if (size := len(os.fsencode(pair.output.name))) > _LONGEST_NAME:
            raise UserError(
                f"{pair.output.name[:40]}...: a name of {size} bytes, and {_LONGEST_NAME} are possible; give "
                "a shorter one with -o, or shorten those of the pictures"
            )
        if os.path.realpath(where) in groups:
            raise UserError(
                f"-o {where}: it holds the pictures to be made from; give a folder for the results"
            )
    return pairs


# --- photographs and paintings


def _sides(words: Sequence[str], given: Mapping[str, Any], config: ConfigDict) -> tuple[_Side, _Side]:
    if len(words) > 2:
        raise UserError(
            f"{len(words)} pictures: give one photograph and one painting; for several, a folder or a glob "
            "in quotes: nst 'photos/*.jpg' painting.jpg -o out/; for a blend, --config.style=a.jpg,b.jpg"
        )
    for word, role, field in zip(words, ("photograph", "painting"), ("content", "style"), strict=False):
        if field in given:
            raise UserError(f"{word} and --config.{field} both name the {role}: give one of them")
    # a config may name pictures, even some that come with nst; results then lie in the current folder
    photos = _side(words[0]) if words else _Side([(config.content,)], _stem(config.content), Path(), False)
    styles = tuple(filter(None, config.style))
    paintings = _side(words[1]) if words[1:] else _Side([styles], "+".join(map(_stem, styles)), Path(), False)
    if not photos.items[0][0] and (config.content_loss.layers or not styles):
        raise UserError(f"give a photograph and a painting: {FORM}")
    if not paintings.items[0] and config.style_loss.layers:
        raise UserError(f"give a painting as well: {FORM}")
    return photos, paintings


def _side(word: str) -> _Side:
    """Returns the pictures that a word names, in alphabetical order."""
    if not word:  # as a path it would be the current folder; a variable of the shell may not be set
        raise UserError(f"the name of a picture is empty: {FORM}")
    path = Path(os.path.expanduser(word))
    if path.is_dir():
        files = _not_made_here(path, folders.files(str(path)))
        return _Side([(str(file),) for file in files], path.resolve().name, path.parent, True)
    if not path.exists() and glob.has_magic(str(path)):
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))
        files = [file for file in matches if folders.is_picture(file)]
        if not files:
            raise UserError(f"{word}: there is no picture of such a name")
        base = path
        while glob.has_magic(str(base)):
            base = base.parent
        return _Side([(str(file),) for file in files], base.resolve().name, base.parent, True)
    if not path.exists():
        images.read(word)  # raises the error that says what is wrong
    return _Side([(str(path),)], path.stem, path.parent, False)


def _not_made_here(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Returns the pictures of a folder without those that nst has made, unless it has made all of them."""
    others = [file for file in files if not images.read_description(file).startswith("nst ")]
    if others and len(others) < len(files):
        say(f"{folder}: {counted(len(files) - len(others), 'picture')} made by nst left out")
    return others or list(files)


def _stem(path: str) -> str:
    return Path(path).stem


# --- names of the results


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def _names(photos: _Side, paintings: _Side) -> list[str]:
    """Returns PHOTO_PAINTING for each photograph with each painting; the names differ on all systems."""
    pairs = itertools.product(_labels(photos.items), _labels(paintings.items))
    names = ["_".join(filter(None, pair)) for pair in pairs]
    taken: set[str] = set()
    for index, name in enumerate(names):
        numbers = itertools.count(2)
        while names[index].casefold() in taken:  # a_b with c, and a with b_c
            names[index] = f"{name}_{next(numbers)}"
        taken.add(names[index].casefold())
    return names


def _labels(items: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns the names of pictures without their suffixes, or with them if two names would be equal."""
    stems = ["+".join(map(_stem, item)) for item in items]
    counts = Counter(stem.casefold() for stem in stems)
    return [
        stem if counts[stem.casefold()] == 1 else "+".join(Path(path).name.replace(".", "-") for path in item)
        for stem, item in zip(stems, items, strict=True)
    ]
