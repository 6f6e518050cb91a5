"""Bounds on the pictures that are read, checked from a file's header before anything is decoded."""

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
EDGE = 1_000_000  # decoders keep some bytes for each row; scans of film and lines have fewer than half of it
SMALL = 2**24  # pixels; below that, a picture takes no more than about 0.4 GB while it is read
# how many times as large as its file a picture is when it is decoded: a photograph 5 to 100 times, a page of
# text in black and white some 60; a file made to fill the memory 1000 times and far more
EXPANSION = 300

_LOGS = ("tifffile", "PIL.TiffImagePlugin")  # they write to stderr about odd tags
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
      name: name of the picture, for the message.
      width, height: pixels.
      max_megapixels: most millions of pixels.
      size: bytes of the file; None: it is not in a file.
      depth: bytes of a pixel when it is decoded.

    Raises:
      UserError: it is too large, or much larger than so few bytes can hold.
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
      pixels: how many it has.
      max_megapixels: the limit, in millions.
    """
    need = math.ceil(pixels / 1e6)
    return UserError(
        f"{name}: {need} megapixels, more than max_megapixels = {max_megapixels:g}; if it is really that "
        f"large, raise the limit: --config.max_megapixels={need} (reading takes about {need / 40:.1f} GB)"
    )


@contextmanager
def decoders(max_megapixels: float) -> Iterator[None]:
    """Lets Pillow read as many pixels, and silences the decoders' warnings; one thread at a time.

    Pillow's own limit is global. It holds inside its decoders, too, where a frame is larger than the picture.

    Args:
      max_megapixels: most millions of pixels.
    """
    logs = [logging.getLogger(name) for name in _LOGS]
    with _READING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, disabled = Image.MAX_IMAGE_PIXELS, [log.disabled for log in logs]
        Image.MAX_IMAGE_PIXELS = math.ceil(max_megapixels * 1e6)  # beyond the double of it, Pillow raises
        for log in logs:
            log.disabled = True
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            for log, before in zip(logs, disabled, strict=True):
                log.disabled = before
