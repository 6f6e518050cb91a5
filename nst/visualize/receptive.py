"""Receptive fields of units, cut out of a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nst.networks.layers import Window


class Cut(NamedTuple):
    """A square of a picture that may reach beyond it."""

    patch_hxwx3: np.ndarray
    # top, left, bottom and right of the part that lies in the picture, in coordinates of the patch
    inside: tuple[int, int, int, int]


def box(field: Window, y: int, x: int) -> tuple[int, int, int, int]:
    """Returns the receptive field of the unit (y, x) in pixels, which may reach beyond the picture.

    Args:
      field: size, stride and offset of the layer's receptive fields.
      y: row of the unit.
      x: column of the unit.

    Returns:
      (top, left, bottom, right).
    """
    top, left = (field.offset + field.stride * int(position) for position in (y, x))
    return top, left, top + field.size, left + field.size


def cut(image_HxWx3: np.ndarray, square: Sequence[int], grey: float = 0.5) -> Cut:
    """Cuts a square out of an image.

    Args:
      image_HxWx3: the image, in [0, 1].
      square: (top, left, bottom, right) in pixels.
      grey: value where the square reaches beyond the image.
    """
    top, left, bottom, right = square
    patch = np.full((bottom - top, right - left, image_HxWx3.shape[2]), grey, np.float32)
    rows, columns = (
        (min(max(low, 0), edge), min(max(high, 0), edge))
        for low, high, edge in zip((top, left), (bottom, right), image_HxWx3.shape[:2], strict=True)
    )
    inside = rows[0] - top, columns[0] - left, rows[1] - top, columns[1] - left
    patch[inside[0] : inside[2], inside[1] : inside[3]] = image_HxWx3[slice(*rows), slice(*columns)]
    return Cut(patch, inside)
