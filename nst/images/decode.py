"""Reading pictures from files, PIL images and arrays.

Every picture becomes a float32 array in sRGB: EXIF orientation is applied, and embedded ICC profiles,
palettes, CMYK and 16-bit values are converted. The alpha channel is kept separately.
"""

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nst.errors import UserError, optional
from nst.images import jpeg, jpegxl, limits, png, profiles

Source = str | os.PathLike | Image.Image | np.ndarray  # the types that `read` accepts

# The formats that Pillow may open. Other formats start programs (EPS), or look different in every program
# (PSD). HEIC is added if its decoder is installed, and JPEG XL is read without Pillow.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")

_BYTES = {"1": 1 / 8, "I": 4, "F": 4}  # mode of Pillow -> bytes of a channel; one byte in all other modes
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the first bytes of TIFF files


class Picture(NamedTuple):
    """A picture that has been read."""

    rgb_HxWx3: np.ndarray  # float32, sRGB, [0, 1]
    alpha_HxW: np.ndarray | None  # float32, [0, 1]; None: opaque
    notes: tuple[str, ...] = ()  # conversions that the user should know about


def read(source: Source, max_megapixels: float = limits.MEGAPIXELS) -> Picture:
    """Reads a picture from a path, a PIL image or an array.

    Pixels of alpha 0 get the mean colour of the visible pixels, since files hold arbitrary colours for pixels
    that are not visible.

    Args:
      source: a path; a PIL image; or an array `HxW`, `HxWx1`, `HxWx3` or `HxWx4`, uint8, uint16 or
        floating in [0, 1].
      max_megapixels: most pixels, in millions, that a file or a PIL image may have.

    Raises:
      UserError: the file is missing, empty, truncated, too large or not a picture; values are out of range;
        no pixel is visible; or `source` has another type.
    """
    if isinstance(source, Image.Image):
        with _errors("image", max_megapixels):
            limits.check("image", *source.size, max_megapixels)
            return _without_hidden(_from_pillow(source, "image", _frames(source)), "image")
    if isinstance(source, str | os.PathLike):
        with _errors(source, max_megapixels):
            size = _check_file(source)
            return _without_hidden(_decode(Path(source), max_megapixels, size), source)
    if not hasattr(source, "__array__"):  # arrays of other libraries have it, too
        raise UserError(f"{type(source).__name__}: not a picture; give a path, a PIL image or an array")
    return _without_hidden(_from_array(np.asarray(source), "array"), "array")


def _without_hidden(picture: Picture, name) -> Picture:
    rgb_HxWx3, alpha_HxW, _ = picture
    if alpha_HxW is None:
        return picture
    total = alpha_HxW.sum(dtype=np.float64)
    if not total > 0:
        raise UserError(f"{name}: every pixel is transparent; give a picture with something to see")
    mean_3 = np.einsum("hw,hwc->c", alpha_HxW, rgb_HxWx3, dtype=np.float64) / total
    rgb_HxWx3 = np.where(alpha_HxW[..., None] > 0, rgb_HxWx3, mean_3.astype(np.float32))
    return picture._replace(rgb_HxWx3=rgb_HxWx3)


@contextmanager
def _errors(name: str | os.PathLike, max_megapixels: float) -> Iterator[None]:
    """Turns the errors of decoders into a UserError of one line."""
    try:
        with limits.decoders(max_megapixels):
            yield
    except Image.DecompressionBombError as error:
        # raised if a frame has too many pixels, or the picture more than twice the limit
        pixels = int(re.findall(r"\d+", str(error))[0])
        raise limits.too_large(name, pixels, max_megapixels) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name}: not an image in a known format; save it as one of these: {', '.join(FORMATS)}"
        ) from error
    except PermissionError as error:
        raise UserError(f"{name}: no permission to read it") from error
    except MemoryError as error:
        raise UserError(f"{name}: not enough memory to read it; save it with fewer pixels") from error
    except UserError:
        raise
    except Exception as error:  # decoders raise errors of all kinds for damaged files
        told = isinstance(error, OSError | ValueError | RuntimeError | SyntaxError)
        reason = " ".join(str(error).split()) if told else type(error).__name__
        raise UserError(f"{name}: truncated or damaged image ({reason}); export it again") from error


def _check_file(source: str | os.PathLike) -> int:
    """Returns the number of bytes of a file; raises UserError if `source` cannot be the path of a picture."""
    path = Path(source)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(source)):  # one letter is a drive; Path turns // into /
        raise UserError(f"{source}: pictures are not fetched from URLs; download it and give the file's path")
    if not path.exists():
        raise UserError(f"{path}: no such file; give the path of a picture")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the path of a picture in it")
    if not path.is_file():
        raise UserError(f"{path}: is not a file, but a device or a pipe; give the path of a picture")
    if str(source).endswith(("/", os.sep)):
        raise UserError(f"{source}: is a file, not a folder; leave out the slash at the end: {path}")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes); fetch or export it again")
    return path.stat().st_size


def _decode(path: Path, max_megapixels: float, size: int) -> Picture:
    """Reads a file, after its header has been checked."""
    with path.open("rb") as file:
        head = file.read(64)
    if jpegxl.is_jpegxl(head):
        return _decode_jpegxl(path, max_megapixels, size)
    found = None
    if head.startswith(_TIFF):
        from nst.images import tiff  # imported here, since importing tifffile takes time

        found = tiff.read(path, max_megapixels, size)
    if found and found.values is not None:
        return _from_values(found.values, found.orientation, found.profile, found.notes, path)
    with Image.open(path, formats=_formats(path, head)) as image:
        depth = len(image.getbands()) * _BYTES.get(image.mode, 1) * (2 if _is_16bit_png(image) else 1)
        limits.check(path, *image.size, max_megapixels, size, depth)
        if found:
            image.seek(found.page)
            return _from_pillow(image, path, found.notes)
        if _is_16bit_png(image):
            return _decode_16bit_png(image, path)
        if image.format in ("JPEG", "MPO"):
            return _decode_jpeg(image, path)
        # a transparent grey level, which Pillow returns in the units of the file
        key = image.info.get("transparency")
        if image.format == "PNG" and image.mode == "L" and isinstance(key, int):
            image.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(str(image.tile[0].args), 1)
        return _from_pillow(image, path, _frames(image))


