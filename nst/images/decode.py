"""Reading pictures from files, PIL images and arrays.

Every picture becomes a float32 array in sRGB: EXIF orientation is applied, and embedded ICC profiles,
palettes, CMYK and 16-bit values are converted. The alpha channel is kept separately.
"""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from nst.errors import UserError

Source = str | os.PathLike | Image.Image | np.ndarray  # what `read` takes

# the errors that decoders raise for a damaged file; those of imagecodecs are RuntimeErrors
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, RuntimeError),
    *(struct.error, zlib.error),
)


class Picture(NamedTuple):
    """A picture that has been read."""

    rgb_HxWx3: np.ndarray  # float32, sRGB, [0, 1]
    alpha_HxW: np.ndarray | None  # float32, [0, 1]; None: opaque
    notes: tuple[str, ...] = ()  # conversions that the user should know about


def read(source: Source) -> Picture:
    """Reads a picture from a path, a PIL image or an array.

    Args:
      source: a path; a PIL image; or an array `HxW`, `HxWx1`, `HxWx3` or `HxWx4`, uint8, uint16 or
        floating in [0, 1].

    Raises:
      UserError: a file that is missing, empty, truncated, not an image or a decompression bomb, values
        out of range, or something that is no source.
    """
    if isinstance(source, Image.Image):
        return _from_pillow(source, "image")
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    if not hasattr(source, "__array__"):  # which arrays of other libraries have, too
        raise UserError(f"{type(source).__name__}: not a picture; give a path, a PIL image or an array")
    return _from_array(np.asarray(source), "array")


def _read_file(path: Path) -> Picture:
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file; give the path of a picture")
        if path.is_dir():
            raise UserError(f"{path}: is a folder; give the path of a picture in it")
        if path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty (0 bytes); fetch or export it again")
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of sizes between one and two times its limit, beyond which it
            # raises
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return _decode_16bit(image, path) if _is_16bit(image) else _from_pillow(image, path)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: too many pixels, perhaps a decompression bomb ({error})") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: not an image in a known format (JPEG, PNG, WebP, TIFF, ...)") from error
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it") from error
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"{path}: truncated or damaged image ({error}); export it again") from error


def _is_16bit(image: Image.Image) -> bool:
    """Returns whether Pillow would cut 16 bits to 8, or (in a grey TIFF) mistake white for black."""
    if image.format == "PNG":
        return bool(image.tile) and ";16B" in str(image.tile[0].args) and image.mode != "I;16"
    return image.format == "TIFF" and set(image.tag_v2.get(258, ())) == {16}  # BitsPerSample


def _decode_16bit(image: Image.Image, path: Path) -> Picture:
    if image.format == "PNG":
        array = imagecodecs.png_decode(path.read_bytes())
    else:
        array = _decode_tiff(path)
    # tag 0x0112 is the orientation; some cameras write one outside 1..8, which has no meaning
    array = _ORIENT.get(image.getexif().get(0x0112), _ORIENT[1])(array)
    gray = array.ndim == 2 or array.shape[-1] < 3
    picture = _from_array(array, path)._replace(notes=_frames(image))
    return _convert_16bit(picture, gray, image.info.get("icc_profile"))


def _decode_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        array = page.asarray()
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            array = ~array
        elif page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
            raise UserError(f"{path}: 16-bit {page.photometric.name} TIFF; save it as RGB")
        if page.axes == "SYX":  # one plane for each channel
            array = np.moveaxis(array, 0, -1)
        if page.extrasamples:
            kind, colors = page.extrasamples[0], page.samplesperpixel - len(page.extrasamples)
            color, alpha = array[..., :colors], array[..., colors : colors + 1]
            if kind == tifffile.EXTRASAMPLE.UNSPECIFIED:
                return color
            if kind == tifffile.EXTRASAMPLE.ASSOCALPHA:  # the colours are premultiplied
                color = np.rint(np.minimum(color * (65535 / np.maximum(alpha, 1)), 65535)).astype(array.dtype)
            array = np.concatenate([color, alpha], axis=-1)
    return array


def _convert_16bit(picture: Picture, gray: bool, profile: bytes | None) -> Picture:
    if not profile or _is_srgb(profile):
        return picture
    image = Image.fromarray(np.rint(picture.rgb_HxWx3 * 255).astype(np.uint8))
    image = image.convert("L") if gray else image
    converted, note = _to_srgb(image, profile)
    if converted is image:
        return picture._replace(notes=(*picture.notes, note))
    # Pillow converts colours in 8 bits; the log says so, since the low byte is lost
    notes = (*picture.notes, note, "16 bits reduced to 8 by the colour conversion")
    return picture._replace(rgb_HxWx3=np.asarray(converted, np.float32) / 255, notes=notes)


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
    frames = getattr(image, "n_frames", 1)
    return (f"{frames} frames: the first is used",) if frames > 1 else ()


def _from_pillow(image: Image.Image, name) -> Picture:
    notes = list(_frames(image))
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        array = np.asarray(image)
        if array.min() < 0 or array.max() > 65535:
            raise UserError(f"{name}: 32-bit integers beyond 0..65535; save it with 16 bits")
        picture = _from_array(array.astype(np.uint16), name)._replace(notes=tuple(notes))
        return _convert_16bit(picture, True, profile)
    if image.mode == "F":
        return _from_array(np.asarray(image), name)._replace(notes=tuple(notes))
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
    if profile and not _is_srgb(profile):
        image, note = _to_srgb(image, profile)
        notes.append(note)
    rgb = np.asarray(image.convert("RGB"), np.float32) / 255
    return Picture(rgb, alpha, tuple(notes))


def _is_srgb(profile: bytes) -> bool:
    try:
        name = ImageCms.getProfileDescription(io.BytesIO(profile)).lower()
        return "srgb" in name and "linear" not in name  # "linear sRGB" shares only the primaries
    except (ImageCms.PyCMSError, OSError):
        return False


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    """Converts pixels from an embedded profile to sRGB, if it fits them; returns them with a note."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted, f"converted from {name} to sRGB"
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        return image, f"embedded colour profile ignored, it does not fit the pixels ({error})"


def _from_array(array: np.ndarray, name) -> Picture:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 2, 3, 4) or 0 in array.shape:
        raise UserError(f"{name}: shape {array.shape} is not a picture; give HxW, HxWx3 or HxWx4")
    if array.dtype in (np.uint8, np.uint16):
        array = array.astype(np.float32) / np.iinfo(array.dtype).max
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
