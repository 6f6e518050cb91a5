"""Measures stylised pictures, of this program or another, against their photograph and painting.

nst measure --content=photo.jpg --style=painting.jpg runs/*/result.png
nst measure --content=photo.jpg --style=a.jpg,b.jpg --images=x.png,y.png --json=out.json

The same network and rules measure every picture, at the picture's own size (nst/metrics/instrument.py);
docs/measures.md explains the columns of the table. --network=vgg19_slim needs no download, but its numbers
can only be compared with each other. --network=vgg19+lpips_alex+lpips_vgg+dists adds perceptual measures. If
a picture cannot be measured, the command prints why, and measures the others; the exit status is then 1.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from nst import images
from nst.cli import options
from nst.cli.tables import markdown
from nst.errors import UserError
from nst.files import write_json
from nst.metrics import instrument
from nst.outputs import check_new
from nst.runs import settings

T = TypeVar("T")
NAMES = {"weights.name": "--network"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    add = parser.add_argument
    add("pictures", nargs="*", help="the pictures to measure")
    add("--content", default="", help="the photograph; needed")
    add("--style", action=options.Once, default="", help="the painting, or several with commas; needed")
    add("--images", action=options.Once, default="", help="more pictures to measure, with commas (none)")
    add("--network", default="vgg19", help="the network that measures; +dists adds DISTS (%(default)s)")
    add("--json", default="", help="also write all measures to this JSON file (none)")
    add("--overwrite", action="store_true", help="replace a JSON file of that name")


def table(rows: list[tuple[str, dict[str, float]]], judge: str) -> str:
    """Returns two Markdown tables: measures of whole pictures, and measures of single layers and periods.

    Args:
      rows: (path of a picture, its measures).
      judge: the name of the instrument, for the head of the first column.
    """
    parts, columns = [], list(rows[0][1])
    for names in ([name for name in columns if ("/" in name) == single] for single in (False, True)):
        lines = [[_cell(picture), *(f"{values[name]:.4g}" for name in names)] for picture, values in rows]
        parts.append(markdown((f"picture, by {_cell(judge)}", *names), lines))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    """Returns text for a cell of Markdown, in a form that no spreadsheet takes for a formula."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def succeeded(function: Callable[[str], T], paths: Sequence[str]) -> list[tuple[str, T]]:
    """Returns (path, function(path)) of each path for which there is no error; prints the errors.

    Args:
      function: may raise UserError.
      paths: paths of pictures.
    """
    found = []
    for path in paths:
        try:
            found.append((path, function(path)))
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
    return found


def warn_of_shape(path: str, photo: np.ndarray) -> None:
    """Prints a warning if a picture does not have the photograph's aspect ratio (`HxWx3`), up to rounding."""
    height, width, _ = images.read(path).rgb_HxWx3.shape
    expected = images.target_size(*photo.shape[:2], max(height, width), "long")
    if max(abs(height - expected[0]), abs(width - expected[1])) > 1:
        print(
            f"{path}: {width}x{height} px is not the photograph's shape; the photograph was stretched "
            "to it, so content, ssim and psnr mean little",
            file=sys.stderr,
        )


def write(path: str, content) -> None:
    """Writes a JSON file atomically; raises UserError if it cannot be written."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_json(Path(path), content)
    except OSError as error:
        raise UserError(f"{path}: cannot write it ({error.strerror}); use another path") from error


def run(args: argparse.Namespace) -> int:
    """Measures the pictures that the arguments name, and returns the exit status.

    Raises:
      UserError: pictures are missing from the command, or the network cannot be loaded.
    """
    paths, styles = [*settings.paths(args.images), *args.pictures], settings.paths(args.style)
    if not (args.content and styles and paths):
        raise UserError("give --content=photo.jpg --style=painting.jpg and pictures to measure")
    if args.json:
        check_new(args.json, args.overwrite)
    photo, *paintings = (images.read(path).rgb_HxWx3 for path in (args.content, *styles))
    readable = [path for path, _ in succeeded(lambda path: warn_of_shape(path, photo), paths)]
    if not readable:  # the network need not be downloaded
        return 1
    fixed = instrument.load(args.network)
    print(f"instrument: {fixed.name}", file=sys.stderr)
    rows = succeeded(lambda path: instrument.judge_files(fixed, path, photo, paintings), readable)
    if rows:
        print(table(rows, fixed.name))
    if args.json:
        measured = [{"image": path, "measures": values} for path, values in rows]
        head = {"instrument": fixed.name, "content": args.content, "style": list(styles)}
        write(args.json, head | {"images": measured})
    return int(len(rows) < len(paths))
