"""Keeping a photograph's colours: by recolouring the painting before, the result after, or luminance alone.

Gatys et al. 2016 (*Preserving Color in Neural Artistic Style Transfer*, arXiv 1606.05897). In NumPy, float64
inside. Pictures are sRGB; what comes out of here is float32 and may lie outside [0, 1]: it is for the caller
to clip, once, at the end, since clipping moves the statistics that were matched.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from nst.errors import UserError, choose

# --- spaces

# Luminance, orange to blue, purple to green (NTSC 1953), of encoded values; the rows of I and Q sum to 0
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


def _times(matrix_3x3: np.ndarray, x_HxWx3: np.ndarray) -> np.ndarray:
    return x_HxWx3 @ matrix_3x3.T


def linearize(encoded: np.ndarray) -> np.ndarray:
    """sRGB-encoded values to linear light (IEC 61966-2-1); odd, so that it is defined outside [0, 1] too."""
    size = np.abs(encoded)
    return np.sign(encoded) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)


def encode(linear: np.ndarray) -> np.ndarray:
    """The inverse of `linearize`."""
    size = np.abs(linear)
    # not the standard's 0.0031308, a rounding of this that leaves values without an inverse
    dark = size <= 0.04045 / 12.92
    return np.sign(linear) * np.where(dark, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)


_DELTA = 6 / 29


def _to_lab(rgb_HxWx3: np.ndarray) -> np.ndarray:
    t = _times(XYZ, linearize(rgb_HxWx3)) / XYZ.sum(1)
    f = np.where(t > _DELTA**3, np.cbrt(t), t / (3 * _DELTA**2) + 4 / 29)
    return _times(LAB, f) - (16, 0, 0)


def _from_lab(lab_HxWx3: np.ndarray) -> np.ndarray:
    f = _times(np.linalg.inv(LAB), lab_HxWx3 + (16, 0, 0))
    t = np.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29))
    return encode(_times(np.linalg.inv(XYZ), t * XYZ.sum(1)))


def _to_oklab(rgb_HxWx3: np.ndarray) -> np.ndarray:
    return _times(OKLAB, np.cbrt(_times(LMS, linearize(rgb_HxWx3))))


def _from_oklab(lab_HxWx3: np.ndarray) -> np.ndarray:
    return encode(_times(np.linalg.inv(LMS), _times(np.linalg.inv(OKLAB), lab_HxWx3) ** 3))


class Space(NamedTuple):
    """Three coordinates of a colour; the first is the luminance, but for srgb."""

    to: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    white: float  # the first coordinate of white, which is the unit of all three


SPACES = {
    "srgb": Space(lambda x: x, lambda x: x, 1.0),
    "yiq": Space(partial(_times, YIQ), partial(_times, np.linalg.inv(YIQ)), 1.0),
    "lab": Space(_to_lab, _from_lab, 100.0),
    "oklab": Space(_to_oklab, _from_oklab, 1.0),
}
WITH_LUMINANCE = ("yiq", "lab", "oklab")


def to_space(rgb_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """The coordinates of a picture's colours in one of SPACES, `HxWx3`, float64.

    srgb: the encoded values themselves. yiq: YIQ, linear in them; Y in [0, 1]. lab: CIE 1976 with white D65,

        L = 116 f(Y/Yn) - 16,  a = 500 (f(X/Xn) - f(Y/Yn)),  b = 200 (f(Y/Yn) - f(Z/Zn)),  L in [0, 100],

    f(t) = cbrt t above (6/29)^3, a line below. oklab: M2 cbrt(M1 rgb) of linear light (Ottosson 2020), L in
    [0, 1]. Defined for every number, not only in [0, 1].

    Raises:
      UserError: not one of SPACES.
    """
    choose("color.space", space, SPACES)
    return SPACES[space].to(np.asarray(rgb_HxWx3, np.float64))


def from_space(coordinates_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """The inverse of `to_space`: a float32 picture, outside [0, 1] where sRGB cannot show the colour.

    Raises:
      UserError: not one of SPACES.
    """
    choose("color.space", space, SPACES)
    return SPACES[space].back(np.asarray(coordinates_HxWx3, np.float64)).astype(np.float32)


# --- matching

RIDGE = 1 / (12 * 255**2)  # variance of the rounding to 8 bits, times white^2: less than that is no colour
TIE = 1e-6  # of white: less than that is no order (the chroma of greys is rounding error)


def _power(matrix_3x3: np.ndarray, exponent: float) -> np.ndarray:
    values_3, vectors_3x3 = np.linalg.eigh(matrix_3x3)
    return (vectors_3x3 * values_3**exponent) @ vectors_3x3.T


def cholesky(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """A = L_T L_S^-1 with S = L_S L_S^T, T = L_T L_T^T: the first channel comes from the first alone, ..."""
    return np.linalg.cholesky(target_3x3) @ np.linalg.inv(np.linalg.cholesky(source_3x3))


def pca(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """A = T^1/2 S^-1/2, symmetric roots by eigenvalues: the "Image Analogies" transfer of the paper."""
    return _power(target_3x3, 0.5) @ _power(source_3x3, -0.5)


def symmetric(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2: of all maps of S to T the one that moves colours least.

    Symmetric and positive: the optimal transport between Gaussians. Pitie & Kokaram 2007 (*The Linear
    Monge-Kantorovitch Linear Colour Mapping for Example-Based Colour Transfer*); `sym` in
    leongatys/NeuralImageSynthesis.
    """
    root_3x3, inverse_3x3 = _power(source_3x3, 0.5), _power(source_3x3, -0.5)
    return inverse_3x3 @ _power(root_3x3 @ target_3x3 @ root_3x3, 0.5) @ inverse_3x3


