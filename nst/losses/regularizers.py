"""Content losses and regularisers; every normalisation has a name and its equation."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics


def _energy(target: jax.Array) -> jax.Array:
    """sum P^2 in float32, or 1 where that is 0, so that it may divide."""
    return numerics.positive_or_one(jnp.sum(target.astype(jnp.float32) ** 2))


# The factor c of c * sum (F - P)^2, for an activation of M positions and C channels, target P, and the
# distance sum |F - P|.
CONTENT = {
    # Gatys et al. 2015 eq. 1, 2016 eq. 1: half the sum of squares.
    "gatys": lambda positions, channels, target, distance: 0.5,
    # The mean of squares: jcjohnson/neural-style, leongatys/PytorchNeuralStyleTransfer, Johnson et al. 2016.
    "mse": lambda positions, channels, target, distance: 1 / (positions * channels),
    # The plain sum of squares.
    "sse": lambda positions, channels, target, distance: 1.0,
    # 1 / (2 sqrt(C) sqrt(M)): cysmith/neural-style-tf's default.
    "root": lambda positions, channels, target, distance: 0.5 / (positions * channels) ** 0.5,
    # 1 / sum P^2: 0 is equal, 1 as far as an image without features; the same for networks of any scale.
    "relative": lambda positions, channels, target, distance: 1 / _energy(target),
    # 1 / (sum |F - P| + 1e-8): crowsonkb/style-transfer-pytorch until 2023.
    "scaled": lambda positions, channels, target, distance: 1 / (distance + 1e-8),
}


class Sums(NamedTuple):
    """What a content loss needs of an activation F and its target P: over parts of them, these add up."""

    squares: jax.Array  # sum (F - P)^2
    distance: jax.Array  # sum |F - P|


def content_sums(
    features_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array, rows_H: jax.Array | None = None
) -> Sums:
    """The sums, in float32; `rows_H` weighs the rows (None: all count)."""
    difference = features_BxHxWxC.astype(jnp.float32) - target_BxHxWxC.astype(jnp.float32)
    weights_Hx1x1 = 1.0 if rows_H is None else rows_H[:, None, None]
    return Sums(
        jnp.sum(weights_Hx1x1 * difference**2), jnp.sum(weights_Hx1x1 * numerics.absolute(difference))
    )


def content_loss(sums: Sums, target_BxHxWxC: jax.Array, channels: int, normalization: str) -> jax.Array:
    """c sum (F - P)^2 from the sums over all of the target P; arguments as for `content_distance`."""
    _, height, width, _ = target_BxHxWxC.shape
    return CONTENT[normalization](height * width, channels, target_BxHxWxC, sums.distance) * sums.squares


def content_distance(
    features_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array, channels: int, normalization: str
) -> jax.Array:
    """c sum (F - P)^2 between the activations of the image (F) and of the photograph (P), in float32.

    `normalization` names c in CONTENT; `channels` is the layer's C there, whatever the frame of F and P.
    """
    sums = content_sums(features_BxHxWxC, target_BxHxWxC)
    return content_loss(sums, target_BxHxWxC, channels, normalization)


def _differences(image_BxHxWxC: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward differences down and to the right; each has one row or column fewer than the image."""
    down = image_BxHxWxC[:, 1:] - image_BxHxWxC[:, :-1]
    right = image_BxHxWxC[:, :, 1:] - image_BxHxWxC[:, :, :-1]
    return down, right


