"""Pages of pictures: a pair a row, its photograph and its painting, and then results."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL, GAP, LINE = 256, 6, 18  # pixels: longest edge of a picture, space between cells, height of a label
ROWS = 6  # pairs on a page


class Cell(NamedTuple):
    """A picture and the label under it."""

    path: Path | None  # None: there is none
    label: str


def write(path: Path, title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Path]:
    """Writes pages of six rows as PNG files.

    Args:
      path: of the pages, without the number and the suffix.
      title: over each page.
      head: the names of the columns.
      rows: a cell for each column.

    Returns:
      The paths of the pages: `path`_1.png and so on.
    """
    pages = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for number, page in enumerate(pages, 1):
        written.append(path.with_name(f"{path.name}_{number}.png"))
        _page(f"{title}, page {number} of {len(pages)}", head, page).save(written[-1])
    return written


def _page(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    font, step = ImageFont.load_default(13), CELL + GAP
    pictures = [[_picture(cell.path) for cell in row] for row in rows]
    heights = [max(picture.height for picture in row) + LINE + GAP for row in pictures]
    page = Image.new("RGB", (GAP + step * len(head), GAP + 2 * LINE + sum(heights)), "white")
    draw = ImageDraw.Draw(page)
    draw.text((GAP, 2), title, "black", font)
    for column, name in enumerate(head):
        draw.text((GAP + column * step, 2 + LINE), name, "black", font)
    top = GAP + 2 * LINE
    for row, line, height in zip(rows, pictures, heights, strict=True):
        for column, (cell, picture) in enumerate(zip(row, line, strict=True)):
            page.paste(picture, (GAP + column * step, top))
            draw.text((GAP + column * step, top + picture.height), cell.label, "black", font)
        top += height
    return page


def _picture(path: Path | None) -> Image.Image:
    if path is None or not path.exists():
        return Image.new("RGB", (CELL, CELL // 2), "lightgrey")
    with Image.open(path) as opened:
        return ImageOps.contain(opened.convert("RGB"), (CELL, CELL), Image.Resampling.LANCZOS)
