"""JPEG files: their scans, and files whose end is missing."""

import io
import re
from os import PathLike

import numpy as np
from PIL import Image

from nst.errors import UserError

# most scans of a picture; encoders write about ten, and tools that search for the best order of scans some
# thirty at most
SCANS = 100
_SCANNED = 5e9  # pixels times scans that take about 6 s; a picture of any size may have 20 scans
_END = b"\xff\xd9"
# within the data of a scan, FF is followed by 00 or by a restart marker (D0 to D7), or pads another FF
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def check_scans(name: str | PathLike, data: bytes, pixels: int) -> None:
    """Checks that a JPEG does not have so many scans that decoding it would take very long.

    A scan of a few bytes may go through all pixels, and thousands of such scans fit into a small file.

    Args:
      name: name of the file, for error messages.
      data: bytes of the file.
      pixels: number of pixels of the picture.

    Raises:
      UserError: there are too many scans.
    """
    most = int(max(20, min(SCANS, _SCANNED // pixels)))
    position, scans = 2, 0
    while match := _MARKER.search(data, position):
        code, position = match[0][1], match.end()
        if code == 0xD9:
            break
        if code not in (0x01, 0xD8):  # these two markers have no length
            position += int.from_bytes(data[position : position + 2])
        scans += code == 0xDA
        if scans > most:
            raise UserError(f"{name}: a JPEG with more than {most} scans, made to be slow; save it again")


def complete(data: bytes) -> Image.Image | None:
    """Decodes a JPEG whose end marker is missing, if nothing else is missing.

    If all pixels are there, bytes that are put in the place of the end do not change them.

    Args:
      data: bytes of the file.

    Returns:
      The picture, loaded; None if pixels are missing.
    """
    data = data.removesuffix(_END[:1])
    # the decoder itself continues missing data with zeros; the other bytes differ from them in the first bit
    pictures = [Image.open(io.BytesIO(data + bits + _END), formats=["JPEG"]) for bits in (b"", b"\xaa" * 64)]
    return pictures[0] if np.array_equal(*map(np.asarray, pictures)) else None
