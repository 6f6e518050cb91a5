"""What may stand where a file is expected."""

import os
import socket
from pathlib import Path

import numpy as np

from experiments.fuzz.cases import pick


def make(rng: np.random.Generator, folder: Path, name: str) -> tuple[str, Path]:
    """Puts something other than a sound file into a folder.

    Args:
      rng: the source of randomness.
      folder: where it stands.
      name: of a file.

    Returns:
      What it is, and its path.
    """
    kind = pick(rng, sorted(_KINDS))
    return kind, _KINDS[kind](folder / name)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _circle(path: Path) -> Path:
    path.symlink_to(path.name)
    return path


def _missing(path: Path) -> Path:
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _socket(path: Path) -> Path:
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)
    return path


def _long(path: Path) -> Path:
    return path.with_name("x" * 5000 + path.suffix)


def _nul(path: Path) -> Path:
    return path.with_name(f"a\0b{path.suffix}")


def _device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def _strange(path: Path) -> Path:
    strange = Path(os.fsdecode(os.fsencode(path.parent) + b"/a\n\xff" + path.suffix.encode()))
    strange.write_bytes(b"neither")
    return strange


def _below_a_file(path: Path) -> Path:
    path.write_bytes(b"x")
    return path / path.name


_KINDS = {
    "a circle of links": _circle,
    "a device": _device,
    "a folder": _folder,
    "a long name": _long,
    "a name with NUL": _nul,
    "a name that is no text": _strange,
    "a pipe": _pipe,
    "a socket": _socket,
    "an empty file": _empty,
    "below a file": _below_a_file,
    "nothing": _missing,
}
