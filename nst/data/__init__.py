"""What comes with nst: the small network and some pictures, wherever nst is installed."""

from pathlib import Path

DATA = Path(__file__).parent
IMAGES = DATA / "images"


def picture(name: str) -> str:
    """Returns the path of a picture that comes with nst.

    The path is relative if the picture lies below the current folder, so that a run that is started from the
    root of a checkout is recorded alike (config.json, digest) wherever the checkout is. Else it is absolute.

    Args:
      name: such as "cat.jpg"; nst/data/images/README.md lists the pictures.
    """
    path, here = IMAGES / name, Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
