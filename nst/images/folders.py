"""Folders of images: which files are pictures, and the pictures themselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nst import images
from nst.errors import UserError


def files(folder: str, field: str) -> list[Path]:
    """The pictures of a folder, by name.

    Raises:
      UserError: naming `field`, if there are none.
    """
    suffixes = {*images.SUFFIXES, ".bmp", ".gif"}
    found = (
        sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in suffixes) if folder else []
    )
    if not found:
        raise UserError(f"{field} = {folder!r}: no pictures there; give a folder of images")
    return found


def load(paths: Sequence[Path], least: int) -> list[np.ndarray]:
    """Pictures as `HxWx3` uint8, for keeping in memory; short edges below `least` pixels are enlarged."""
    found = []
    for path in paths:
        rgb = images.read(path).rgb_HxWx3
        if min(rgb.shape[:2]) < least:
            rgb = images.resize(rgb, *images.target_size(*rgb.shape[:2], least, "short"), "lanczos")
        found.append(np.rint(rgb * 255).astype(np.uint8))
    return found


def center(picture_HxWx3: np.ndarray, size: int) -> np.ndarray:
    """The middle of a picture whose short edge is scaled to `size` pixels: `size x size x 3` in [0, 1]."""
    rgb = picture_HxWx3.astype(np.float32) / 255
    height, width = images.target_size(*rgb.shape[:2], size, "short")
    rgb = images.resize(rgb, height, width, "lanczos")
    top, left = (height - size) // 2, (width - size) // 2
    return rgb[top : top + size, left : left + size]
