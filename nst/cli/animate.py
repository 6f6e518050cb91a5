"""Makes a film of a run from its previews, the smaller sizes first: GIF, WebP or MP4.

nst animate photo_painting.nst                  makes photo_painting.gif beside the folder
nst animate runs/first -o film.mp4 --seconds=6

A run writes a preview every log.preview_every steps, so a smooth film needs a run with, for example,
--config.log.preview_every=5. `nst photo.jpg painting.jpg` keeps its run folder if --keep is given.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from nst.cli import options
from nst.cli.process import say
from nst.cli.tables import counted
from nst.errors import UserError
from nst.outputs import check_new


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    parser.add_argument("run", metavar="FOLDER", help="the run folder")
    parser.add_argument("-o", "--output", metavar="FILE", help="film.gif, .webp or .mp4 (FOLDER.gif)")
    parser.add_argument(
        "--seconds", type=options.positive, default=8.0, help="seconds before the last picture (%(default)g)"
    )
    parser.add_argument(
        "--hold", type=options.positive, default=2.0, help="seconds of the last picture (%(default)g)"
    )
    parser.add_argument("--width", type=options.count, default=0, help="width in pixels (as the result)")
    parser.add_argument("--overwrite", action="store_true", help="replace a file of that name")


def run(args: argparse.Namespace) -> int:
    """Writes the film that the arguments describe; returns the exit status."""
    from nst.report import film

    folder = Path(args.run)
    paths, output = list(frames(folder)), Path(args.output) if args.output else beside(folder)
    check_new(output, args.overwrite)
    count = film.write(output, paths, args.seconds, args.hold, args.width)
    say(f"{output}: {counted(count, 'picture')}, {args.seconds + args.hold:g} s")
    return 0


def beside(folder: Path) -> Path:
    """Returns the path of a run's film if the command does not name one: NAME.gif for NAME or NAME.nst.

    Args:
      folder: the run folder.
    """
    if folder.name in ("", ".."):
        folder = folder.resolve()
    return folder.with_name(f"{folder.name.removesuffix('.nst')}.gif")


def frames(folder: Path) -> Iterator[Path]:
    """Yields the previews of a run in the order in which they were made, and the result.

    Args:
      folder: the run folder.

    Raises:
      UserError: the folder holds no previews.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a run, such as runs/first")
    smaller = [path for path in folder.glob("size_*") if path.name[5:].isdecimal()]
    found = [
        path
        for level in (*sorted(smaller, key=lambda path: int(path.name[5:])), folder)
        for path in sorted((level / "previews").glob("step_*.jpg"))
    ]
    if not found:
        raise UserError(f"{folder}: no previews; run it with --config.log.preview_every=5 for a film")
    yield from found
    yield from sorted(path for path in folder.glob("result.*") if path.suffix != ".json")[:1]
