"""Colour spaces: sRGB, YIQ, CIE Lab and Oklab.

The functions take NumPy arrays and JAX arrays, and compute in the dtype of their argument.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.errors import choose

Array = np.ndarray | jax.Array

# Encoded values -> Y (luminance), I (orange to blue), Q (purple to green), NTSC 1953; the rows of I and Q
# sum to 0
YIQ = np.array([(0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
# Linear sRGB -> CIE XYZ, from the chromaticities of IEC 61966-2-1 with the white (0.3127, 0.3290), D65
XYZ = np.array(
    [
        (0.412390799266, 0.357584339384, 0.180480788402),
        (0.212639005872, 0.715168678768, 0.072192315361),
        (0.019330818716, 0.119194779795, 0.950532152250),
    ]
)
# Ottosson 2020 (*A perceptual color space for image processing*): linear sRGB -> cone responses, and the
# cube roots of these -> L, a, b
LMS = np.array(
    [
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ]
)
OKLAB = np.array(
    [
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    ]
)
# f(X / Xn), f(Y / Yn), f(Z / Zn) -> L + 16, a, b
LAB = np.array([(0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0)])


def _module(x: Array) -> ModuleType:
    return jnp if isinstance(x, jax.Array) else np


def _times(matrix_3x3: np.ndarray, x_HxWx3: Array) -> Array:
    """Returns the product of the matrix with the colour of each pixel."""
    if isinstance(x_HxWx3, jax.Array):
        return numerics.einsum("ij,hwj->hwi", jnp.asarray(matrix_3x3, x_HxWx3.dtype), x_HxWx3)
    return x_HxWx3 @ matrix_3x3.T


def linearize(encoded: Array) -> Array:
    """Converts sRGB-encoded values to linear light (IEC 61966-2-1).

    The function is odd, so that it is also defined outside [0, 1].
    """
    xp = _module(encoded)
    size = xp.abs(encoded)
    return xp.sign(encoded) * xp.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)


def encode(linear: Array) -> Array:
    """Converts linear light to sRGB-encoded values: the inverse of `linearize`."""
    xp = _module(linear)
    size = xp.abs(linear)
    # the standard has 0.0031308, which is this number rounded; with it, some values would have no inverse
    dark = size <= 0.04045 / 12.92
    return xp.sign(linear) * xp.where(dark, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)


_DELTA = 6 / 29


def srgb_to_lab(rgb_HxWx3: np.ndarray) -> np.ndarray:
    """Converts sRGB to CIE Lab (1976) with white D65."""
    t = _times(XYZ, linearize(rgb_HxWx3)) / XYZ.sum(1)
    f = np.where(t > _DELTA**3, np.cbrt(t), t / (3 * _DELTA**2) + 4 / 29)
    return _times(LAB, f) - (16, 0, 0)


def lab_to_srgb(lab_HxWx3: np.ndarray) -> np.ndarray:
    """Converts CIE Lab to sRGB."""
    f = _times(np.linalg.inv(LAB), lab_HxWx3 + (16, 0, 0))
    t = np.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29))
    return encode(_times(np.linalg.inv(XYZ), t * XYZ.sum(1)))


def linear_to_oklab(linear_HxWx3: Array) -> Array:
    """Converts linear sRGB to Oklab: Lab = M2 cbrt(M1 rgb) (Ottosson 2020)."""
    return _times(OKLAB, _module(linear_HxWx3).cbrt(_times(LMS, linear_HxWx3)))


def srgb_to_oklab(rgb_HxWx3: Array) -> Array:
    """Converts sRGB to Oklab: L (0 black, 1 white), a (green to red), b (blue to yellow).

    Args:
      rgb_HxWx3: encoded values, black 0 and white 1.
    """
    return linear_to_oklab(linearize(rgb_HxWx3))


def oklab_to_srgb(lab_HxWx3: np.ndarray) -> np.ndarray:
    """Converts Oklab to sRGB."""
    return encode(_times(np.linalg.inv(LMS), _times(np.linalg.inv(OKLAB), lab_HxWx3) ** 3))


class Space(NamedTuple):
    """A colour space of three coordinates; the first is the luminance, except in srgb."""

    to: Callable[[np.ndarray], np.ndarray]  # from sRGB
    back: Callable[[np.ndarray], np.ndarray]  # to sRGB
    white: float  # the first coordinate of white, which is the unit of all three


SPACES = {
    "srgb": Space(lambda x: x, lambda x: x, 1.0),
    "yiq": Space(partial(_times, YIQ), partial(_times, np.linalg.inv(YIQ)), 1.0),
    "lab": Space(srgb_to_lab, lab_to_srgb, 100.0),
    "oklab": Space(srgb_to_oklab, oklab_to_srgb, 1.0),
}
WITH_LUMINANCE = ("yiq", "lab", "oklab")


def to_space(rgb_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """Converts the colours of an image to a colour space.

    srgb: the encoded values themselves. yiq: YIQ, which is linear in the encoded values; Y in [0, 1]. lab:
    CIE 1976 with white D65,

        L = 116 f(Y/Yn) - 16,  a = 500 (f(X/Xn) - f(Y/Yn)),  b = 200 (f(Y/Yn) - f(Z/Zn)),  L in [0, 100],

    where f(t) is cbrt t above (6/29)^3 and linear below. oklab: M2 cbrt(M1 rgb) of linear light (Ottosson
    2020), L in [0, 1].

    Args:
      rgb_HxWx3: sRGB; values may lie outside [0, 1].
      space: name in SPACES.

    Returns:
      The coordinates, `HxWx3`, float64.

    Raises:
      UserError: `space` is not in SPACES.
    """
    choose("color.space", space, SPACES)
    return SPACES[space].to(np.asarray(rgb_HxWx3, np.float64))


def from_space(coordinates_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """Converts coordinates in a colour space to sRGB: the inverse of `to_space`.

    Args:
      coordinates_HxWx3: from `to_space`.
      space: name in SPACES.

    Returns:
      sRGB, float32; values lie outside [0, 1] where sRGB cannot represent the colour.

    Raises:
      UserError: `space` is not in SPACES.
    """
    choose("color.space", space, SPACES)
    return SPACES[space].back(np.asarray(coordinates_HxWx3, np.float64)).astype(np.float32)
