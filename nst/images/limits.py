"""Bounds on the size of pictures, which are checked with a file's header before it is decoded."""

import logging
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from PIL import Image

from nst.errors import UserError

MEGAPIXELS = 250.0  # `config.max_megapixels` of configs/default.py
# most pixels of an edge, since decoders keep some bytes for each row; scans of films and of line cameras have
# fewer than half of that
EDGE = 1_000_000
SMALL = 2**24  # pixels; a picture with fewer takes at most about 0.4 GB while it is read
# largest ratio of a decoded picture to its file: a photograph has 5 to 100, a page of text in black and white
# about 60, and a file that is made to fill the memory 1000 and far more
EXPANSION = 300

_LOGS = ("tifffile", "PIL.TiffImagePlugin")  # loggers that write to stderr about unusual tags
_READING = threading.Lock()


def check(
    name: str | PathLike,
    width: int,
    height: int,
    max_megapixels: float,
    size: int | None = None,
    depth: float = 3,
) -> None:
    """Checks the size of a picture, which its header states, before it is decoded.

    Args:
      name: name of the picture, for error messages.
      width, height: size in pixels.
      max_megapixels: most pixels, in millions.
      size: bytes of the file; None: the picture is not in a file.
      depth: bytes of a pixel after decoding.

    Raises:
      UserError: the picture is too large, or much larger than its file can hold.
    """
    pixels = width * height
    if pixels > max_megapixels * 1e6:
        raise too_large(name, pixels, max_megapixels)
    if max(width, height) > EDGE:
        raise UserError(f"{name}: {width}x{height} px; no edge may have more than {EDGE} px: cut it in parts")
    if size is not None and pixels > SMALL and pixels * depth > size * EXPANSION:
        raise UserError(
            f"{name}: {width}x{height} px in {size} bytes: damaged, or made to fill the memory; if there is "
            "really a picture in it, save it with fewer pixels"
        )


def too_large(name: str | PathLike, pixels: int, max_megapixels: float) -> UserError:
    """Returns the error for a picture with too many pixels.

    Args:
      name: name of the picture.
      pixels: number of its pixels.
      max_megapixels: the limit, in millions of pixels.
    """
    need = math.ceil(pixels / 1e6)
    return UserError(
        f"{name}: {need} megapixels, more than max_megapixels = {max_megapixels:g}; if it is really that "
        f"large, raise the limit: --config.max_megapixels={need} (reading takes about {need / 40:.1f} GB)"
    )


@contextmanager
def decoders(max_megapixels: float) -> Iterator[None]:
    """Sets Pillow's limit of pixels and silences the decoders' warnings; one thread at a time.

    Pillow's limit is global. It also applies inside the decoders, where a frame may be larger than the
    picture.

    Args:
      max_megapixels: most pixels, in millions.
    """
    logs = [logging.getLogger(name) for name in _LOGS]
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, disabled = Image.MAX_IMAGE_PIXELS, [log.disabled for log in logs]
        Image.MAX_IMAGE_PIXELS = math.ceil(max_megapixels * 1e6)  # Pillow raises an error beyond twice that
        for log in logs:
            log.disabled = True
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            for log, before in zip(logs, disabled, strict=True):
                log.disabled = before
