"""Neural style transfer: paints a photograph in the style of a painting.

  nst photo.jpg painting.jpg                 makes photo_painting.png beside the photograph
  nst photo.jpg painting.jpg -o out.png --size=1024 --style-weight=2 --keep-colors
  nst photos/ painting.jpg                   every photograph of a folder
  nst 'holiday/*.jpg' paintings/ -o out/     every photograph in the style of every painting

Ctrl-C stops, and the same command continues. VGG-19 (80 MB) is downloaded when it is first used.
"""

import argparse

from nst.cli import plain

NAMES = plain.NAMES
USAGE = "nst PHOTO PAINTING [-o OUTPUT] [options] [--config=NAME] [--config.FIELD=VALUE ...]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the words and options of this command to a parser."""
    parser.usage = USAGE
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PHOTO PAINTING",
        help="a file for each, or a folder or a glob in quotes for several",
    )
    plain.add(parser)
    files = parser.add_argument_group("the files")
    files.add_argument(
        "-o", "--output", metavar="OUTPUT",
        help="the result: a .png, .jpg, .webp or .tiff file, or a folder/ for several",
    )  # fmt: skip
    files.add_argument("--overwrite", action="store_true", help="replace another picture of that name")
    files.add_argument(
        "--keep", action="store_true",
        help="keep the run folder, PHOTO_PAINTING.nst/: for nst animate, or more --steps with --overwrite",
    )  # fmt: skip
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print the settings and the progress of each run"
    )


def run(args: argparse.Namespace) -> int:
    """Makes the pictures that the arguments describe; returns the exit status."""
    from nst.cli import gallery  # imported here, since it imports JAX

    return gallery.run(args)
