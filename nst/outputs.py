"""Checks of the places to which a program will write, before it computes or downloads anything."""

import os
from pathlib import Path

from nst.errors import UserError


def obstacle(folder: str | os.PathLike) -> str:
    """Returns the reason why files cannot be written into a folder, or "" if none is found.

    Args:
      folder: path of a folder; if it is missing, it can be made where its nearest parent can be written.
    """
    place = Path(os.path.abspath(folder))
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        return f"{place} is not a folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is read-only"


def check_writable(folder: str | os.PathLike) -> None:
    """Checks, before anything is computed or downloaded, that files can be written into a folder.

    Args:
      folder: as for `obstacle`; nothing is made.

    Raises:
      UserError: files cannot be written there.
    """
    if reason := obstacle(folder):
        raise UserError(f"{folder}: cannot write there ({reason}); use another folder")


def check_new(path: str | os.PathLike, overwrite: bool) -> None:
    """Checks, before anything is computed or downloaded, that a file can be written and replaces none.

    Args:
      path: path of the file; nothing is made.
      overwrite: whether a file of that name is replaced.

    Raises:
      UserError: there is such a file or folder, or files cannot be written beside it.
    """
    place = Path(path)
    if place.is_dir():
        raise UserError(f"{path}: a folder; give the name of a file")
    if os.path.lexists(place) and not overwrite:
        raise UserError(f"{path}: there already; give another name, or replace it with --overwrite")
    check_writable(place.parent)
