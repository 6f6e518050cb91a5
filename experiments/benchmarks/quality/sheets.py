"""Pages of pictures: a pair a row, its photograph and its painting, and then results."""

from collections.abc import Sequence
from pathlib import Path

from nst.report import sheet
from nst.report.sheet import Cell

ROWS = 6  # pairs on a page


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
        sheet.draw(page, title=f"{title}, page {number} of {len(pages)}", head=head).save(written[-1])
    return written
