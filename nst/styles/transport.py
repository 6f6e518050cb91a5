"""Style as a distribution of activations: moments, histograms, optimal transport of Gaussians and slices.

Each pair takes one layer, as nst/styles/table.py says: `describe(features, look)` and
`distance(statistics, target, channels)`. F_mc is the activation of channel c of C at position m of M, and E a
mean over the positions, weighted where the look has weights.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.styles.positions import Look, mean, rows, shares


class Moments(NamedTuple):
    """Of each channel."""

    mean_C: jax.Array
    central_KxC: jax.Array  # E[(F - mean)^k], k = 2, 3, ...


def moments(features_1xHxWxC: jax.Array, look: Look, order: int = 2) -> Moments:
    """The mean and the central moments up to `order` of each channel."""
    rows_MxC = rows(features_1xHxWxC)
    mean_C = mean(rows_MxC, look)
    centred_MxC = rows_MxC - mean_C
    central = [mean(centred_MxC**k, look) for k in range(2, order + 1)]
    return Moments(mean_C, jnp.stack(central) if central else jnp.zeros((0, *mean_C.shape)))


def mean_distance(found: Moments, target: Moments, channels: int) -> jax.Array:
    """1/C sum_c (mu_c - mu'_c)^2: with weights the guided mean of Gatys et al. 2017 (their code)."""
    return jnp.sum((found.mean_C - target.mean_C) ** 2) / channels


def moments_distance(found: Moments, target: Moments, channels: int) -> jax.Array:
    """1/C sum_c (mu_c - mu'_c)^2 + (sigma_c - sigma'_c)^2, sigma the standard deviation.

    Li et al. 2017 (*Demystifying Neural Style Transfer*), eq. 14: batch normalisation statistics.
    """
    deviations = numerics.safe_sqrt(found.central_KxC[0]), numerics.safe_sqrt(target.central_KxC[0])
    return mean_distance(found, target, channels) + jnp.sum((deviations[0] - deviations[1]) ** 2) / channels


def central_distance(found: Moments, target: Moments, channels: int) -> jax.Array:
    """1/C sum_c (mu_c - mu'_c)^2 + sum_k (r_k(m_kc) - r_k(m'_kc))^2, k = 2 .. `order`, m_k = E[(F - mu)^k].

    r_k(m) = m (m^2 + s^2k)^((1-k)/2k) is m / s^(k-1) for small m and the k-th root, with m's sign, for large
    ones: every order is in units of an activation, and none outgrows the others. s is the target's standard
    deviation over the whole layer (1 where that is 0). Central moment matching: Zellinger et al. 2017 (arXiv
    1702.08811); for style, Kalischek et al. 2021 (arXiv 2103.07208). Departs from the papers: they bound the
    activations in place of the roots, and add norms, which have no gradient at equality, in place of squares.
    """
    scale = numerics.safe_sqrt(jnp.sum(target.central_KxC[0]) / channels)
    scale = numerics.positive_or_one(scale)

    def roots(central_KxC):
        order_Kx1 = jnp.arange(2, len(central_KxC) + 2)[:, None]
        units_KxC = central_KxC / scale**order_Kx1
        return scale * units_KxC * (1 + units_KxC**2) ** ((1 - order_Kx1) / (2 * order_Kx1))

    difference_KxC = roots(found.central_KxC) - roots(target.central_KxC)
    return mean_distance(found, target, channels) + jnp.sum(difference_KxC**2) / channels


class Values(NamedTuple):
    """Columns whose distributions are compared."""

    rows_MxP: jax.Array
    weights_M: jax.Array | None  # sum 1; None: all alike


class Sorted(NamedTuple):
    """The same, each column in ascending order."""

    values_MxP: jax.Array
    weights_MxP: jax.Array | None


def _values(rows_MxP: jax.Array, look: Look) -> Values:
    return Values(rows_MxP, None if look.weights_HxW is None else look.weights_HxW.reshape(-1))


def histogram(features_1xHxWxC: jax.Array, look: Look) -> Values:
    """The activations of each channel."""
    return _values(rows(features_1xHxWxC), look)


def sliced(features_1xHxWxC: jax.Array, look: Look, projections: int = 0) -> Values:
    """F along `projections` orthonormal random directions (0, or more than C: C)."""
    rows_MxC = rows(features_1xHxWxC)
    channels = rows_MxC.shape[1]
    count = min(projections or channels, channels)
    basis_CxC = jnp.linalg.qr(jax.random.normal(look.key, (channels, channels)))[0]
    # scaled so that the sum over the directions stands for all C
    directions_CxP = basis_CxC[:, :count] * (channels / count) ** 0.5
    return _values(numerics.dot(rows_MxC, directions_CxP), look)


def ascending(values: Values) -> Sorted:
    """The target of `transport_distance`."""
    if values.weights_M is None:
        return Sorted(_sort(values.rows_MxP), None)
    # what has no weight comes last, as the largest of what has
    weighed_Mx1 = values.weights_M[:, None] > 0
    largest_P = jnp.max(jnp.where(weighed_Mx1, values.rows_MxP, -jnp.inf), 0)
    order_MxP = jnp.argsort(jnp.where(weighed_Mx1, values.rows_MxP, jnp.inf), axis=0)
    weights_MxP = values.weights_M[order_MxP]
    values_MxP = jnp.take_along_axis(values.rows_MxP, order_MxP, 0)
    return Sorted(jnp.where(weights_MxP > 0, values_MxP, largest_P), weights_MxP)


def _sort(values_MxP: jax.Array) -> jax.Array:
    """Ascending columns, by integers of the same order: XLA:CPU sorts these six times as fast."""

    def swap(bits):
        return jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits)

    bits_PxM = swap(jax.lax.bitcast_convert_type(values_MxP.T, jnp.int32))
    ordered_PxM = swap(jax.lax.sort(bits_PxM, dimension=1))
    return jax.lax.bitcast_convert_type(ordered_PxM, jnp.float32).T


