"""TIFF files: the page that is the picture, and its values if Pillow would cut them to 8 bits."""

import io
import itertools
import math
import struct
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from nst.errors import UserError, optional
from nst.images import limits

_RAW = ("CFA", "LINEAR_RAW")
_PAGES = 16  # pages and subpages that are searched for the full picture of a thumbnail
# the methods that return as many bytes as the header states, and no more
_COMPRESSIONS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD")


class Tiff(NamedTuple):
    """The picture in a TIFF file."""

    page: int | None  # number of the page, for Pillow; None: the picture is on a subpage
    values: np.ndarray | None  # HxWxC or HxW; None: Pillow reads the values, which have 8 bits or fewer
    orientation: int
    profile: bytes | None
    notes: tuple[str, ...]


def read(path: str | PathLike, max_megapixels: float, size: int) -> Tiff:
    """Finds the picture in a TIFF file, and reads its values if they have more than 8 bits.

    Args:
      path: path of the file.
      max_megapixels: most pixels, in millions.
      size: bytes of the file.

    Raises:
      UserError: the picture is too large, or of a kind that cannot be read.
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
    """Returns the first page or, if it is marked as a thumbnail, the largest page that is not."""
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
    """Checks the number of channels and the size of tiles, and that no tile is missing."""
    tile = page.tilewidth * page.tilelength * page.tiledepth if page.is_tiled else 0
    samples, depth = page.samplesperpixel, page.imagedepth
    if not 0 < samples <= 8 or depth > 1 or tile > max(limits.SMALL, 4 * page.imagewidth * page.imagelength):
        what = f"{samples} channels, {depth} planes of depth, tiles of {tile} px"
        raise UserError(f"{path}: a TIFF with {what}; save it as a plain TIFF")
    if len(page.dataoffsets) < math.prod(page.chunked) or 0 in page.dataoffsets:
        raise ValueError("parts of the picture are missing")  # decoders would leave them black


def _values(path, page: tifffile.TiffPage) -> np.ndarray:
    compression = tifffile.COMPRESSION(page.compression).name
    if compression not in _COMPRESSIONS:
        raise UserError(f"{path}: 16-bit TIFF with {compression} compression; save it with LZW or ZIP")
    if page.bitspersample % 8:
        what = f"{path}: a TIFF of {page.bitspersample} bits"
        optional("imagecodecs", "images", what, "save it with 16 bits")
        array = page.asarray()
    else:
        array = _samples(page)
    top = 65535 if array.dtype == np.uint16 else 1
    if page.bitspersample < 16:  # 9 to 15 bits, which are scaled to 16
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


def _samples(page: tifffile.TiffPage) -> np.ndarray:
    """Returns the same array as `page.asarray()`, for which tifffile would need the package imagecodecs.

    Here libtiff, which comes with Pillow, decodes the page as a grey picture of 8 bits whose pixels are the
    bytes of the samples.
    """
    planes, _, height, width, samples = page.shaped
    kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    across = page.tilewidth if page.is_tiled else width
    wide = -(-width // across) * across  # the width of whole tiles
    step = samples * kind.itemsize  # bytes of a pixel
    tags = {256: [wide * step], 257: [height], 258: [8], 259: [page.compression], 262: [1]}
    tags |= {266: [page.fillorder], 277: [1]}
    tags |= {322: [across * step], 323: [page.tilelength]} if page.is_tiled else {278: [page.rowsperstrip]}
    places = (324, 325) if page.is_tiled else (273, 279)
    page.parent.filehandle.seek(0)
    file, count = io.BytesIO(page.parent.filehandle.read()), math.prod(page.chunked) // planes
    end = file.seek(0, io.SEEK_END)
    values = np.empty((planes, height, width, samples), kind.newbyteorder("="))
    for plane in range(planes):
        part = slice(plane * count, (plane + 1) * count)
        own = dict(zip(places, (page.dataoffsets[part], page.databytecounts[part]), strict=True))
        _put_tags(file, end + end % 2, tags | own)
        parts = np.asarray(TiffImagePlugin.TiffImageFile(file)).reshape(height, -1, across * step)
        found = _without_predictor(parts, page.predictor, kind, samples)
        values[plane] = found.reshape(height, wide, samples)[:, :width]
    return values.reshape(page.shape)


def _put_tags(file: io.BytesIO, end: int, tags: dict[int, Sequence[int]]) -> None:
    """Writes tags for a single page to the end of a TIFF file, and makes its header point to them."""
    entries, lists = b"", b""
    begin = end + 2 + 12 * len(tags) + 4  # start of the lists of numbers, which follow the tags
    for code, numbers in sorted(tags.items()):
        place = begin + len(lists) if len(numbers) > 1 else numbers[0]
        entries += struct.pack("<2H2I", code, 4, len(numbers), place)
        lists += struct.pack(f"<{len(numbers)}I", *numbers) if len(numbers) > 1 else b""
    file.seek(end)
    file.write(struct.pack("<H", len(tags)) + entries + bytes(4) + lists)
    file.seek(0)
    file.write(b"II*\0" + struct.pack("<I", end))
    file.seek(0)


def _without_predictor(parts: np.ndarray, predictor: int, kind: np.dtype, samples: int) -> np.ndarray:
    """Returns the values in rows of tiles, which may be stored as differences from the pixels to their left.

    Args:
      parts: rows x tiles x bytes.
      predictor: what the bytes are. 1: the values; 2: differences of the values; 3: differences of bytes,
        where the first bytes of all values precede the second bytes (Adobe, TIFF Technical Note 3).
      kind: dtype of the values in the file.
      samples: number of values of a pixel.
    """
    if predictor == 3:
        rows, tiles, size = parts.shape
        summed = np.cumsum(parts.reshape(rows, tiles, -1, samples), axis=2, dtype=np.uint8)
        planes = summed.reshape(rows, tiles, kind.itemsize, -1)
        return np.ascontiguousarray(planes.swapaxes(2, 3)).view(kind.newbyteorder(">"))
    if predictor == 2:
        whole = np.dtype(f"u{kind.itemsize}")
        values = parts.view(whole.newbyteorder(kind.byteorder)).reshape(*parts.shape[:2], -1, samples)
        return np.cumsum(values, axis=2, dtype=whole).view(kind.newbyteorder("="))
    return parts.view(kind)
