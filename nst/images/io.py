"""Pictures: files <-> float32 arrays. RGB in sRGB, values in [0, 1], height x width x channels.

`read` (nst/images/decode.py) undoes whatever a file may hide; here pictures are resized and written.
"""

import io
import os
import struct
import zlib
from functools import cache
from pathlib import Path

import imagecodecs
import jax.image
import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from nst.errors import UserError, choose
from nst.files import replacing
from nst.images.decode import Picture, read

__all__ = [
    "FILTERS", "FORMATS", "SIZE_MODES", "SUFFIXES", "Picture", "check_format", "read", "resize",
    "resize_picture", "target_size", "write",
]  # fmt: skip

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
