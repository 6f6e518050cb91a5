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
