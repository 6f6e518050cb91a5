"""Regularisers: terms of the loss that depend on the image's pixels, and some also on the photograph's.

A config chooses one kind of total variation, and any number of the other regularisers. `wraps`, as in
`Network.wraps`, says along which axes the first pixel and the last are neighbours.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.errors import TooSmall

Wraps = tuple[bool, bool]  # whether the last row continues at the first, and the same for columns
_OPEN: Wraps = (False, False)


def _pad(x: jax.Array, wraps: Wraps) -> jax.Array:
    """Pads axes 1 and 2 by one at either end, with the opposite edge if the axis wraps, else with its own."""
    rows, columns = ("wrap" if wrap else "edge" for wrap in wraps)
    rest = [(0, 0)] * (x.ndim - 3)
    if rows == columns:
        return jnp.pad(x, [(0, 0), (1, 1), (1, 1), *rest], mode=rows)
    x = jnp.pad(x, [(0, 0), (1, 1), (0, 0), *rest], mode=rows)
    return jnp.pad(x, [(0, 0), (0, 0), (1, 1), *rest], mode=columns)


def _join(x: jax.Array, wraps: Wraps, count: int = 1) -> jax.Array:
    """Appends the first `count` rows or columns at the end of each axis that wraps."""
    x = jnp.concatenate([x, x[:, :count]], 1) if wraps[0] else x
    return jnp.concatenate([x, x[:, :, :count]], 2) if wraps[1] else x


def _differences(image_BxHxWxC: jax.Array, wraps: Wraps = _OPEN) -> tuple[jax.Array, jax.Array]:
    """Returns forward differences down and to the right, with one row or one column fewer than the image.

    Along an axis that wraps, there are as many differences as pixels.
    """
    rows, columns = _join(image_BxHxWxC, (wraps[0], False)), _join(image_BxHxWxC, (False, wraps[1]))
    return rows[:, 1:] - rows[:, :-1], columns[:, :, 1:] - columns[:, :, :-1]


def tv_l1(image_BxHxWxC: jax.Array, beta: float, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes sum |d_y x| + sum |d_x x|: anisotropic total variation (neural-style-pt).

    Args:
      image_BxHxWxC: x.
      beta: not used; it is there because all kinds of total variation have the same arguments.
      wraps: whether the differences continue from the last row to the first, and the same for columns.
    """
    return sum(jnp.sum(numerics.absolute(d)) for d in _differences(image_BxHxWxC, wraps))


