"""The files beside the page: a file is written only if its content is new, and removed if it is not used."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nst.files import replacing

FOLDERS = ("pictures", "thumbnails", "curves")


class Assets(NamedTuple):
    """The folder of a report, and the files in it that its page uses."""

    folder: Path
    used: set[Path]


def add(
    assets: Assets, kind: str, name: str, suffix: str, source: bytes, make: Callable[[], bytes] | None = None
) -> str:
    """Writes a file that is made from `source`, unless it exists; returns its address relative to the page.

    The digest of the source is part of the file's name: another source makes another file, so that a page
    never shows a file of a page that was written later.

    Args:
      assets: the files of the report; the file is noted as used.
      kind: one of FOLDERS, in which the file lies.
      name: a readable name; characters that the name of a file cannot have are replaced.
      suffix: suffix of the file, with its dot.
      source: the bytes that the file depends on.
      make: returns the bytes of the file; None: they are the source.
    """
    stem = re.sub(r"[^A-Za-z0-9._=-]+", "_", name)[:60]
    path = assets.folder / kind / f"{stem}.{hashlib.sha256(source).hexdigest()[:12]}{suffix}"
    if not path.exists():
        content = source if make is None else make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)
    assets.used.add(path)
    return f"{kind}/{path.name}"  # it has no characters that an address would have to escape


def remove_unused(assets: Assets) -> None:
    """Removes the files that the page does not use, such as those of points that no longer exist.

    Args:
      assets: the files of the report, after all of them were added.
    """
    for kind in FOLDERS:
        for path in (assets.folder / kind).glob("*"):
            if path not in assets.used:
                with contextlib.suppress(OSError):
                    path.unlink()
