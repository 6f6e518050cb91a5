"""Style as the mean of a kernel: maximum mean discrepancies (MMD) between two sets of activations.

    MMD^2(X, Y) = E k(x, x') - 2 E k(x, y) + E k(y, y') = |E phi(x) - E phi(y)|^2,   k(x, y) = phi(x) . phi(y)

Here x is an activation of the image and y one of the painting, in the same layer. Li et al. 2017
(*Demystifying Neural Style Transfer*), eq. 5: with k(x, y) = (x . y)^2, MMD^2 is the Gram loss, and other
kernels give other notions of style. For polynomials of degree 1 and 2 the features phi are few enough to be
computed. For the other kernels D random features are used, with E phi_D(x) . phi_D(y) = k(x, y). They are
drawn from the seed, and give an unbiased estimate that uses every position.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.styles.moments import RawMoments, raw_moments
from nst.styles.positions import Positions, flatten, mean_over, weights_of
from nst.styles.representation import Representation, normalized, number, of_one_layer, positive, whole

_BLOCK = 1 << 24  # random features that are computed at a time, which bounds the memory

# --- kernels whose features are computed


def mean_activation(features_1xHxWxC: jax.Array, positions: Positions) -> jax.Array:
    """Computes the mean activation, `C`."""
    return mean_over(flatten(features_1xHxWxC), positions)


def linear_distance(mean_C: jax.Array, target_C: jax.Array, channels: int) -> jax.Array:
    """Computes |E x - E y|^2: MMD^2 with k(x, y) = x . y (Li et al. 2017, table 1, "linear")."""
    return jnp.sum((mean_C - target_C) ** 2)


def make_mmd_linear(normalization: str) -> Representation:
    """Returns the representation by `linear_distance`."""
    return normalized(of_one_layer(mean_activation), linear_distance, normalization, linear=True)


def mean_direction(features_1xHxWxC: jax.Array, positions: Positions) -> jax.Array:
    """Computes the mean of F / |F| (0 if F is 0), which is the feature of the kernel (x . y) / (|x| |y|)."""
    return mean_over(numerics.unit_rows(flatten(features_1xHxWxC)), positions)


def make_mmd_cosine(normalization: str) -> Representation:
    """Returns the representation by `linear_distance` of the directions of the activations."""
    return normalized(of_one_layer(mean_direction), linear_distance, normalization, linear=True)


def quadratic_distance(statistics: RawMoments, target: RawMoments, channels: int, offset: float) -> jax.Array:
    """Computes |E x x^T - E y y^T|^2 + 2 c |E x - E y|^2: MMD^2 with k(x, y) = (x . y + c)^2.

    Here c = `offset`; with c = 0 the value is the Gram loss (Li et al. 2017, eq. 8).
    """
    squares = jnp.sum((statistics.second_CxC - target.second_CxC) ** 2)
    return squares + 2 * offset * linear_distance(statistics.mean_C, target.mean_C, channels)


def make_mmd_polynomial(
    normalization: str, degree: int = 2, offset: float = 0.0, features: int = 512
) -> Representation:
    """Returns the representation by k(x, y) = (x . y + offset)^degree.

    A degree of 3 or more is computed with `features` random features.
    """
    offset = number("offset", offset, least=0.0)
    if whole("degree", degree, most=64) == 1:
        return make_mmd_linear(normalization)  # the offset cancels
    if degree == 2:
        distance = partial(quadratic_distance, offset=offset)
        return normalized(of_one_layer(raw_moments), distance, normalization, linear=True)
    draw = partial(polynomial_signs, degree=degree)
    return _with_random_features(normalization, draw, partial(product_features, offset=offset), features)


# --- kernels with random features


def gaussian_frequencies(key: jax.Array, channels: int, count: int, bandwidth: float) -> jax.Array:
    """Draws the frequencies w_d, `CxD`, of the Gaussian kernel with b = `bandwidth`.

        k(x, y) = exp(-|x - y|^2 / (2 b s^2)) = E cos(w . (x - y) / s)

    Rahimi & Recht 2007 (*Random Features for Large-Scale Kernel Machines*), section 3.
    """
    return jax.random.normal(key, (channels, count)) / bandwidth**0.5


def make_mmd_gaussian(normalization: str, bandwidth: float = 1.0, features: int = 512) -> Representation:
    """Returns the representation by the kernel of `gaussian_frequencies`."""
    draw = partial(gaussian_frequencies, bandwidth=positive("bandwidth", bandwidth))
    return _with_random_features(normalization, draw, fourier_features, features)


def laplacian_frequencies(key: jax.Array, channels: int, count: int, bandwidth: float) -> jax.Array:
    """Draws the frequencies of the kernel exp(-|x - y| / (b s)) from a multivariate Cauchy distribution.

    The kernel has longer tails than the Gaussian one; |x - y| is the Euclidean length. The highest twelfth of
    the frequencies is lowered to ten times the normally distributed ones, which rounds the kernel's kink at
    0. Otherwise the variance of the frequencies would be infinite, and the slope at the kink would leave
    specks in the image.
    """
    direction, length = jax.random.split(key)
    normal_CxD = jax.random.normal(direction, (channels, count))
    return normal_CxD / jnp.maximum(jnp.abs(jax.random.normal(length, (count,))), 0.1) / bandwidth


def make_mmd_laplacian(normalization: str, bandwidth: float = 1.0, features: int = 512) -> Representation:
    """Returns the representation by the kernel of `laplacian_frequencies`."""
    draw = partial(laplacian_frequencies, bandwidth=positive("bandwidth", bandwidth))
    return _with_random_features(normalization, draw, fourier_features, features)


def fourier_features(rows_MxC: jax.Array, scale: jax.Array, frequencies_CxD: jax.Array) -> jax.Array:
    """Computes cos(w_d . x / s) / sqrt D and sin(w_d . x / s) / sqrt D, `Mx2D`, with s^2 = `scale`."""
    angles_MxD = numerics.dot(rows_MxC / jnp.sqrt(scale), frequencies_CxD)
    return jnp.concatenate([jnp.cos(angles_MxD), jnp.sin(angles_MxD)], 1) / frequencies_CxD.shape[1] ** 0.5


def polynomial_signs(key: jax.Array, channels: int, count: int, degree: int) -> jax.Array:
    """Draws the signs w_di, `degree x C+1 x D`, of the polynomial kernel of degree p.

        k(x, y) = (x . y + c)^p = E prod_i (w_di . x~) (w_di . y~),   x~ = (x, sqrt c)

    Kar & Karnick 2012 (*Random Feature Maps for Dot Product Kernels*), section 3.
    """
    return jax.random.rademacher(key, (degree, channels + 1, count), jnp.float32)


def product_features(
    rows_MxC: jax.Array, scale: jax.Array, signs_pxCxD: jax.Array, offset: float
) -> jax.Array:
    """Computes prod_i (w_di . x~) / sqrt D, `MxD`, with x~ = (x, sqrt offset); `scale` is not used."""
    extended_MxC = jnp.pad(rows_MxC, ((0, 0), (0, 1)), constant_values=offset**0.5)
    factors_pxMxD = numerics.einsum("mc,pcd->pmd", extended_MxC, signs_pxCxD)
    return jnp.prod(factors_pxMxD, 0) / signs_pxCxD.shape[2] ** 0.5


class Activations(NamedTuple):
    """The activations of a layer, whose random features are computed once the painting's scale is known."""

    rows_MxC: jax.Array
    weights_M: jax.Array
    key: jax.Array  # random key of the features


