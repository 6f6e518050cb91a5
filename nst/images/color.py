"""Keeping a photograph's colours: recolouring of the painting or the result, or transfer of luminance alone.

Gatys et al. 2016 (*Preserving Color in Neural Artistic Style Transfer*, arXiv 1606.05897). A painting is
recoloured before the run, a result after it. The functions use NumPy and compute in float64. Images are sRGB.
Results are float32 and may lie outside [0, 1]: the caller clips them once at the end, since clipping changes
the statistics that were matched.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from nst.errors import UserError, choose
from nst.images.spaces import SPACES, WITH_LUMINANCE, from_space, to_space

# --- matching

RIDGE = 1 / (
    12 * 255**2
)  # the variance of rounding to 8 bits, in units of white^2; a smaller variance is rounding and not colour
TIE = 1e-6  # in units of white; closer values count as equal (the chroma of greys is rounding error)


def _power(matrix_3x3: np.ndarray, exponent: float) -> np.ndarray:
    values_3, vectors_3x3 = np.linalg.eigh(matrix_3x3)
    return (vectors_3x3 * values_3**exponent) @ vectors_3x3.T


def cholesky(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """Returns A = L_T L_S^-1, where S = L_S L_S^T and T = L_T L_T^T.

    The first channel of the result depends on the first channel alone, since A is lower triangular.
    """
    return np.linalg.cholesky(target_3x3) @ np.linalg.inv(np.linalg.cholesky(source_3x3))


def pca(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """Returns A = T^1/2 S^-1/2, with symmetric roots: the "Image Analogies" transfer of Gatys et al. 2016."""
    return _power(target_3x3, 0.5) @ _power(source_3x3, -0.5)


def symmetric(source_3x3: np.ndarray, target_3x3: np.ndarray) -> np.ndarray:
    """Returns A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2, the map from S to T that moves colours least.

    A is symmetric and positive definite, and is the optimal transport between two Gaussians. Pitie & Kokaram
    2007 (*The Linear Monge-Kantorovitch Linear Colour Mapping for Example-Based Colour Transfer*); `sym` in
    leongatys/NeuralImageSynthesis.
    """
    root_3x3, inverse_3x3 = _power(source_3x3, 0.5), _power(source_3x3, -0.5)
    return inverse_3x3 @ _power(root_3x3 @ target_3x3 @ root_3x3, 0.5) @ inverse_3x3


class Colors(NamedTuple):
    """The colours of an image's pixels, in any order, and their weights."""

    rows_Mx3: np.ndarray  # in units of white
    weights_M: np.ndarray  # sum 1


def _colors(rgb_HxWx3: np.ndarray, weights_HxW: np.ndarray | None, space: str) -> Colors:
    rows_Mx3 = to_space(rgb_HxWx3, space).reshape(-1, 3) / SPACES[space].white
    weights_M = np.ones(len(rows_Mx3)) if weights_HxW is None else np.ravel(weights_HxW).astype(np.float64)
    if not weights_M.sum() > 0:
        raise UserError("color: the weights of a picture are 0 throughout; give it a mask that is not empty")
    return Colors(rows_Mx3, weights_M / weights_M.sum())


