"""Style as the mean of a kernel: maximum mean discrepancies between two sets of activations.

    MMD^2(X, Y) = E k(x, x') - 2 E k(x, y) + E k(y, y') = |E phi(x) - E phi(y)|^2,   k(x, y) = phi(x) . phi(y)

for x of the picture's positions, y of the painting's, one layer each. Li et al. 2017 (*Demystifying Neural
Style Transfer*), eq. 5: the Gram loss is this with k(x, y) = (x . y)^2, so that other kernels, other "inner
products", are other styles. Of polynomials of degree 1 and 2 the features phi are few enough to be computed;
of the other kernels D random ones are, with E phi_D(x) . phi_D(y) = k(x, y): an estimate without bias, from
the seed, in which every position counts alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.styles.positions import Look, mean, rows, shares

_BLOCK = 1 << 24  # features at a time


class Means(NamedTuple):
    """What polynomials of degree 1 and 2 need of a layer."""

    mean_C: jax.Array
    second_CxC: jax.Array | None  # E[F F^T]


def linear(features_1xHxWxC: jax.Array, look: Look) -> Means:
    """The mean activation."""
    return Means(mean(rows(features_1xHxWxC), look), None)


def cosine(features_1xHxWxC: jax.Array, look: Look) -> Means:
    """The mean of F / |F|, 0 where F is: the feature map of the kernel (x . y) / (|x| |y|)."""
    return Means(mean(unit(rows(features_1xHxWxC)), look), None)


def unit(rows_MxC: jax.Array) -> jax.Array:
    """Each row divided by its length; a row of zeros stays, with gradient 0."""
    return rows_MxC * numerics.safe_rsqrt(jnp.sum(rows_MxC**2, 1, keepdims=True))


def quadratic(features_1xHxWxC: jax.Array, look: Look) -> Means:
    """The mean and the second moment."""
    rows_MxC = rows(features_1xHxWxC)
    second_CxC = numerics.einsum("m,mc,md->cd", shares(rows_MxC, look), rows_MxC, rows_MxC)
    return Means(mean(rows_MxC, look), second_CxC)


def linear_distance(found: Means, target: Means, channels: int) -> jax.Array:
    """|E x - E y|^2: MMD^2 with k(x, y) = x . y (Li et al. 2017, table 1, "linear")."""
    return jnp.sum((found.mean_C - target.mean_C) ** 2)


def quadratic_distance(found: Means, target: Means, channels: int, offset: float) -> jax.Array:
    """|E x x^T - E y y^T|^2 + 2 c |E x - E y|^2: MMD^2 with k(x, y) = (x . y + c)^2, c = `offset`.

    With c = 0 it is the Gram loss (Li et al. 2017, eq. 8).
    """
    return jnp.sum((found.second_CxC - target.second_CxC) ** 2) + 2 * offset * linear_distance(
        found, target, channels
    )


class Rows(NamedTuple):
    """A layer's activations, whose random features depend on the painting's scale."""

    rows_MxC: jax.Array
    shares_M: jax.Array
    key: jax.Array


class Aim(NamedTuple):
    """What a random estimate needs of the painting."""

    scale: jax.Array  # the mean squared distance of its activations
    features_D: jax.Array  # E phi(y)


def activations(features_1xHxWxC: jax.Array, look: Look) -> Rows:
    """Every position, and the key that the features are drawn with."""
    rows_MxC = rows(features_1xHxWxC)
    return Rows(rows_MxC, shares(rows_MxC, look), look.key)


def gaussian(key: jax.Array, channels: int, count: int, bandwidth: float) -> jax.Array:
    """Frequencies w_d, `CxD`, of exp(-|x - y|^2 / (2 b s^2)) = E cos(w . (x - y) / s), b = `bandwidth`.

    Rahimi & Recht 2007 (*Random Features for Large-Scale Kernel Machines*), section 3.
    """
    return jax.random.normal(key, (channels, count)) / bandwidth**0.5


def laplacian(key: jax.Array, channels: int, count: int, bandwidth: float) -> jax.Array:
    """Those of exp(-|x - y| / (b s)), with the Euclidean length: multivariate Cauchy. It reaches further.

    The highest twelfth of the frequencies is lowered to ten times the normal ones, which rounds the kernel's
    kink at 0: its slope there, of no variance, would leave specks.
    """
    direction, length = jax.random.split(key)
    normal_CxD = jax.random.normal(direction, (channels, count))
    return normal_CxD / jnp.maximum(jnp.abs(jax.random.normal(length, (count,))), 0.1) / bandwidth


def waves(rows_MxC: jax.Array, scale: jax.Array, frequencies_CxD: jax.Array) -> jax.Array:
    """cos and sin of w_d . x / s, over sqrt D, `Mx2D`, s^2 = `scale`."""
    angles_MxD = numerics.dot(rows_MxC / jnp.sqrt(scale), frequencies_CxD)
    return jnp.concatenate([jnp.cos(angles_MxD), jnp.sin(angles_MxD)], 1) / frequencies_CxD.shape[1] ** 0.5


def polynomial(key: jax.Array, channels: int, count: int, degree: int) -> jax.Array:
    """Signs w_di, `degree x C+1 x D`, of (x . y + c)^p = E prod_i (w_di . x~) (w_di . y~), x~ = (x, sqrt c).

    Kar & Karnick 2012 (*Random Feature Maps for Dot Product Kernels*), section 3.
    """
    return jax.random.rademacher(key, (degree, channels + 1, count), jnp.float32)


def products(rows_MxC: jax.Array, scale: jax.Array, signs_pxCxD: jax.Array, offset: float) -> jax.Array:
    """prod_i (w_di . x~) over sqrt D, `MxD`."""
    extended_MxC = jnp.pad(rows_MxC, ((0, 0), (0, 1)), constant_values=offset**0.5)
    factors_pxMxD = numerics.einsum("mc,pcd->pmd", extended_MxC, signs_pxCxD)
    return jnp.prod(factors_pxMxD, 0) / signs_pxCxD.shape[2] ** 0.5


def _mean_features(of: Rows, scale: jax.Array, draw, feature, count: int) -> jax.Array:
    """E phi(x), in blocks that are computed again for the gradient."""
    positions, channels = of.rows_MxC.shape
    drawn = draw(of.key, channels, count)
    blocks = -(-positions * count // _BLOCK)
    size = -(-positions // blocks)
    padding = size * blocks - positions
    rows_BxMxC = jnp.pad(of.rows_MxC, ((0, padding), (0, 0))).reshape(blocks, size, channels)
    shares_BxM = jnp.pad(of.shares_M, (0, padding)).reshape(blocks, size)

    @jax.checkpoint
    def block(part):
        rows_MxC, shares_M = part
        return numerics.dot(shares_M, feature(rows_MxC, scale, drawn))

    return jax.lax.map(block, (rows_BxMxC, shares_BxM)).sum(0)


def aim(target: Rows, draw, feature, count: int) -> Aim:
    """The target of `random_distance`."""
    squares_M = jnp.sum(target.rows_MxC**2, 1)
    centre_C = numerics.dot(target.shares_M, target.rows_MxC)
    # E |y - y'|^2 = 2 (E |y|^2 - |E y|^2)
    scale = 2 * (target.shares_M @ squares_M - jnp.sum(centre_C**2))
    scale = numerics.positive_or_one(scale)
    return Aim(scale, _mean_features(target, scale, draw, feature, count))


def random_distance(found: Rows, target: Aim, channels: int, draw, feature, count: int) -> jax.Array:
    """|E phi(x) - E phi(y)|^2 with `count` random features, those of the painting.

    The scale s of the kernels that have one is the painting's: s^2 = E |y - y'|^2 (Li et al. 2017, section
    4.2, take it of the drawn pairs). Departs from the paper, which estimates without bias from pairs of
    positions drawn anew at each step: pairs drawn once would pull each position to its own partners.
    """
    return jnp.sum((_mean_features(found, target.scale, draw, feature, count) - target.features_D) ** 2)
