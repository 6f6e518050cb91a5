"""Pictures: files <-> float32 arrays. RGB in sRGB, values in [0, 1], height x width x channels.

Everything a file may hide is undone on reading: EXIF orientation, an embedded ICC profile, palettes,
CMYK, 16 bits; alpha is kept aside and given back on writing.
"""

import io
import os
import struct
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import jax.image
import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from nst.errors import UserError, choose
from nst.files import replacing

_PILLOW_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
# Pillow's filters widen when they shrink (antialiasing); bilinear_aliased always reads two pixels an axis,
# as torch's interpolate and the resizers behind several published runs do
FILTERS = (*_PILLOW_FILTERS, "bilinear_aliased")
SIZE_MODES = ("long", "short", "area")
FORMATS = {"png": (8, 16), "tiff": (8, 16), "jpeg": (8,), "webp": (8,)}  # name -> bits a channel
SUFFIXES = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}

# what decoders raise at a damaged file; imagecodecs' own errors are RuntimeErrors
_BROKEN = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, RuntimeError),
    *(struct.error, zlib.error),
)


class Picture(NamedTuple):
    """A picture as the program sees it."""

    rgb_HxWx3: np.ndarray  # float32, sRGB, [0, 1]
    alpha_HxW: np.ndarray | None  # float32, [0, 1]; None: opaque
    notes: tuple[str, ...] = ()  # what had to be done to it that a user may want to know


def read(source) -> Picture:
    """Reads a picture from a path, a PIL image or an array.

    Args:
      source: a path; a PIL image; or an array `HxW`, `HxWx1`, `HxWx3` or `HxWx4`, uint8, uint16 or
        floating in [0, 1].

    Raises:
      UserError: missing, empty, truncated, not an image, a decompression bomb, or values out of range.
    """
    if isinstance(source, Image.Image):
        return _from_pillow(source, "image")
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
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
            # of odd metadata, and of a size between one and two times Pillow's limit (beyond, it raises)
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
    """Whether Pillow would cut 16 bits a channel to 8, or (grey TIFF) mistake white for black."""
    if image.format == "PNG":
        return bool(image.tile) and ";16B" in str(image.tile[0].args) and image.mode != "I;16"
    return image.format == "TIFF" and set(image.tag_v2.get(258, ())) == {16}


def _decode_16bit(image: Image.Image, path: Path) -> Picture:
    if image.format == "PNG":
        array = imagecodecs.png_decode(path.read_bytes())
    else:
        array = _decode_tiff(path)
    # an orientation outside 1..8 is nonsense that some cameras write
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
        if page.axes == "SYX":
            array = np.moveaxis(array, 0, -1)
        if page.extrasamples:
            kind, colors = page.extrasamples[0], page.samplesperpixel - len(page.extrasamples)
            color, alpha = array[..., :colors], array[..., colors : colors + 1]
            if kind == tifffile.EXTRASAMPLE.UNSPECIFIED:
                return color
            if kind == tifffile.EXTRASAMPLE.ASSOCALPHA:  # colours were multiplied by it
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
    # lcms through Pillow works on 8 bits; said in the log, since it costs the low byte
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
    """Converts pixels from an embedded profile to sRGB; a profile that does not fit is ignored and said."""
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


def target_size(height: int, width: int, size: int, mode: str) -> tuple[int, int]:
    """(height, width) in pixels after scaling, aspect kept.

    Args:
      height, width: of the original.
      size: pixels; 0 leaves the original size.
      mode: "long" or "short": that edge becomes `size`; "area": height * width is about size^2.
    """
    choose("size_mode", mode, SIZE_MODES)
    if size < 0:
        raise UserError(f"size = {size}: give a number of pixels, or 0 for the picture's own size")
    if size == 0:
        return height, width
    reference = {"long": max, "short": min, "area": lambda h, w: (h * w) ** 0.5}[mode](height, width)
    return max(1, round(height * size / reference)), max(1, round(width * size / reference))