class Colors(NamedTuple):
    """The colours of a picture, without their places, and how much each counts."""

    rows_Mx3: np.ndarray
    shares_M: np.ndarray  # sum 1


def _colors(rgb_HxWx3: np.ndarray, weights_HxW: np.ndarray | None, space: str) -> Colors:
    rows_Mx3 = to_space(rgb_HxWx3, space).reshape(-1, 3) / SPACES[space].white
    weights_M = np.ones(len(rows_Mx3)) if weights_HxW is None else np.ravel(weights_HxW).astype(np.float64)
    if not weights_M.sum() > 0:
        raise UserError("color: the weights of a picture are 0 throughout; give it a mask that is not empty")
    return Colors(rows_Mx3, weights_M / weights_M.sum())


def _moments(colors: Colors) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance, with the ridge."""
    mean_3 = colors.shares_M @ colors.rows_Mx3
    centred_Mx3 = colors.rows_Mx3 - mean_3
    return mean_3, (colors.shares_M * centred_Mx3.T) @ centred_Mx3 + RIDGE * np.eye(3)


def _affine(linear: Callable[[np.ndarray, np.ndarray], np.ndarray], source: Colors, target: Colors):
    (source_3, source_3x3), (target_3, target_3x3) = _moments(source), _moments(target)
    return (source.rows_Mx3 - source_3) @ linear(source_3x3, target_3x3).T + target_3


def _histogram(source: Colors, target: Colors) -> np.ndarray:
    columns = [
        _quantiles(source.rows_Mx3[:, i], source.shares_M, target.rows_Mx3[:, i], target.shares_M)
        for i in range(3)
    ]
    return np.stack(columns, -1)


def _quantiles(
    values_M: np.ndarray, shares_M: np.ndarray, target_m: np.ndarray, target_shares_m: np.ndarray
) -> np.ndarray:
    """The target's quantile at the middle of each value's step of the distribution function, interpolated."""
    index_M = _ties(values_M)
    steps = np.bincount(index_M, shares_M)
    levels_M = (np.cumsum(steps) - steps / 2)[index_M]
    counted = target_shares_m > 0  # a value that does not count is no quantile
    target_m, target_shares_m = target_m[counted], target_shares_m[counted]
    # equal values count alike, or the order of their pixels would matter
    index_m = _ties(target_m)
    target_shares_m = (np.bincount(index_m, target_shares_m) / np.bincount(index_m))[index_m]
    order_m = np.argsort(target_m)
    target_levels_m = np.cumsum(target_shares_m[order_m]) - target_shares_m[order_m] / 2
    return np.interp(levels_M, target_levels_m, target_m[order_m])


def _ties(values_M: np.ndarray) -> np.ndarray:
    """The rank of each value, from 0, those within TIE of one another sharing theirs."""
    # an irrational offset, lest rounding errors part values that decimal constants put on a boundary
    return np.unique(np.floor(values_M / TIE + 0.5**0.5), return_inverse=True)[1]


# name -> function of (source, target), giving the rows of the result
TRANSFORMS = {
    "cholesky": partial(_affine, cholesky),
    "pca": partial(_affine, pca),
    "symmetric": partial(_affine, symmetric),
    "histogram": _histogram,
}


def match(
    source_HxWx3: np.ndarray,
    target_hxwx3: np.ndarray,
    transform: str,
    space: str,
    source_weights_HxW: np.ndarray | None = None,
    target_weights_hxw: np.ndarray | None = None,
) -> np.ndarray:
    """The source with the target's distribution of colours in `space`, `HxWx3` float32, not clipped.

        x' = A (x - mu_S) + mu_T,   A Sigma_S A^T = Sigma_T

    with mu, Sigma the mean and the covariance of the pixels and A of `cholesky`, `pca` or `symmetric`; the
    paper's section on colour histogram matching, where the source is the painting and the target the
    photograph. `histogram` in place of that gives each channel the target's distribution, by quantiles:

        x'_i = F_Ti^-1(F_Si(x_i)),   equal values staying equal, the target's interpolated linearly.

    The pictures may differ in size. Weights (none negative) say how much each pixel counts in its picture's
    statistics; all are transformed. Departs from the paper: 1/12 of a squared 8-bit step is added to the
    diagonals of the covariances (1e-5 in leongatys/NeuralImageSynthesis), so that grey and constant pictures
    work and their rounding is not made colour. The result's covariance is off by that times I - A A^T.

    Raises:
      UserError: not one of TRANSFORMS or SPACES; weights that are 0 throughout.
    """
    choose("color.transform", transform, TRANSFORMS)
    source, target = (
        _colors(rgb, weights, space)
        for rgb, weights in ((source_HxWx3, source_weights_HxW), (target_hxwx3, target_weights_hxw))
    )
    rows_Mx3 = TRANSFORMS[transform](source, target)
    return from_space(rows_Mx3.reshape(source_HxWx3.shape) * SPACES[space].white, space)


# --- luminance


def _luminance(rgb_HxWx3: np.ndarray, space: str) -> np.ndarray:
    choose("color.space", space, WITH_LUMINANCE)
    return to_space(rgb_HxWx3, space)[..., 0]


def _grey(luminance_HxW: np.ndarray, space: str) -> np.ndarray:
    none = np.zeros_like(luminance_HxW)
    return from_space(np.stack([luminance_HxW, none, none], -1), space)


def luminance(rgb_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """The grey picture of the same luminance, (L, 0, 0) in `space`, `HxWx3` float32.

    In yiq, the paper's, each of its channels is Y = 0.299 R + 0.587 G + 0.114 B of the encoded values.

    Raises:
      UserError: not one of WITH_LUMINANCE.
    """
    return _grey(_luminance(rgb_HxWx3, space), space)


def match_luminance(
    source_HxWx3: np.ndarray,
    target_hxwx3: np.ndarray,
    space: str,
    source_weights_HxW: np.ndarray | None = None,
    target_weights_hxw: np.ndarray | None = None,
) -> np.ndarray:
    """`luminance` of the source with the mean and standard deviation of the target's, not clipped.

        L' = sigma_T / sigma_S (L_S - mu_S) + mu_T

    The paper's section on luminance-only transfer: of the painting, before its style is taken, to the
    photograph. Of any two sizes; weights, and what is added to sigma^2, as in `match`, whose `cholesky` does
    the same to the luminance.

    Raises:
      UserError: not one of WITH_LUMINANCE; weights that are 0 throughout.
    """
    luminance_HxW, white = _luminance(source_HxWx3, space), SPACES[space].white
    (source_3, source_3x3), (target_3, target_3x3) = (
        _moments(_colors(rgb, weights, space))
        for rgb, weights in ((source_HxWx3, source_weights_HxW), (target_hxwx3, target_weights_hxw))
    )
    ratio = np.sqrt(target_3x3[0, 0] / source_3x3[0, 0])
    return _grey(ratio * (luminance_HxW - white * source_3[0]) + white * target_3[0], space)


def with_colors_of(result_HxWx3: np.ndarray, photo_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """The luminance of the result with the chroma of the photograph, `HxWx3` float32, not clipped.

        (L, a, b) = (L of the result, a and b of the photograph);   I and Q in yiq, the paper's

    The result may be grey, of a run on `luminance` alone (the paper's section on luminance-only transfer), or
    coloured, whose colours are dropped (`-original_colors` of jcjohnson/neural-style).

    Raises:
      UserError: not one of WITH_LUMINANCE; pictures of two sizes.
    """
    if result_HxWx3.shape != photo_HxWx3.shape:
        (height, width), (rows, columns) = result_HxWx3.shape[:2], photo_HxWx3.shape[:2]
        raise UserError(
            f"color: the result has {width}x{height} px, the photograph {columns}x{rows}; resize one of them"
        )
    luminance_HxW = _luminance(result_HxWx3, space)
    chroma_HxWx2 = to_space(photo_HxWx3, space)[..., 1:]
    return from_space(np.concatenate([luminance_HxW[..., None], chroma_HxWx2], -1), space)