def transport_distance(found: Values, target: Sorted, channels: int) -> jax.Array:
    """1/C sum_p int_0^1 (Q_p(u) - Q'_p(u))^2 du: squared 2-Wasserstein distances of the columns.

    Q is the quantile function of a column. Along the channels it is the histogram loss of Risser et al. 2017
    (*Stable and Controllable Neural Texture Synthesis and Style Transfer Using Histogram Losses*), section 3;
    along random directions the loss of Heitz et al. 2021 (*A Sliced Wasserstein Loss for Neural Texture
    Synthesis*), eq. 3. Departs from the papers: no bins, but the target's quantiles interpolated, which is
    also what pictures of two sizes need; directions drawn once and orthonormal, not anew at each step, so
    that the loss is a function.
    """
    return _transport(found.rows_MxP, found.weights_M, target) / channels


@jax.custom_vjp
def _transport(rows_MxP: jax.Array, weights_M: jax.Array | None, target: Sorted) -> jax.Array:
    """sum_m w_m (x_m - T(x_m))^2, T the map to the target's quantile; its gradient is 2 w_m (x_m - T(x_m)).

    Equal values, as the zeros of a rectifier, share the mean of their quantiles in the gradient.
    """
    return _transport_forward(rows_MxP, weights_M, target)[0]


def _transport_forward(rows_MxP, weights_M, target):
    found = ascending(Values(rows_MxP, weights_M))
    weights_MxP = 1 / len(rows_MxP) if weights_M is None else found.weights_MxP
    quantiles_MxP = _quantiles(target, found)
    value = jnp.sum(weights_MxP * (found.values_MxP - quantiles_MxP) ** 2)
    weights_MxP = jnp.broadcast_to(weights_MxP, quantiles_MxP.shape)
    matched_MxP = jax.vmap(_matched, 1, 1)(rows_MxP, found.values_MxP, quantiles_MxP, weights_MxP)
    weights_Mx1 = 1 / len(rows_MxP) if weights_M is None else weights_M[:, None]
    return value, 2 * weights_Mx1 * (rows_MxP - matched_MxP)


