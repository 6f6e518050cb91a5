"""The files that come with nst: the small network and some pictures."""

from pathlib import Path

DATA = Path(__file__).parent
IMAGES = DATA / "images"


def picture(name: str) -> str:
    """Returns the path of a picture that comes with nst.

    The path is relative if the picture lies below the current folder, so that the records of a run that is
    started from the root of a checkout (config.json, digest) do not depend on where the checkout is.
    Otherwise the path is absolute.

    Args:
      name: name of the file, such as "cat.jpg"; nst/data/images/README.md lists the pictures.
    """
    path, here = IMAGES / name, Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