def _moments(colors: Colors) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the covariance, with RIDGE added to its diagonal."""
    mean_3 = colors.weights_M @ colors.rows_Mx3
    centred_Mx3 = colors.rows_Mx3 - mean_3
    return mean_3, (colors.weights_M * centred_Mx3.T) @ centred_Mx3 + RIDGE * np.eye(3)


def _affine(linear: Callable[[np.ndarray, np.ndarray], np.ndarray], source: Colors, target: Colors):
    (source_3, source_3x3), (target_3, target_3x3) = _moments(source), _moments(target)
    return (source.rows_Mx3 - source_3) @ linear(source_3x3, target_3x3).T + target_3


def _histogram(source: Colors, target: Colors) -> np.ndarray:
    columns = [
        _quantiles(source.rows_Mx3[:, i], source.weights_M, target.rows_Mx3[:, i], target.weights_M)
        for i in range(3)
    ]
    return np.stack(columns, -1)


def _quantiles(
    values_M: np.ndarray, weights_M: np.ndarray, target_m: np.ndarray, target_weights_m: np.ndarray
) -> np.ndarray:
    """Returns, for each value, the target's quantile at its level, interpolated linearly.

    The level of a value is the middle of its step of the distribution function.
    """
    index_M = _ties(values_M)
    steps = np.bincount(index_M, weights_M)
    levels_M = (np.cumsum(steps) - steps / 2)[index_M]
    counted = target_weights_m > 0  # a value without weight is not a quantile
    target_m, target_weights_m = target_m[counted], target_weights_m[counted]
    # equal values get equal weights; otherwise the order of their pixels would matter
    index_m = _ties(target_m)
    target_weights_m = (np.bincount(index_m, target_weights_m) / np.bincount(index_m))[index_m]
    order_m = np.argsort(target_m)
    target_levels_m = np.cumsum(target_weights_m[order_m]) - target_weights_m[order_m] / 2
    return np.interp(levels_M, target_levels_m, target_m[order_m])


def _ties(values_M: np.ndarray) -> np.ndarray:
    """Returns the rank of each value, from 0; values in the same bin of width TIE share a rank."""
    # The offset is irrational, so that no decimal constant lies on the boundary of two bins, where rounding
    # would separate equal values.
    return np.unique(np.floor(values_M / TIE + 0.5**0.5), return_inverse=True)[1]


# name -> function of (source, target) that returns the rows of the result
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
    """Recolours the source with the target's distribution of colours in `space`.

        x' = A (x - mu_S) + mu_T,   A Sigma_S A^T = Sigma_T

    Here mu and Sigma are the mean and the covariance of the pixels, and A is computed by `cholesky`, `pca` or
    `symmetric`. This is the section on colour histogram matching of Gatys et al. 2016, where the source is
    the painting and the target the photograph. `histogram` instead gives each channel the target's
    distribution, by quantiles:

        x'_i = F_Ti^-1(F_Si(x_i))

    Equal values stay equal, and the target's quantiles are interpolated linearly.

    Departs from the paper: 1/12 of a squared 8-bit step is added to the diagonals of the covariances (1e-5 in
    leongatys/NeuralImageSynthesis), so that grey and constant images work and their rounding does not become
    colour. The covariance of the result then differs from the target's by this number times I - A A^T.

    Args:
      source_HxWx3: image that is recoloured, sRGB.
      target_hxwx3: image with the colours, of any size.
      transform: name in TRANSFORMS.
      space: name in SPACES.
      source_weights_HxW: weights of the source's pixels in its statistics, >= 0; None: equal weights. All
        pixels are transformed, also those of weight 0.
      target_weights_hxw: weights of the target's pixels in its statistics, >= 0; None: equal weights.

    Returns:
      `HxWx3`, float32, not clipped.

    Raises:
      UserError: the transform or the space is unknown, or all weights are 0.
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
    """Returns the grey image of the same luminance, (L, 0, 0) in `space`.

    In yiq, the space of Gatys et al. 2016, each channel of the result is Y = 0.299 R + 0.587 G + 0.114 B of
    the encoded values.

    Args:
      rgb_HxWx3: sRGB.
      space: name in WITH_LUMINANCE.

    Returns:
      `HxWx3`, float32.

    Raises:
      UserError: `space` is not in WITH_LUMINANCE.
    """
    return _grey(_luminance(rgb_HxWx3, space), space)


def match_luminance(
    source_HxWx3: np.ndarray,
    target_hxwx3: np.ndarray,
    space: str,
    source_weights_HxW: np.ndarray | None = None,
    target_weights_hxw: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the `luminance` of the source with the mean and standard deviation of the target's luminance.

        L' = sigma_T / sigma_S (L_S - mu_S) + mu_T

    This is the section on luminance-only transfer of Gatys et al. 2016, where the source is the painting and
    the target the photograph. The same number is added to sigma^2 as in `match`, in which the transform
    `cholesky` changes the luminance in the same way.

    Args:
      source_HxWx3: image that is changed, sRGB.
      target_hxwx3: image with the luminance, of any size.
      space: name in WITH_LUMINANCE.
      source_weights_HxW: weights of the source's pixels, as for `match`.
      target_weights_hxw: weights of the target's pixels.

    Returns:
      A grey image, `HxWx3`, float32, not clipped.

    Raises:
      UserError: `space` is not in WITH_LUMINANCE, or all weights are 0.
    """
    luminance_HxW, white = _luminance(source_HxWx3, space), SPACES[space].white
    (source_3, source_3x3), (target_3, target_3x3) = (
        _moments(_colors(rgb, weights, space))
        for rgb, weights in ((source_HxWx3, source_weights_HxW), (target_hxwx3, target_weights_hxw))
    )
    ratio = np.sqrt(target_3x3[0, 0] / source_3x3[0, 0])
    return _grey(ratio * (luminance_HxW - white * source_3[0]) + white * target_3[0], space)


def with_colors_of(result_HxWx3: np.ndarray, photo_HxWx3: np.ndarray, space: str) -> np.ndarray:
    """Joins the luminance of the result with the chroma of the photograph.

        (L, a, b) = (L of the result, a and b of the photograph)

    In yiq, the space of Gatys et al. 2016, I and Q stand in place of a and b. The result may be grey, from a
    run on `luminance` alone (their section on luminance-only transfer), or coloured, in which case its
    colours are dropped (`-original_colors` of jcjohnson/neural-style).

    Args:
      result_HxWx3: finished image, sRGB.
      photo_HxWx3: the photograph, of the same size.
      space: name in WITH_LUMINANCE.

    Returns:
      `HxWx3`, float32, not clipped.

    Raises:
      UserError: `space` is not in WITH_LUMINANCE, or the images have different sizes.
    """
    if result_HxWx3.shape != photo_HxWx3.shape:
        (height, width), (rows, columns) = result_HxWx3.shape[:2], photo_HxWx3.shape[:2]
        raise UserError(
            f"color: the result has {width}x{height} px, the photograph {columns}x{rows}; resize one of them"
        )
    luminance_HxW = _luminance(result_HxWx3, space)
    chroma_HxWx2 = to_space(photo_HxWx3, space)[..., 1:]
    return from_space(np.concatenate([luminance_HxW[..., None], chroma_HxWx2], -1), space)
