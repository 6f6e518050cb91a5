"""TIFF files: the page that is the picture, and its values where Pillow would cut them to 8 bits."""

import itertools
import math
from os import PathLike
from typing import NamedTuple

import numpy as np
import tifffile

from nst.errors import UserError
from nst.images import limits

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RAW = ("CFA", "LINEAR_RAW")
_PAGES = 16  # pages and subpages among which the full picture of a thumbnail is looked for
# the methods that give the bytes which the header promises, and no more
_COMPRESSIONS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD")


class Tiff(NamedTuple):
    """What a TIFF file holds."""

    page: int | None  # number of the page, for Pillow; None: it is a subpage
    values: np.ndarray | None  # HxWxC or HxW; None: 8 bits or fewer, which Pillow reads
    orientation: int
    profile: bytes | None
    notes: tuple[str, ...]


def read(path: str | PathLike, max_megapixels: float, size: int) -> Tiff:
    """Finds the picture in a TIFF file, and reads its values if they have more than 8 bits.

    Args:
      path: path of the file.
      max_megapixels: most millions of pixels.
      size: bytes of the file.

    Raises:
      UserError: it is too large, or of a kind that cannot be read.
    """
    with tifffile.TiffFile(path) as file:
        number, page, notes = _picture(file)
        if page.photometric in [tifffile.PHOTOMETRIC[name] for name in _RAW]:
            raise UserError(f"{path}: a camera's raw picture; develop it, and save it as a 16-bit TIFF")
        depth = page.samplesperpixel * page.bitspersample / 8
        limits.check(path, page.imagewidth, page.imagelength, max_megapixels, size, depth)
        _check_layout(path, page)
        orientation, profile = (page.tags.valueof(code) for code in (274, 34675))
        kind = np.dtype(page.dtype)
        deep = kind == np.uint16 or np.issubdtype(kind, np.floating)
        if number is None and not deep:
            raise UserError(f"{path}: its full picture lies behind a thumbnail; save it as a plain TIFF")
        values = _values(path, page) if deep else None
        if deep and kind != np.uint16 and not profile:
            notes += ("floating values without a colour profile are taken as sRGB",)
        return Tiff(number, values, orientation, profile if deep else None, notes)


def _picture(file: tifffile.TiffFile) -> tuple[int | None, tifffile.TiffPage, tuple[str, ...]]:
    """Returns the first page; or, if that says that it is a thumbnail, the largest one that does not."""
    first = file.pages.first
    if not first.subfiletype & 1:
        return 0, first, ("several frames: the first is used",) if _has(file, 1) else ()
    pages = [(i, file.pages[i]) for i in itertools.takewhile(lambda i: _has(file, i), range(_PAGES))]
    pages += [
        (None, page) for _, parent in pages if parent.pages for page in itertools.islice(parent.pages, _PAGES)
    ]
    full = [(number, page) for number, page in pages if not page.subfiletype & 1]
    if not full:
        return 0, first, ("the file says that this is a thumbnail, and holds nothing else",)
    number, page = max(full, key=lambda pair: pair[1].imagewidth * pair[1].imagelength)
    return number, page, ("the first frame is a thumbnail: the largest other one is used",)


def _has(file: tifffile.TiffFile, index: int) -> bool:
    try:
        return bool(file.pages[index])
    except IndexError:
        return False


def _check_layout(path, page: tifffile.TiffPage) -> None:
    """Checks that tiles and channels are not much larger than the picture, and that no tile is missing."""
    tile = page.tilewidth * page.tilelength * page.tiledepth if page.is_tiled else 0
    samples, depth = page.samplesperpixel, page.imagedepth
    if samples > 8 or depth > 1 or tile > max(limits.SMALL, 4 * page.imagewidth * page.imagelength):
        what = f"{samples} channels, {depth} planes of depth, tiles of {tile} px"
        raise UserError(f"{path}: a TIFF with {what}; save it as a plain TIFF")
    if len(page.dataoffsets) < math.prod(page.chunked) or 0 in page.dataoffsets:
        raise ValueError("parts of the picture are missing")  # decoders would leave them black


def _values(path, page: tifffile.TiffPage) -> np.ndarray:
    compression = tifffile.COMPRESSION(page.compression).name
    if compression not in _COMPRESSIONS:
        raise UserError(f"{path}: 16-bit TIFF with {compression} compression; save it with LZW or ZIP")
    array = page.asarray()
    top = 65535 if array.dtype == np.uint16 else 1
    if page.bitspersample < 16:  # 9 to 15 bits, in 16
        array = np.rint(array * (65535 / (2**page.bitspersample - 1))).astype(np.uint16)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        array = top - array
    elif page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
        kind = tifffile.PHOTOMETRIC(page.photometric).name
        raise UserError(f"{path}: 16-bit {kind} TIFF; save it as RGB")
    if page.axes == "SYX":  # one plane for each channel
        array = np.moveaxis(array, 0, -1)
    if page.extrasamples:
        kind, colors = page.extrasamples[0], page.samplesperpixel - len(page.extrasamples)
        color, alpha = array[..., :colors], array[..., colors : colors + 1]
        if kind == tifffile.EXTRASAMPLE.UNSPECIFIED:
            return color
        if kind == tifffile.EXTRASAMPLE.ASSOCALPHA:  # the colours are premultiplied
            least = 1 if top > 1 else np.finfo(np.float32).tiny
            color = np.minimum(color * (top / np.maximum(alpha, least)), top)
            color = (np.rint(color) if top > 1 else color).astype(array.dtype)
        array = np.concatenate([color, alpha], axis=-1)
    return array
