"""ICC colour profiles: a test whether a profile is sRGB, and the conversion of pixels to sRGB.

A profile is sRGB if it has the primaries and the tone curves of sRGB. Its name is not trusted: many names
contain "sRGB" although the profile has another tone curve or other primaries.
"""

import io
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from nst.images.spaces import encode

# The primaries of sRGB under D50, which is the white of profiles; each column is a primary. They are taken
# from IEC 61966-2-1, adapted by the Bradford transform and rounded to 1/65536, the resolution of profiles, as
# in Little CMS.
SRGB = np.array([(28576, 25239, 9375), (14581, 46983, 3972), (912, 6361, 46787)]) / 65536
# Profiles that are sRGB differ from each other by up to 0.0004, since some are rounded to four digits; a
# profile with another primary differs by 0.01 or more
SAME_PRIMARIES = 0.0005
SAME_CURVE = 0.5 / 255  # half of an 8-bit level
_ROWS = 2**20  # values that are converted at a time, since each takes several temporary arrays

Curve = Callable[[np.ndarray], np.ndarray]  # encoded values -> linear light, both in [0, 1]


class Shaper(NamedTuple):
    """A profile that consists of tone curves and primaries (ICC.1:2022, 8.3.3 and 8.4.3)."""

    curves: tuple[Curve, ...]  # curves of R, G and B, or the curve of grey
    matrix_3x3: np.ndarray | None  # linear values -> linear sRGB; None: grey

    def convert(self, values_NxC: np.ndarray) -> np.ndarray:
        """Converts encoded values to sRGB.

        Args:
          values_NxC: values in [0, 1]; C is 3, or 1 for grey.

        Returns:
          Values of the same shape, in [0, 1].
        """
        linear = np.stack([curve(values_NxC[:, i]) for i, curve in enumerate(self.curves)], -1)
        if self.matrix_3x3 is not None:
            linear = linear @ self.matrix_3x3.T
        return np.clip(encode(np.clip(linear, 0, 1)), 0, 1)


def shaper(profile: bytes) -> Shaper | None:
    """Reads the tone curves and the primaries of a profile.

    Args:
      profile: the ICC profile.

    Returns:
      None if the profile is of another kind (it has tables, or it is for CMYK), or damaged.
    """
    try:
        tags = _tags(profile)
        if profile[20:24] != b"XYZ " or b"A2B0" in tags or b"D2B0" in tags:
            return None
        if profile[16:20] == b"GRAY":
            return Shaper((_curve(tags[b"kTRC"]),), None)
        if profile[16:20] != b"RGB ":
            return None
        matrix_3x3 = np.stack([_fixed(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], -1)
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        return Shaper(curves, np.linalg.inv(SRGB) @ matrix_3x3)
    except (struct.error, LookupError, ValueError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100)))
    return {name: profile[start : start + size] for name, start, size in entries}


def _fixed(data: bytes) -> np.ndarray:
    return np.frombuffer(data, ">i4") / 65536


def _curve(tag: bytes) -> Curve:
    """Returns the function of a `curv` or `para` tag (ICC.1:2022, 10.6 and 10.18)."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        return _parametric(kind, _fixed(tag[12 : len(tag) // 4 * 4]))
    if tag[:4] != b"curv":
        raise ValueError("not a tone curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    table = np.frombuffer(tag, ">u2", count, 12)
    if count == 0:
        return lambda x: x
    if count == 1:
        gamma = table[0] / 256
        return lambda x: x**gamma
    positions, values = np.linspace(0, 1, count), table / 65535
    return lambda x: np.interp(x, positions, values)


def _parametric(kind: int, parameters: np.ndarray) -> Curve:
    """Returns the curve Y = (a X + b)^g + e for X >= d, else c X + f; kinds 0 to 3 have fewer parameters."""
    count = (1, 3, 4, 5, 7)[kind]
    p = [float(x) for x in parameters[:count]]
    if len(p) < count:
        raise ValueError("too few parameters")
    g, a, b, c, d, e, f = {
        0: lambda: (p[0], 1, 0, 0, 0, 0, 0),
        1: lambda: (*p, 0, -p[2] / p[1], 0, 0),
        2: lambda: (*p[:3], 0, -p[2] / p[1], p[3], p[3]),
        3: lambda: (*p, 0, 0),
        4: lambda: tuple(p),
    }[kind]()
    return lambda x: np.clip(np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f), 0, 1)


def is_srgb(profile: bytes) -> bool:
    """Returns whether a profile has the primaries and the tone curves of sRGB; its name does not matter.

    Args:
      profile: the ICC profile.
    """
    found = shaper(profile)
    if found is None:
        return False
    levels = np.linspace(0, 1, 256)
    curves = [encode(np.clip(curve(levels), 0, 1)) - levels for curve in found.curves]
    matrix = np.eye(3) if found.matrix_3x3 is None else found.matrix_3x3
    return bool(np.abs(matrix - np.eye(3)).max() <= SAME_PRIMARIES and np.abs(curves).max() <= SAME_CURVE)


def convert_8bit(image: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    """Converts the pixels of a PIL image to sRGB, if the profile fits them.

    Args:
      image: image in the mode L, RGB or CMYK.
      profile: the ICC profile of the image.

    Returns:
      The converted image, or the image itself if the profile does not fit, and a note for the user.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted, f"converted from {_name(profile)} to sRGB"
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        return image, f"embedded colour profile ignored, it does not fit the pixels ({error})"


def convert(rgb_HxWx3: np.ndarray, gray: bool, profile: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Converts pixels of more than 8 bits to sRGB.

    If the profile has tables or is for inks, only the 8 upper bits remain.

    Args:
      rgb_HxWx3: float32, in [0, 1].
      gray: whether the picture is grey, so that the three channels are equal and its profile is one for grey.
      profile: the ICC profile.

    Returns:
      The pixels, float32, and notes for the user.
    """
    found = shaper(profile)
    if found is not None and (found.matrix_3x3 is None) == gray:
        channels = 1 if gray else 3
        flat_Nx3 = rgb_HxWx3.reshape(-1, 3)
        result_Nx3 = np.empty_like(flat_Nx3)
        for start in range(0, len(flat_Nx3), _ROWS):
            rows = slice(start, start + _ROWS)
            # the single channel of a grey picture is broadcast to three
            result_Nx3[rows] = found.convert(flat_Nx3[rows, :channels])
        return result_Nx3.reshape(rgb_HxWx3.shape), (f"converted from {_name(profile)} to sRGB",)
    image = Image.fromarray(np.rint(rgb_HxWx3 * 255).astype(np.uint8))
    image = image.convert("L") if gray else image
    converted, note = convert_8bit(image, profile)
    if converted is image:
        return rgb_HxWx3, (note,)
    notes = (note, "16 bits reduced to 8 by the colour conversion")
    return np.asarray(converted, np.float32) / 255, notes


def _name(profile: bytes) -> str:
    try:
        name = " ".join(ImageCms.getProfileDescription(io.BytesIO(profile)).split())
    except (ImageCms.PyCMSError, OSError):
        name = ""
    return name or "a profile without a name"
