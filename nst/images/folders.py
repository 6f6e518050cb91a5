"""Folders of pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nst import images
from nst.errors import UserError

# suffixes of the formats that `images.read` knows
_SUFFIXES = {
    *images.SUFFIXES, ".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jxl", ".pbm",
    ".pgm", ".pnm", ".ppm",
}  # fmt: skip


def files(folder: str, field: str = "") -> list[Path]:
    """Returns the paths of the pictures in a folder, sorted by name.

    Args:
      folder: path of the folder.
      field: config field or flag that names the folder, for error messages; "": there is none.

    Raises:
      UserError: the folder has no pictures.
    """
    paths = sorted(filter(is_picture, Path(folder).glob("*") if folder else ()))
    if not paths:
        named = f"{field} = {folder!r}" if field else folder
        raise UserError(f"{named}: no pictures there; give a folder of images")
    return paths


def is_picture(path: Path) -> bool:
    """Returns whether a path leads to a file with the name of a picture; hidden files do not count.

    Args:
      path: path of a file or folder.
    """
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def load(paths: Sequence[Path], least: int) -> list[np.ndarray]:
    """Reads pictures into memory as 8-bit arrays, which take a quarter of the memory of float32.

    Args:
      paths: paths of the pictures.
      least: least number of pixels of the short edge; a smaller picture is enlarged.

    Returns:
      Arrays `HxWx3`, uint8.
    """
    pictures = []
    for path in paths:
        rgb = images.read(path).rgb_HxWx3
        if min(rgb.shape[:2]) < least:
            rgb = images.resize(rgb, *images.target_size(*rgb.shape[:2], least, "short"), "lanczos")
        pictures.append(np.rint(rgb * 255).astype(np.uint8))
    return pictures


def center(picture_HxWx3: np.ndarray, size: int) -> np.ndarray:
    """Scales a picture so that its short edge is `size`, and returns the square in its middle.

    Args:
      picture_HxWx3: uint8, from `load`.
      size: edge of the square in pixels.

    Returns:
      `size x size x 3`, float32 in [0, 1].
    """
    rgb = picture_HxWx3.astype(np.float32) / 255
    height, width = images.target_size(*rgb.shape[:2], size, "short")
    rgb = images.resize(rgb, height, width, "lanczos")
    top, left = (height - size) // 2, (width - size) // 2
    return rgb[top : top + size, left : left + size]