def _matched(values_M, sorted_M, quantiles_M, weights_M) -> jax.Array:
    """The mean quantile of each value's equals."""
    begins_M = jnp.concatenate([jnp.ones(1, bool), sorted_M[1:] != sorted_M[:-1]])

    def join(left, right):  # sums and weights that begin anew where a run of equals does
        (sums, totals, _), (more, further, fresh) = left, right
        both = jnp.where(fresh, more, sums + more), jnp.where(fresh, further, totals + further)
        return *both, left[2] | fresh

    sums_M, totals_M, _ = jax.lax.associative_scan(join, (weights_M * quantiles_M, weights_M, begins_M))
    last_M = jnp.searchsorted(sorted_M, values_M, side="right") - 1
    return sums_M[last_M] / jnp.maximum(totals_M[last_M], 1e-30)


_transport.defvjp(_transport_forward, lambda gradient_MxP, g: (g * gradient_MxP, None, None))


def _quantiles(target: Sorted, found: Sorted) -> jax.Array:
    """The target's quantiles at the middle of each of `found`'s weights, by linear interpolation, `MxP`."""
    count, target_count = len(found.values_MxP), len(target.values_MxP)
    if found.weights_MxP is None and target.weights_MxP is None:
        at_M = np.clip((np.arange(count) + 0.5) / count * target_count - 0.5, 0, target_count - 1)
        below_M = np.minimum(at_M.astype(int), max(target_count - 2, 0))
        above_M = np.minimum(below_M + 1, target_count - 1)
        share_Mx1 = (at_M - below_M)[:, None].astype(np.float32)
        return (1 - share_Mx1) * target.values_MxP[below_M] + share_Mx1 * target.values_MxP[above_M]
    return jax.vmap(jnp.interp, 1, 1)(_levels(found), _levels(target), target.values_MxP)


def _levels(ascending: Sorted) -> jax.Array:
    """The weight below each value and half its own."""
    if ascending.weights_MxP is None:
        count, columns = ascending.values_MxP.shape
        return jnp.broadcast_to(((jnp.arange(count) + 0.5) / count)[:, None], (count, columns))
    return jnp.cumsum(ascending.weights_MxP, 0) - ascending.weights_MxP / 2


class Gaussian(NamedTuple):
    """The first two moments of a layer, raw, so that those of several paintings may be averaged."""

    mean_C: jax.Array
    second_CxC: jax.Array  # E[F F^T]


def gaussian(features_1xHxWxC: jax.Array, look: Look) -> Gaussian:
    """The mean and the second moment over all channels."""
    rows_MxC = rows(features_1xHxWxC)
    second_CxC = numerics.einsum("m,mc,md->cd", shares(rows_MxC, look), rows_MxC, rows_MxC)
    return Gaussian(mean(rows_MxC, look), second_CxC)


class Aim(NamedTuple):
    """What of the painting's Gaussian a distance needs."""

    mean_C: jax.Array
    covariance_CxC: jax.Array
    root_CxC: jax.Array  # of the covariance


def bures_aim(target: Gaussian, floor: float, iterations: int) -> Aim:
    """The target of `bures_distance`, whose square root is the same at every step."""
    covariance_CxC = _covariance(target, floor)
    root_CxC = _newton_schulz(covariance_CxC, iterations)[0] if iterations else _square_root(covariance_CxC)
    return Aim(target.mean_C, covariance_CxC, root_CxC)