def tv_l1(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """sum |d_y x| + sum |d_x x|: anisotropic total variation (neural-style-pt)."""
    return sum(jnp.sum(numerics.absolute(d)) for d in _differences(image_BxHxWxC))


def tv_l2(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """1/2 (sum (d_y x)^2 + sum (d_x x)^2), whose gradient is jcjohnson/neural-style's TVLoss."""
    return 0.5 * sum(jnp.sum(d**2) for d in _differences(image_BxHxWxC))


def tv_mean(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """mean (d_y x)^2 + mean (d_x x)^2: independent of the image's size (anishathalye/neural-style)."""
    return sum(jnp.mean(d**2) for d in _differences(image_BxHxWxC))


def tv_beta(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """sum ((d_y x)^2 + (d_x x)^2)^(beta/2) over all but the last row and column.

    Mahendran & Vedaldi 2015, eq. 4; beta = 1 is isotropic total variation. The gradient where both
    differences vanish is 0.
    """
    down, right = _differences(image_BxHxWxC)
    energy = down[:, :, :-1] ** 2 + right[:, :-1] ** 2
    return jnp.sum(numerics.safe_power(energy, beta / 2))


def tv_diagonal(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """2 (mean d_y^2 / 3 + mean d_x^2 / 3 + mean d_1^2 / 12 + mean d_2^2 / 12), d_1, d_2 along the diagonals.

    The image is first continued by a row and a column at either side (crowsonkb/style-transfer-pytorch).
    """
    x = jnp.pad(image_BxHxWxC, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    down, right = _differences(x)
    falling, rising = x[:, 1:, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, 1:]
    pairs = (down[:, 1:, 1:-1], right[:, 1:-1, 1:]), (falling, rising)
    straight, diagonal = (sum(jnp.mean(d**2) for d in pair) for pair in pairs)
    return 2 * (straight / 3 + diagonal / 12)


TOTAL_VARIATION = {"l1": tv_l1, "l2": tv_l2, "mean": tv_mean, "beta": tv_beta, "diagonal": tv_diagonal}


def _laplacian(image_BxHxWx3: jax.Array, pool: int) -> jax.Array:
    """The Laplacian, summed over the channels, of the image averaged over pool x pool pixels: `Bxhxw`."""
    batch, height, width, channels = image_BxHxWx3.shape
    height, width = height // pool, width // pool
    cut = image_BxHxWx3[:, : height * pool, : width * pool]
    x = cut.reshape(batch, height, pool, width, pool, channels).mean((2, 4)).sum(-1)
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return 4 * x[:, 1:-1, 1:-1] - x[:, :-2, 1:-1] - x[:, 2:, 1:-1] - x[:, 1:-1, :-2] - x[:, 1:-1, 2:]


def laplacian(image_1xHxWx3: jax.Array, target_1xhxw: jax.Array, pool: int) -> jax.Array:
    """mean (D(x) - D(p))^2, D the Laplacian after p x p average pooling: edges stay where they are.

    Li et al. 2017 (*Laplacian-Steered Neural Style Transfer*), eq. 5-7. Departs from the paper: the mean
    over positions in place of the sum; edges repeat at the border.
    """
    return jnp.mean((_laplacian(image_1xHxWx3, pool) - target_1xhxw) ** 2)


def valid_range(image_1xHxWx3: jax.Array, target: None) -> jax.Array:
    """mean of the squared distance of each value from [0, 1], which a picture can show."""
    return jnp.mean((image_1xHxWx3 - jnp.clip(image_1xHxWx3, 0, 1)) ** 2)


def alpha_norm(image_1xHxWx3: jax.Array, target: None, power: float) -> jax.Array:
    """mean |2 x - 1|^a, a = `power`: 0 for mid-grey, 1 for an image of black and white alone.

    Mahendran & Vedaldi 2015 (*Understanding Deep Image Representations by Inverting Them*), section 3: with a
    large a it bounds the values and leaves the middle alone. Departs from the paper: the mean in place of the
    sum; mid-grey in place of the mean of a training set; half the range as unit.
    """
    return jnp.mean(jnp.abs(2 * image_1xHxWx3 - 1) ** power)


_EPSILON = 1e-5  # penalty of the matting Laplacian's slopes, for pixels in [0, 1]


def _corners(x_BxHxWxC: jax.Array) -> list[jax.Array]:
    """The nine pixels of each 3x3 window that lies wholly in the image."""
    height, width = x_BxHxWxC.shape[1] - 2, x_BxHxWxC.shape[2] - 2
    return [x_BxHxWxC[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]


def _centred(x_BxHxWxC: jax.Array) -> list[jax.Array]:
    """The same less their window's mean."""
    corners = _corners(x_BxHxWxC)
    mean = sum(corners) / 9
    return [corner - mean for corner in corners]


def _covariance(a: list[jax.Array], b: list[jax.Array]) -> jax.Array:
    return sum(x[..., :, None] * y[..., None, :] for x, y in zip(a, b, strict=True)) / 9


class Matting(NamedTuple):
    """What the matting Laplacian needs of a photograph."""

    photo_1xHxWx3: jax.Array
    inverse_1xhxwx3x3: jax.Array  # of the covariance of the colours in each 3x3 window


def matting(photo_1xHxWx3: jax.Array) -> Matting:
    """The windows' statistics."""
    centred = _centred(photo_1xHxWx3)
    return Matting(photo_1xHxWx3, jnp.linalg.inv(_covariance(centred, centred) + _EPSILON / 9 * jnp.eye(3)))


def photorealism(image_1xHxWx3: jax.Array, target: Matting) -> jax.Array:
    """1/K sum_c V_c^T M V_c, M the matting Laplacian of the photograph, K its windows, V_c a colour channel.

    0 if in every 3x3 window each channel is an affine function of the photograph's colours (Luan et al. 2017,
    *Deep Photo Style Transfer*, eq. 2; Levin et al. 2008). Computed without M: as what the windows' least
    squares, V = a . I + b with a penalty of 1e-5 |a|^2, leave unexplained. Departs from the papers: that
    penalty is 1e-7 there, less than float32 resolves; the mean over the windows.
    """
    centred = _centred(image_1xHxWx3)
    covariance = _covariance(_centred(target.photo_1xHxWx3), centred)
    explained = numerics.einsum("bhwic,bhwij,bhwjc->bhwc", covariance, target.inverse_1xhxwx3x3, covariance)
    variance = sum(corner**2 for corner in centred) / 9
    return 9 * jnp.mean(jnp.sum(variance - explained, -1))


# name -> function of (image, what it needs of the photograph, its options by Spec.regularizer_options)
REGULARIZERS = {
    "laplacian": laplacian,
    "range": valid_range,
    "photorealism": photorealism,
    "alpha_norm": alpha_norm,
}


def photo_targets(names: Sequence[str], photo_1xHxWx3: jax.Array, pool: int) -> dict:
    """{regularizer: what it needs of the photograph}."""
    make = {
        "laplacian": lambda: _laplacian(photo_1xHxWx3, pool),
        "range": lambda: None,
        "photorealism": lambda: matting(photo_1xHxWx3),
        "alpha_norm": lambda: None,
    }
    return {name: make[name]() for name in names}