def resize(array: np.ndarray, height: int, width: int, filter: str) -> np.ndarray:
    """Resamples `HxWxC` or `HxW` float32 to (height, width) pixels with a filter of FILTERS.

    In float32 throughout, on the encoded sRGB values as every rival does; overshoot is clipped to [0, 1].
    """
    choose("resize_filter", filter, FILTERS)
    if array.shape[:2] == (height, width):
        return array
    if filter == "bilinear_aliased":
        shape = (height, width, *array.shape[2:])
        resized = np.asarray(jax.image.resize(array, shape, "linear", antialias=False))
    else:
        channels = array[..., None] if array.ndim == 2 else array
        resized = np.stack(
            [
                np.asarray(Image.fromarray(plane).resize((width, height), _PILLOW_FILTERS[filter]))
                for plane in np.ascontiguousarray(np.moveaxis(channels, -1, 0))
            ],
            axis=-1,
        ).reshape(height, width, *array.shape[2:])
    return np.clip(resized, 0, 1)


def resize_picture(picture: Picture, height: int, width: int, filter: str) -> Picture:
    """`resize` of the colours and of the alpha channel."""
    alpha = picture.alpha_HxW
    alpha = None if alpha is None else resize(alpha, height, width, filter)
    return picture._replace(rgb_HxWx3=resize(picture.rgb_HxWx3, height, width, filter), alpha_HxW=alpha)


@cache
def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the time of its making: same run, same bytes
    return bytes(profile)


def check_format(name: str, bits: int) -> None:
    """Raises UserError unless FORMATS can hold `bits` a channel in format `name`."""
    choose("output.format", name, FORMATS)
    if bits not in FORMATS[name]:
        able = ", ".join(key for key, depths in FORMATS.items() if bits in depths)
        raise UserError(
            f"output.bits = {bits}: {name} holds {FORMATS[name]}; formats for it: {able or 'none'}"
        )


def write(
    path: str | os.PathLike,
    rgb_HxWx3: np.ndarray,
    alpha_HxW: np.ndarray | None = None,
    *,
    bits: int = 8,
    description: str = "",
) -> None:
    """Writes an sRGB-tagged PNG, TIFF, JPEG (quality 95, 4:4:4) or WebP, by suffix, whole or not at all.

    Args:
      path: where; the suffix names the format.
      rgb_HxWx3: floating; clipped to [0, 1].
      alpha_HxW: floating, or None. JPEG cannot hold it and leaves it out.
      bits: 8, or 16 for PNG and TIFF.
      description: put into the file's metadata.
    """
    suffix = Path(path).suffix.lower()
    format = SUFFIXES[choose(f"{path}: suffix", suffix, SUFFIXES)]
    check_format(format, bits)
    planes = [np.asarray(rgb_HxWx3)]
    if alpha_HxW is not None and format != "jpeg":
        planes.append(np.asarray(alpha_HxW)[..., None])
    scale, dtype = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    array = np.rint(np.clip(np.concatenate(planes, axis=-1), 0, 1) * scale).astype(dtype)
    data = _ENCODERS[format](array, description)
    with replacing(path) as file:
        file.write(data)


def _encode_png(array: np.ndarray, description: str) -> bytes:
    if array.dtype == np.uint8:
        info = PngInfo()
        info.add_text("Description", description)
        return _encode_pillow(array, "PNG", pnginfo=info)
    data = imagecodecs.png_encode(array)  # Pillow has no 16-bit colour
    chunks = {
        b"iCCP": b"sRGB\0\0" + zlib.compress(_srgb_profile()),
        b"iTXt": b"Description\0\0\0\0\0" + description.encode(),
    }
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return data[:33] + extra + data[33:]  # after the signature (8 bytes) and IHDR (25)


def _encode_tiff(array: np.ndarray, description: str) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        array,
        photometric="rgb",
        extrasamples=["unassalpha"] if array.shape[-1] == 4 else None,
        compression="zlib",
        description=description.encode(),  # as bytes, or it must be ASCII
        iccprofile=_srgb_profile(),
        software="nst",
        metadata=None,
    )
    return buffer.getvalue()


def _encode_lossy(format: str):
    def encode(array: np.ndarray, description: str) -> bytes:
        exif = Image.Exif()
        exif[0x010E] = description.encode()  # ImageDescription; Pillow would make "?" of what is not ASCII
        options = {"subsampling": 0} if format == "JPEG" else {"method": 4}
        return _encode_pillow(array, format, quality=95, exif=exif, **options)

    return encode


def _encode_pillow(array: np.ndarray, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format, icc_profile=_srgb_profile(), **options)
    return buffer.getvalue()


_ENCODERS = {
    "png": _encode_png,
    "tiff": _encode_tiff,
    "jpeg": _encode_lossy("JPEG"),
    "webp": _encode_lossy("WEBP"),
}