def tv_l2(image_BxHxWxC: jax.Array, beta: float, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes 1/2 (sum (d_y x)^2 + sum (d_x x)^2), with the gradient that jcjohnson/neural-style uses."""
    return 0.5 * sum(jnp.sum(d**2) for d in _differences(image_BxHxWxC, wraps))


def tv_mean(image_BxHxWxC: jax.Array, beta: float, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes mean (d_y x)^2 + mean (d_x x)^2, as anishathalye/neural-style does."""
    return sum(jnp.mean(d**2) for d in _differences(image_BxHxWxC, wraps))


def tv_beta(image_BxHxWxC: jax.Array, beta: float, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes sum ((d_y x)^2 + (d_x x)^2)^(beta/2) over all but the last row and column.

    Mahendran & Vedaldi 2015, eq. 4; beta = 1 is isotropic total variation. The gradient where both
    differences vanish is 0.
    """
    down, right = _differences(image_BxHxWxC, wraps)
    height, width = down.shape[1], right.shape[2]
    energy = down[:, :, :width] ** 2 + right[:, :height] ** 2
    return jnp.sum(numerics.safe_power(energy, beta / 2))


def tv_diagonal(image_BxHxWxC: jax.Array, beta: float, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes 2 (mean d_y^2 / 3 + mean d_x^2 / 3 + mean d_1^2 / 12 + mean d_2^2 / 12).

    d_1 and d_2 are the differences along the diagonals. The image is first padded by a row and a column at
    either side (crowsonkb/style-transfer-pytorch).
    """
    x = _pad(image_BxHxWxC, wraps)
    down, right = _differences(x)
    falling, rising = x[:, 1:, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, 1:]
    # along an axis that wraps, the first difference repeats the one between the last pixel and the first
    top, left = map(int, wraps)
    pairs = (down[:, 1:, 1:-1], right[:, 1:-1, 1:]), (falling[:, top:, left:], rising[:, top:, left:])
    straight, diagonal = (sum(jnp.mean(d**2) for d in pair) for pair in pairs)
    return 2 * (straight / 3 + diagonal / 12)


TOTAL_VARIATION = {"l1": tv_l1, "l2": tv_l2, "mean": tv_mean, "beta": tv_beta, "diagonal": tv_diagonal}


def _laplacian(image_BxHxWx3: jax.Array, pool: int, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes the Laplacian, summed over the channels, of the mean over pool x pool pixels: `Bxhxw`."""
    batch, height, width, channels = image_BxHxWx3.shape
    if min(height, width) < pool:
        raise TooSmall(
            f"laplacian.pool = {pool}: an image of {width}x{height} px is too small; raise size or lower it"
        )
    height, width = height // pool, width // pool
    whole_windows = image_BxHxWx3[:, : height * pool, : width * pool]
    x = whole_windows.reshape(batch, height, pool, width, pool, channels).mean((2, 4)).sum(-1)
    x = _pad(x, wraps)
    return 4 * x[:, 1:-1, 1:-1] - x[:, :-2, 1:-1] - x[:, 2:, 1:-1] - x[:, 1:-1, :-2] - x[:, 1:-1, 2:]


def laplacian(
    image_1xHxWx3: jax.Array, target_1xhxw: jax.Array, pool: int, wraps: Wraps = _OPEN
) -> jax.Array:
    """Computes mean (D(x) - D(p))^2, where D is the Laplacian after average pooling.

    This term keeps edges where they are in the photograph p. Li et al. 2017 (*Laplacian-Steered Neural Style
    Transfer*), eq. 5-7. Departs from the paper: the mean over positions is taken in place of the sum; at a
    border that does not wrap, the pixels of the edge are repeated.
    """
    return jnp.mean((_laplacian(image_1xHxWx3, pool, wraps) - target_1xhxw) ** 2)


def valid_range(image_1xHxWx3: jax.Array, target: None) -> jax.Array:
    """Computes the mean squared distance of the values from [0, 1], the range that an image file can hold."""
    return jnp.mean((image_1xHxWx3 - jnp.clip(image_1xHxWx3, 0, 1)) ** 2)


def alpha_norm(image_1xHxWx3: jax.Array, target: None, power: float) -> jax.Array:
    """Computes mean |2 x - 1|^a with a = `power`: 0 if all values are mid-grey, 1 if all are black or white.

    Mahendran & Vedaldi 2015 (*Understanding Deep Image Representations by Inverting Them*), section 3: with a
    large a, this term bounds the values and has little effect on those in the middle of the range. Departs
    from the paper: the mean is taken in place of the sum, mid-grey in place of the mean of a training set,
    and half the range is the unit.
    """
    return jnp.mean(jnp.abs(2 * image_1xHxWx3 - 1) ** power)


_EPSILON = 1e-5  # the matting Laplacian's penalty on slopes, for pixels in [0, 1]


def _corners(x_BxHxWxC: jax.Array, wraps: Wraps) -> list[jax.Array]:
    """Returns the nine pixels of each 3x3 window that lies in the image or across a border that wraps."""
    height, width = x_BxHxWxC.shape[1] - 2, x_BxHxWxC.shape[2] - 2
    if min(height, width) < 1:
        raise TooSmall(
            f"photorealism.weight: an image of {width + 2}x{height + 2} px is too small; it needs 3 px"
        )
    x_BxHxWxC = _join(x_BxHxWxC, wraps, 2)
    height, width = x_BxHxWxC.shape[1] - 2, x_BxHxWxC.shape[2] - 2
    return [x_BxHxWxC[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]


def _centred(x_BxHxWxC: jax.Array, wraps: Wraps) -> list[jax.Array]:
    """Returns the nine pixels of each window, less the window's mean."""
    corners = _corners(x_BxHxWxC, wraps)
    mean = sum(corners) / 9
    return [corner - mean for corner in corners]


def _covariance(a: list[jax.Array], b: list[jax.Array]) -> jax.Array:
    return sum(x[..., :, None] * y[..., None, :] for x, y in zip(a, b, strict=True)) / 9


class Matting(NamedTuple):
    """The quantities of the photograph from which its matting Laplacian is computed."""

    photo_1xHxWx3: jax.Array
    inverse_1xhxwx3x3: jax.Array  # of the covariance of the colours in each 3x3 window


def matting(photo_1xHxWx3: jax.Array, wraps: Wraps = _OPEN) -> Matting:
    """Computes the quantities of the photograph from which its matting Laplacian is computed."""
    centred = _centred(photo_1xHxWx3, wraps)
    return Matting(photo_1xHxWx3, jnp.linalg.inv(_covariance(centred, centred) + _EPSILON / 9 * jnp.eye(3)))


def photorealism(image_1xHxWx3: jax.Array, target: Matting, wraps: Wraps = _OPEN) -> jax.Array:
    """Computes 1/K sum_c V_c^T M V_c, with the photograph's matting Laplacian M and the colour channels V_c.

    K is the number of 3x3 windows. The value is 0 if in every window each channel is an affine function of
    the photograph's colours (Luan et al. 2017, *Deep Photo Style Transfer*, eq. 2; Levin et al. 2008). M
    itself is not computed: the value is the residual of the least-squares fit V = a . I + b in each window,
    with a penalty of 1e-5 |a|^2. Departs from the papers: their penalty is 1e-7, which is less than float32
    resolves; the mean over the windows is taken in place of the sum.
    """
    centred = _centred(image_1xHxWx3, wraps)
    covariance = _covariance(_centred(target.photo_1xHxWx3, wraps), centred)
    explained = numerics.einsum("bhwic,bhwij,bhwjc->bhwc", covariance, target.inverse_1xhxwx3x3, covariance)
    variance = sum(corner**2 for corner in centred) / 9
    return 9 * jnp.mean(jnp.sum(variance - explained, -1))


class Regularizer(NamedTuple):
    """A row of REGULARIZERS: a function of the image and of a target that is computed from the photograph."""

    loss: Callable[..., jax.Array]  # (image, target, *options) -> scalar
    target: Callable[[jax.Array, int, Wraps], Any] = lambda photo_1xHxWx3, pool, wraps: None
    options: tuple[str, ...] = ()  # the fields of Spec that `loss` takes


REGULARIZERS = {
    "laplacian": Regularizer(laplacian, target=_laplacian, options=("laplacian_pool", "wraps")),
    "range": Regularizer(valid_range),
    "photorealism": Regularizer(
        photorealism,
        target=lambda photo_1xHxWx3, pool, wraps: matting(photo_1xHxWx3, wraps),
        options=("wraps",),
    ),
    "alpha_norm": Regularizer(alpha_norm, options=("alpha_norm_power",)),
}


def photo_targets(
    names: Sequence[str], photo_1xHxWx3: jax.Array, pool: int, wraps: Wraps = _OPEN
) -> dict[str, Any]:
    """Computes the targets of the regularisers from the photograph.

    Args:
      names: names in REGULARIZERS.
      photo_1xHxWx3: the photograph, of the image's size.
      pool: edge, in pixels, of the squares that the Laplacian averages.
      wraps: `Network.wraps`.

    Returns:
      {regulariser: its target, or None if it has none}.

    Raises:
      TooSmall: the photograph is smaller than such a square, or than the windows of photorealism.
    """
    return {name: REGULARIZERS[name].target(photo_1xHxWx3, pool, wraps) for name in names}