class RandomTarget(NamedTuple):
    """The statistics of the painting that `random_distance` uses."""

    scale: jax.Array  # s^2, the mean squared distance between two of its activations
    features_D: jax.Array  # E phi(y)


def all_activations(features_1xHxWxC: jax.Array, positions: Positions) -> Activations:
    """Returns the activations of all positions."""
    rows_MxC = flatten(features_1xHxWxC)
    return Activations(rows_MxC, weights_of(rows_MxC, positions), positions.key)


def _mean_features(
    activations: Activations, scale: jax.Array, draw: Callable, feature: Callable, count: int
) -> jax.Array:
    """Computes E phi(x) in blocks of positions, whose features are computed once more for the gradient."""
    positions, channels = activations.rows_MxC.shape
    parameters = draw(activations.key, channels, count)
    blocks = -(-positions * count // _BLOCK)
    size = -(-positions // blocks)
    padding = size * blocks - positions  # rows of weight 0
    rows_BxMxC = jnp.pad(activations.rows_MxC, ((0, padding), (0, 0))).reshape(blocks, size, channels)
    weights_BxM = jnp.pad(activations.weights_M, (0, padding)).reshape(blocks, size)

    @jax.checkpoint
    def block_mean(block):
        rows_MxC, weights_M = block
        return numerics.dot(weights_M, feature(rows_MxC, scale, parameters))

    return jax.lax.map(block_mean, (rows_BxMxC, weights_BxM)).sum(0)


def random_target(painting: Activations, draw: Callable, feature: Callable, count: int) -> RandomTarget:
    """Returns the target of `random_distance`."""
    squares_M = jnp.sum(painting.rows_MxC**2, 1)
    centre_C = numerics.dot(painting.weights_M, painting.rows_MxC)
    # E |y - y'|^2 = 2 (E |y|^2 - |E y|^2)
    scale = 2 * (painting.weights_M @ squares_M - jnp.sum(centre_C**2))
    scale = numerics.positive_or_one(scale)
    return RandomTarget(scale, _mean_features(painting, scale, draw, feature, count))


def random_distance(
    activations: Activations,
    target: RandomTarget,
    channels: int,
    draw: Callable,
    feature: Callable,
    count: int,
) -> jax.Array:
    """Computes |E phi(x) - E phi(y)|^2 with `count` random features, the same for both images.

    If a kernel has a scale s, it is computed from the painting: s^2 = E |y - y'|^2 (Li et al. 2017, section
    4.2, compute it from sampled pairs). Departs from the paper: the paper's unbiased estimate uses new pairs
    of positions at each step, since with the same pairs at all steps each position would only become similar
    to its own partners.
    """
    mean_D = _mean_features(activations, target.scale, draw, feature, count)
    return jnp.sum((mean_D - target.features_D) ** 2)


def _with_random_features(
    normalization: str, draw: Callable, feature: Callable, count: int
) -> Representation:
    """Returns the representation by a kernel whose random features `draw` and `feature` compute."""
    settings = {"draw": draw, "feature": feature, "count": whole("features", count)}
    distance, target = partial(random_distance, **settings), partial(random_target, **settings)
    # two paintings have two scales, and so two maps phi, whose means cannot be averaged
    return normalized(of_one_layer(all_activations), distance, normalization, target, blends=False)