def _decode_jpegxl(path: Path, max_megapixels: float, size: int) -> Picture:
    data = path.read_bytes()
    limits.check(path, *jpegxl.measure(data), max_megapixels, size)
    imagecodecs = optional("imagecodecs", "images", f"{path}: a JPEG XL", "save it as PNG or JPEG")
    picture = _from_array(imagecodecs.jpegxl_decode(data), path)
    return picture._replace(notes=("JPEG XL: the colours are taken as sRGB",))


def _decode_jpeg(image: Image.Image, path: Path) -> Picture:
    data, notes = path.read_bytes(), _frames(image)
    jpeg.check_scans(path, data, image.width * image.height)
    try:
        image.load()
    except OSError:
        image = jpeg.complete(data)
        if image is None:
            raise
        notes += ("the end of the file is missing, but no pixels are",)
    return _from_pillow(image, path, notes)


def _formats(path: Path, head: bytes) -> tuple[str, ...]:
    if head[4:8] != b"ftyp" or not re.search(b"hei[cxms]|hev[cx]", head[8:]):  # the brands of HEIC
        return FORMATS
    optional("pillow_heif", "heic", f"{path}: a HEIC", "save it as JPEG or PNG").register_heif_opener()
    return (*FORMATS, "HEIF")


def _is_16bit_png(image: Image.Image) -> bool:
    """Returns whether an image is a PNG of 16 bits, which Pillow would cut to 8."""
    return image.format == "PNG" and bool(image.tile) and ";16B" in str(image.tile[0].args)


def _decode_16bit_png(image: Image.Image, path: Path) -> Picture:
    data = path.read_bytes()
    if data[12:24] != b"IHDR" + struct.pack(">2I", *image.size):
        raise ValueError("it has two headers")
    orientation, profile = image.getexif().get(0x0112), image.info.get("icc_profile")
    return _from_values(png.decode(data), orientation, profile, _frames(image), path)


def _from_values(
    array: np.ndarray, orientation: int | None, profile: bytes | None, notes: tuple[str, ...], path: Path
) -> Picture:
    """Returns the picture that an array of more than 8 bits holds."""
    # some cameras write an orientation outside 1..8, which has no meaning
    array = _ORIENT.get(orientation, _ORIENT[1])(array)
    gray = array.ndim == 2 or array.shape[-1] < 3
    return _converted(_from_array(array, path)._replace(notes=notes), gray, profile)


def _converted(picture: Picture, gray: bool, profile: bytes | None) -> Picture:
    if not profile or profiles.is_srgb(profile):
        return picture
    rgb_HxWx3, notes = profiles.convert(picture.rgb_HxWx3, gray, profile)
    return picture._replace(rgb_HxWx3=rgb_HxWx3, notes=(*picture.notes, *notes))


# EXIF orientation -> the operation that makes the stored array upright
_ORIENT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def _frames(image: Image.Image) -> tuple[str, ...]:
    # counting the frames would mean going through the file
    return ("several frames: the first is used",) if getattr(image, "is_animated", False) else ()


def _from_pillow(image: Image.Image, name, notes: tuple[str, ...]) -> Picture:
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        array = np.asarray(image)
        if array.min() < 0 or array.max() > 65535:
            raise UserError(f"{name}: 32-bit integers beyond 0..65535; save it with 16 bits")
        return _converted(_from_array(array.astype(np.uint16), name)._replace(notes=notes), True, profile)
    if image.mode == "F":
        return _from_array(np.asarray(image), name)._replace(notes=notes)
    alpha = None
    if image.has_transparency_data:
        mode = "L" if image.mode in ("L", "LA") else "RGB"  # a grey profile fits grey pixels only
        image = image.convert("RGBA")
        alpha_8bit = image.getchannel("A")
        if alpha_8bit.getextrema() != (255, 255):
            alpha = np.asarray(alpha_8bit, np.float32) / 255
        image = image.convert(mode)
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    if profile and not profiles.is_srgb(profile):
        image, note = profiles.convert_8bit(image, profile)
        notes += (note,)
    image = image if image.mode == "RGB" else image.convert("RGB")  # `convert` would copy an RGB image
    rgb = np.array(image, np.float32)
    rgb /= 255
    return Picture(rgb, alpha, notes)


def _from_array(array: np.ndarray, name) -> Picture:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 2, 3, 4) or 0 in array.shape:
        raise UserError(f"{name}: shape {array.shape} is not a picture; give HxW, HxWx3 or HxWx4")
    if array.dtype in (np.uint8, np.uint16):
        top = np.iinfo(array.dtype).max
        array = array.astype(np.float32)
        array /= top
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise UserError(f"{name}: floating values must lie in [0, 1]; scale or clip them first")
    else:
        raise UserError(f"{name}: {array.dtype} values; give uint8, uint16 or floats in [0, 1]")
    color, alpha = array, None
    if array.shape[-1] in (2, 4):
        color, alpha = array[..., :-1], array[..., -1]
        alpha = None if (alpha == 1).all() else np.ascontiguousarray(alpha)
    rgb = np.ascontiguousarray(np.broadcast_to(color, (*array.shape[:2], 3)))
    return Picture(rgb, alpha)
