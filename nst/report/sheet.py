"""A contact sheet: pictures in rows and columns, with a label under each."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from nst import images
from nst.errors import UserError

CELL = 256  # longest edge of a picture, in pixels
_GAP, _LINE = 6, 18  # pixels between pictures, and height of a line of text


class Cell(NamedTuple):
    """A picture and the label under it."""

    path: Path | None  # None: there is no picture
    label: str


def draw(
    rows: Sequence[Sequence[Cell | None]], *, title: str = "", head: Sequence[str] = (), edge: int = CELL
) -> Image.Image:
    """Draws a contact sheet.

    Args:
      rows: rows of cells, one for each column; None leaves the place empty. Rows may be shorter than the
        first.
      title: text above the sheet.
      head: the names of the columns.
      edge: longest edge of a picture, in pixels.
    """
    font, step = ImageFont.load_default(13), edge + _GAP
    pictures = [[cell and _picture(cell.path, edge) for cell in row] for row in rows]
    heights = [max(picture.height for picture in row if picture) + _LINE + _GAP for row in pictures]
    lines = [line for line in ([title], head) if any(line)]
    size = _GAP + step * len(rows[0]), _GAP + _LINE * len(lines) + sum(heights)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        for column, name in enumerate(line):
            pen.text((_GAP + column * step, 2 + _LINE * number), name, "black", font)
    top = _GAP + _LINE * len(lines)
    for row, line, height in zip(rows, pictures, heights, strict=True):
        for column, (cell, picture) in enumerate(zip(row, line, strict=True)):
            if cell is None:
                continue
            left = _GAP + column * step
            sheet.paste(picture, (left, top))
            pen.text((left, top + picture.height), _shortened(cell.label, font, edge), "black", font)
        top += height
    return sheet


def _shortened(label: str, font, width: int) -> str:
    """Returns a label, or the beginning of one that is too long for its picture."""
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(f"{label}...") > width:
        label = label[:-1]
    return f"{label}..."


def _picture(path: Path | None, edge: int) -> Image.Image:
    """Returns a picture on white, no larger than `edge`; a grey area if there is none."""
    try:
        if path is None:
            raise UserError("there is none")
        rgb_HxWx3, alpha_HxW, _ = images.read(path)
    except UserError:
        return Image.new("RGB", (edge, edge // 2), "lightgrey")
    if alpha_HxW is not None:
        rgb_HxWx3 = 1 + (rgb_HxWx3 - 1) * alpha_HxW[..., None]
    picture = Image.fromarray(np.rint(rgb_HxWx3 * 255).astype(np.uint8))
    return ImageOps.contain(picture, (edge, edge), Image.Resampling.LANCZOS)