def bures_distance(found: Gaussian, target: Aim, channels: int, floor: float, iterations: int) -> jax.Array:
    """1/C (|mu - mu'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2)): squared 2-Wasserstein between Gaussians.

    S is the covariance, `floor` added to its diagonal. Dowson & Landau 1982; for style
    crowsonkb/style-transfer-pytorch (2023). The square roots by eigenvalues, or by `iterations` of
    Newton-Schulz (0: none), as there with 12.
    """
    covariance_CxC = _covariance(found, floor)
    spread = jnp.trace(covariance_CxC) + jnp.trace(target.covariance_CxC)
    spread -= 2 * overlap(covariance_CxC, target.root_CxC, iterations)
    return (jnp.sum((found.mean_C - target.mean_C) ** 2) + spread) / channels


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def overlap(covariance_CxC: jax.Array, root_CxC: jax.Array, iterations: int) -> jax.Array:
    """tr (R S R)^1/2 for a covariance S and another's square root R; its gradient is R (R S R)^-1/2 R / 2.

    By eigenvalues it is the sum of the singular values of S^1/2 R, which float32 resolves: the eigenvalues of
    R S R are their squares. The derivative of the vectors, infinite at equal values, is not needed.
    """
    return _overlap_forward(covariance_CxC, root_CxC, iterations)[0]


def _overlap_forward(covariance_CxC, root_CxC, iterations):
    if iterations:
        inner_CxC = numerics.einsum("ij,jk,kl->il", root_CxC, covariance_CxC, root_CxC)
        inner_root_CxC, inverse_CxC = _newton_schulz(inner_CxC, iterations)
        gradient_CxC = numerics.einsum("ij,jk,kl->il", root_CxC, inverse_CxC, root_CxC)
        return jnp.trace(inner_root_CxC), gradient_CxC
    product_CxC = numerics.dot(_square_root(covariance_CxC), root_CxC)
    _, values_C, right_CxC = jnp.linalg.svd(product_CxC)
    safe_C = jnp.maximum(values_C, jnp.maximum(1e-6 * values_C[0], 1e-30))
    # R V s^-1 V^T R as a square, which keeps more digits than the inverse in its middle
    half_CxC = numerics.dot(root_CxC, right_CxC.T / jnp.sqrt(safe_C))
    return jnp.sum(values_C), numerics.dot(half_CxC, half_CxC.T)


overlap.defvjp(_overlap_forward, lambda iterations, gradient_CxC, g: (g / 2 * gradient_CxC, None))


def _covariance(moments: Gaussian, floor: float) -> jax.Array:
    identity_CxC = jnp.eye(len(moments.mean_C))
    return moments.second_CxC - jnp.outer(moments.mean_C, moments.mean_C) + floor * identity_CxC


def _square_root(matrix_CxC: jax.Array) -> jax.Array:
    """A^1/2 of a symmetric matrix, whose negative eigenvalues are rounding and count as 0."""
    values_C, vectors_CxC = jnp.linalg.eigh((matrix_CxC + matrix_CxC.T) / 2)
    return numerics.dot(vectors_CxC * jnp.sqrt(jnp.maximum(values_C, 0)), vectors_CxC.T)


def _newton_schulz(matrix_CxC: jax.Array, iterations: int) -> tuple[jax.Array, jax.Array]:
    """The coupled iteration Y <- Y (3 I - Z Y) / 2, Z <- (3 I - Z Y) Z / 2 from Y = A / |A|, Z = I.

    Higham 2008, *Functions of Matrices*, eq. 6.35.
    """
    norm = jnp.sqrt(jnp.sum(matrix_CxC**2))
    identity_CxC = jnp.eye(len(matrix_CxC))

    def step(_, carry):
        y_CxC, z_CxC = carry
        t_CxC = 1.5 * identity_CxC - 0.5 * numerics.dot(z_CxC, y_CxC)
        return numerics.dot(y_CxC, t_CxC), numerics.dot(t_CxC, z_CxC)

    y_CxC, z_CxC = jax.lax.fori_loop(0, iterations, step, (matrix_CxC / norm, identity_CxC))
    return y_CxC * jnp.sqrt(norm), z_CxC / jnp.sqrt(norm)
