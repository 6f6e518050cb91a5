"""The squares of a picture that units see, cut out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nst.networks.receptive import Field


class Cut(NamedTuple):
    """A square of a picture that may reach beyond it."""

    patch_hxwx3: np.ndarray
    inside: tuple[int, int, int, int]  # top, left, bottom, right of the picture itself, in the patch


def box(field: Field, y: int, x: int) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) in pixels of what the unit (y, x) sees; it may leave the picture."""
    top, left = (field.offset + field.stride * int(position) for position in (y, x))
    return top, left, top + field.size, left + field.size


def cut(image_HxWx3: np.ndarray, square: Sequence[int], grey: float = 0.5) -> Cut:
    """What of an image lies in (top, left, bottom, right); `grey` where there is none."""
    top, left, bottom, right = square
    patch = np.full((bottom - top, right - left, image_HxWx3.shape[2]), grey, np.float32)
    rows, columns = (
        (min(max(low, 0), edge), min(max(high, 0), edge))
        for low, high, edge in zip((top, left), (bottom, right), image_HxWx3.shape[:2], strict=True)
    )
    inside = rows[0] - top, columns[0] - left, rows[1] - top, columns[1] - left
    patch[inside[0] : inside[2], inside[1] : inside[3]] = image_HxWx3[slice(*rows), slice(*columns)]
    return Cut(patch, inside)
