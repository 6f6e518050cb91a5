"""Writing images as files."""

import io
import os
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from nst.errors import UserError, choose
from nst.files import replacing
from nst.images import limits, png

FORMATS = {"png": (8, 16), "tiff": (8, 16), "jpeg": (8,), "webp": (8,)}  # name -> bits per channel
SUFFIXES = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_PILLOW = ("PNG", "TIFF", "JPEG", "WEBP")  # Pillow's names of these formats
_IMAGE_DESCRIPTION = 0x010E  # the tag in Exif and TIFF
_STRIP = 2**18  # bytes of a strip of a TIFF before it is compressed


@cache
def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # no creation time, so that the same run gives the same bytes
    return bytes(profile)


def check_format(name: str, bits: int) -> None:
    """Checks that a file format supports a bit depth.

    Args:
      name: format, a name in FORMATS.
      bits: bits of each channel.

    Raises:
      UserError: the format does not support it, or there is no such format.
    """
    choose("output.format", name, FORMATS)
    if bits not in FORMATS[name]:
        able = ", ".join(key for key, depths in FORMATS.items() if bits in depths)
        raise UserError(
            f"output.bits = {bits}: {name} has {FORMATS[name]}; formats with {bits} bits: {able or 'none'}"
        )


def write(
    path: str | os.PathLike,
    rgb_HxWx3: np.ndarray,
    alpha_HxW: np.ndarray | None = None,
    *,
    bits: int = 8,
    description: str = "",
) -> None:
    """Writes a PNG, TIFF, JPEG (quality 95, 4:4:4) or WebP file, tagged as sRGB, atomically.

    Args:
      path: path of the file; its suffix, which must be in SUFFIXES, names the format.
      rgb_HxWx3: sRGB, floating; it is clipped to [0, 1].
      alpha_HxW: floating, in [0, 1]; None: opaque. JPEG has no alpha, so the picture is put on white.
      bits: 8, or 16 for PNG and TIFF.
      description: text for the file's metadata.

    Raises:
      UserError: the suffix is unknown, or the format does not support the bit depth.
    """
    suffix = Path(path).suffix.lower()
    format = SUFFIXES[choose(f"{path}: suffix", suffix, SUFFIXES)]
    data = encode(format, rgb_HxWx3, alpha_HxW, bits=bits, description=description)
    with replacing(path) as file:
        file.write(data)


def encode(
    format: str,
    rgb_HxWx3: np.ndarray,
    alpha_HxW: np.ndarray | None = None,
    *,
    bits: int = 8,
    description: str = "",
) -> bytes:
    """Returns the bytes of a file that holds an image.

    Args:
      format: a name in FORMATS.
      rgb_HxWx3, alpha_HxW, bits, description: as for `write`.

    Raises:
      UserError: the format does not support the bit depth.
    """
    check_format(format, bits)
    planes = [np.asarray(rgb_HxWx3)]
    if alpha_HxW is not None:
        alpha_HxWx1 = np.asarray(alpha_HxW)[..., None]
        if format == "jpeg":
            planes = [np.clip(planes[0], 0, 1) * alpha_HxWx1 + (1 - alpha_HxWx1)]
        else:
            planes.append(alpha_HxWx1)
    scale, dtype = (255, np.uint8) if bits == 8 else (65535, np.uint16)
    array = np.rint(np.clip(np.concatenate(planes, axis=-1), 0, 1) * scale).astype(dtype)
    return _ENCODERS[format](array, description)


def read_description(path: str | os.PathLike) -> str:
    """Returns the description that `write` gave to a file; "" if the file has none or is not a picture.

    Args:
      path: path of the file.
    """
    if not os.path.isfile(path):  # a pipe would be waited for
        return ""
    try:
        # the metadata precede the pixels, which are not decoded
        with limits.decoders(limits.MEGAPIXELS), Image.open(path, formats=(*_PILLOW, "GIF")) as image:
            if "Description" in image.info:
                return str(image.info["Description"])
            if image.format == "GIF":  # a film
                return image.info.get("comment", b"").decode()
            # Pillow decodes the bytes as Latin-1
            return image.getexif().get(_IMAGE_DESCRIPTION, "").encode("latin-1").decode()
    except Exception:  # decoders raise errors of all kinds for files that are not pictures
        return ""


def _encode_png(array: np.ndarray, description: str) -> bytes:
    if array.dtype == np.uint8:
        info = PngInfo()
        info.add_text("Description", description)
        return _encode_pillow(array, "PNG", pnginfo=info)
    profile = b"sRGB\0\0" + zlib.compress(_srgb_profile())
    return png.encode(array, {b"iCCP": profile, b"iTXt": b"Description\0\0\0\0\0" + description.encode()})


def _encode_tiff(array: np.ndarray, description: str) -> bytes:
    import tifffile  # imported here, since importing it takes time

    buffer, rows = io.BytesIO(), max(1, _STRIP // array[0].nbytes)
    strips = (zlib.compress(array[row : row + rows].tobytes()) for row in range(0, len(array), rows))
    tifffile.imwrite(
        buffer,
        strips,  # compressed here, since tifffile's bytes depend on other packages
        shape=array.shape,
        dtype=array.dtype,
        rowsperstrip=rows,
        photometric="rgb",
        extrasamples=["unassalpha"] if array.shape[-1] == 4 else None,
        compression="adobe_deflate",
        description=description.encode(),  # as bytes, since text would have to be ASCII
        iccprofile=_srgb_profile(),
        software="nst",
        metadata=None,
    )
    return buffer.getvalue()


def _encode_lossy(format: str):
    def encode(array: np.ndarray, description: str) -> bytes:
        exif = Image.Exif()
        exif[_IMAGE_DESCRIPTION] = description.encode()  # as bytes, since Pillow keeps only ASCII of a text
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
