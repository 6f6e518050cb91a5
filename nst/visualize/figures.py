"""Figures as PNG and SVG, and files with the numbers that they show."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nst.errors import optional
from nst.files import replacing

INK, PAPER = "#222222", "white"
# colours of lines in the order of the layers; they differ in lightness, too
CYCLE = ("#0b3c5d", "#b5442c", "#3a7d44", "#8a6fb0", "#c9992e", "#5f9ea0", "#7a4b3a", "#c06c9c")
STYLE = {
    "axes.prop_cycle": "cycler('color', ['" + "', '".join(CYCLE) + "'])",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.0,
    "svg.hashsalt": "nst",  # so that the same figure has the same bytes
}


def new(width: float, height: float):
    """Returns an empty matplotlib Figure that is not registered with pyplot.

    Args:
      width: width in inches.
      height: height in inches.

    Raises:
      UserError: matplotlib is not installed.
    """
    matplotlib = optional("matplotlib", "figures", "a figure")
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)


def axes(figure, rows: int = 1, columns: int = 1, **more) -> np.ndarray:
    """Adds axes to a figure.

    Args:
      figure: a figure from `new`.
      rows: number of rows.
      columns: number of columns.
      **more: arguments of matplotlib's subplots.

    Returns:
      An array of axes, `rows x columns`.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return figure.subplots(rows, columns, squeeze=False, **more)


def sheet(
    pictures: Sequence[Sequence[np.ndarray | None]],
    *,
    title: str,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    labels: Sequence[Sequence[str]] = (),
    edge: float = 1.4,
    pixelated: bool = False,
):
    """Draws images in rows and returns the Figure.

    Args:
      pictures: rows of images `HxWx3` or `HxW` in [0, 1]; None leaves a gap. Rows may differ in length.
      title: title that says what is shown, and which picture and network were used.
      row_labels: one for each row, left of its first image.
      column_labels: one for each column, above the first row.
      labels: one for each image, below it.
      edge: longer edge of an image in inches.
      pixelated: whether pixels are drawn as squares, for maps with few positions.
    """
    columns = max(map(len, pictures))
    shape = next(picture.shape for row in pictures for picture in row if picture is not None)
    scale = edge / max(shape[:2])
    below = 0.22 if labels else 0.06
    left = 0.25 if row_labels else 0.0
    figure = new(columns * (scale * shape[1] + 0.06) + left, len(pictures) * (scale * shape[0] + below) + 0.5)
    figure.suptitle(title, fontsize=10, color=INK)
    for y, row in enumerate(axes(figure, len(pictures), columns)):
        for x, place in enumerate(row):
            place.set_xticks([])
            place.set_yticks([])
            place.spines[:].set_visible(False)
            if x < len(pictures[y]) and pictures[y][x] is not None:
                kind = "nearest" if pixelated else "antialiased"
                picture = np.clip(pictures[y][x], 0, 1)
                place.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation=kind)
            if x == 0 and y < len(row_labels):
                place.set_ylabel(row_labels[y], fontsize=8)
            if y == 0 and x < len(column_labels):
                place.set_title(column_labels[x], fontsize=8, pad=3)
            if labels and y < len(labels) and x < len(labels[y]):
                place.set_xlabel(labels[y][x], fontsize=7, labelpad=2)
    return figure


def rows(items: Sequence, columns: int) -> list[list]:
    """Splits items into rows of `columns`; the last row may be shorter."""
    return [list(items[start : start + columns]) for start in range(0, len(items), columns)]


def save(figure, stem: Path, arrays: Mapping[str, np.ndarray]) -> list[Path]:
    """Writes stem.png, stem.svg, and the numbers as stem.npz.

    Args:
      figure: a matplotlib Figure.
      stem: path without a suffix; its folder is made.
      arrays: {name: array} for the npz file.

    Returns:
      The three paths.
    """
    import matplotlib

    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg", "npz")]
    with matplotlib.rc_context(STYLE):
        for path, options in zip(paths, ({"dpi": 200}, {"metadata": {"Date": None}}), strict=False):
            with replacing(path) as file:
                figure.savefig(file, format=path.suffix[1:], **options)
    with replacing(paths[2]) as file:
        np.savez_compressed(file, **arrays)
    return paths


def table(path: Path, *rows: Sequence) -> Path:
    """Writes a CSV file and returns its path.

    Args:
      path: path of the file; its folder is made.
      *rows: the rows; the first holds the names of the columns.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(rows)
    with replacing(path) as file:
        file.write(lines.getvalue().encode())
    return path
