"""The files beside the page: made once for a content, and thrown away when the page no longer shows them."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nst.files import replacing

KINDS = ("pictures", "thumbnails", "curves")


class Shelf(NamedTuple):
    """The folder of a report, and what its page shows of it."""

    folder: Path
    kept: set[Path]


def keep(
    shelf: Shelf, kind: str, name: str, suffix: str, source: bytes, make: Callable[[], bytes] | None = None
) -> str:
    """The relative address of a file made from `source`; it is made only if it is not there.

    The digest of the source is part of the file's name: another source is another file, so that a page
    written earlier never shows half of what a later one does.

    Args:
      shelf: of the report; notes that the file is in use.
      kind: of KINDS, the folder.
      name: for people; what a file's name cannot hold is replaced.
      suffix: with its dot.
      source: what the file depends on.
      make: gives the file's bytes; None: they are the source.
    """
    stem = re.sub(r"[^A-Za-z0-9._=-]+", "_", name)[:60]
    path = shelf.folder / kind / f"{stem}.{hashlib.sha256(source).hexdigest()[:12]}{suffix}"
    if not path.exists():
        content = source if make is None else make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)
    shelf.kept.add(path)
    return f"{kind}/{path.name}"  # nothing in it that an address would have to escape


def tidy(shelf: Shelf) -> None:
    """Removes what the page does not show: of points that are gone, of pictures that changed."""
    for kind in KINDS:
        for path in (shelf.folder / kind).glob("*"):
            if path not in shelf.kept:
                with contextlib.suppress(OSError):
                    path.unlink()
