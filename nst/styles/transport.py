"""Style as a distribution of activations, compared by optimal transport: histograms, slices, Gaussians.

F_mc is the activation of channel c of C at position m of M, and E is the mean over the positions, weighted if
the positions have weights.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.styles.moments import RawMoments, raw_moments
from nst.styles.positions import Positions, flatten
from nst.styles.representation import Representation, normalized, number, of_one_layer, whole

# --- distributions of one variable: channels, or slices


class Values(NamedTuple):
    """Columns of values, whose distributions are compared."""

    rows_MxP: jax.Array
    weights_M: jax.Array | None  # sum 1; None: equal weights


class Sorted(NamedTuple):
    """Columns of values in ascending order."""

    values_MxP: jax.Array
    weights_MxP: jax.Array | None


def _values(rows_MxP: jax.Array, positions: Positions) -> Values:
    return Values(rows_MxP, None if positions.weights_HxW is None else positions.weights_HxW.reshape(-1))


def channel_values(features_1xHxWxC: jax.Array, positions: Positions) -> Values:
    """Returns the activations of each channel."""
    return _values(flatten(features_1xHxWxC), positions)


def sliced_values(features_1xHxWxC: jax.Array, positions: Positions, projections: int = 0) -> Values:
    """Returns F along `projections` orthonormal random directions, of which there are at most C; 0: C."""
    rows_MxC = flatten(features_1xHxWxC)
    channels = rows_MxC.shape[1]
    count = min(projections or channels, channels)
    basis_CxC = jnp.linalg.qr(jax.random.normal(positions.key, (channels, channels)))[0]
    # scaled so that the sum over the directions stands for all C
    directions_CxP = basis_CxC[:, :count] * (channels / count) ** 0.5
    return _values(numerics.dot(rows_MxC, directions_CxP), positions)


def sort_columns(values: Values) -> Sorted:
    """Sorts each column; the sorted columns of the painting are the target of `transport_distance`."""
    if values.weights_M is None:
        return Sorted(_sort(values.rows_MxP), None)
    # values of weight 0 come last and are set to the largest value with weight, so they change no quantile
    counts_Mx1 = values.weights_M[:, None] > 0
    largest_P = jnp.max(jnp.where(counts_Mx1, values.rows_MxP, -jnp.inf), 0)
    order_MxP = jnp.argsort(jnp.where(counts_Mx1, values.rows_MxP, jnp.inf), axis=0)
    weights_MxP = values.weights_M[order_MxP]
    values_MxP = jnp.take_along_axis(values.rows_MxP, order_MxP, 0)
    return Sorted(jnp.where(weights_MxP > 0, values_MxP, largest_P), weights_MxP)


def _sort(values_MxP: jax.Array) -> jax.Array:
    """Sorts the columns as integers that have the same order, six times as fast as floats on XLA:CPU."""

    def swap(bits):
        # negative floats, read as integers, are in reverse order
        return jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits)

    bits_PxM = swap(jax.lax.bitcast_convert_type(values_MxP.T, jnp.int32))
    ordered_PxM = swap(jax.lax.sort(bits_PxM, dimension=1))
    return jax.lax.bitcast_convert_type(ordered_PxM, jnp.float32).T


def transport_distance(values: Values, target: Sorted, channels: int) -> jax.Array:
    """Computes 1/C sum_p int_0^1 (Q_p(u) - Q'_p(u))^2 du, a sum of squared 2-Wasserstein distances.

    Q_p is the quantile function of column p. If the columns are the channels, the value is the histogram loss
    of Risser et al. 2017 (*Stable and Controllable Neural Texture Synthesis and Style Transfer Using
    Histogram Losses*), section 3. If they are projections on random directions, it is the loss of Heitz et
    al. 2021 (*A Sliced Wasserstein Loss for Neural Texture Synthesis*), eq. 3. Departs from the papers: the
    target's quantiles are interpolated instead of binned, which also works for images of two sizes; the
    directions are orthonormal and the same at all steps, so that the loss is a function of the image.
    """
    return _transport(values.rows_MxP, values.weights_M, target) / channels


def make_histogram(normalization: str) -> Representation:
    """Returns the representation by the distribution of each channel."""
    describe = of_one_layer(channel_values)
    return normalized(describe, transport_distance, normalization, sort_columns, blends=False, rotates=False)


def make_sliced_wasserstein(normalization: str, projections: int = 0) -> Representation:
    """Returns the representation by the distributions along random directions."""
    describe = of_one_layer(partial(sliced_values, projections=whole("projections", projections, 0)))
    return normalized(describe, transport_distance, normalization, sort_columns, blends=False)


@jax.custom_vjp
def _transport(rows_MxP: jax.Array, weights_M: jax.Array | None, target: Sorted) -> jax.Array:
    """Computes sum_m w_m (x_m - T(x_m))^2, where T maps a value to the target's quantile.

    The gradient is 2 w_m (x_m - T(x_m)). In it, T maps equal values, such as the zeros after a rectifier, to
    the mean of their quantiles.
    """
    return _transport_forward(rows_MxP, weights_M, target)[0]


def _transport_forward(rows_MxP, weights_M, target):
    own = sort_columns(Values(rows_MxP, weights_M))
    weights_MxP = 1 / len(rows_MxP) if weights_M is None else own.weights_MxP
    quantiles_MxP = _quantiles(target, own)
    value = jnp.sum(weights_MxP * (own.values_MxP - quantiles_MxP) ** 2)
    weights_MxP = jnp.broadcast_to(weights_MxP, quantiles_MxP.shape)
    matched_MxP = jax.vmap(_mean_quantiles, 1, 1)(rows_MxP, own.values_MxP, quantiles_MxP, weights_MxP)
    weights_Mx1 = 1 / len(rows_MxP) if weights_M is None else weights_M[:, None]
    return value, 2 * weights_Mx1 * (rows_MxP - matched_MxP)


def _mean_quantiles(values_M, sorted_M, quantiles_M, weights_M) -> jax.Array:
    """Returns, for each value, the mean quantile of all values that are equal to it."""
    starts_M = jnp.concatenate([jnp.ones(1, bool), sorted_M[1:] != sorted_M[:-1]])

    def join(left, right):  # adds up, and starts again where a run of equal values starts
        (left_sum, left_weight, left_starts), (sum_, weight, starts) = left, right
        joined = jnp.where(starts, sum_, left_sum + sum_), jnp.where(starts, weight, left_weight + weight)
        return *joined, left_starts | starts

    sums_M, totals_M, _ = jax.lax.associative_scan(join, (weights_M * quantiles_M, weights_M, starts_M))
    last_M = jnp.searchsorted(sorted_M, values_M, side="right") - 1
    return sums_M[last_M] / jnp.maximum(totals_M[last_M], 1e-30)


_transport.defvjp(_transport_forward, lambda gradient_MxP, g: (g * gradient_MxP, None, None))


def _quantiles(target: Sorted, own: Sorted) -> jax.Array:
    """Interpolates the target's quantiles linearly at the levels of the image's values, `MxP`."""
    count, target_count = len(own.values_MxP), len(target.values_MxP)
    if own.weights_MxP is None and target.weights_MxP is None:
        at_M = np.clip((np.arange(count) + 0.5) / count * target_count - 0.5, 0, target_count - 1)
        below_M = np.minimum(at_M.astype(int), max(target_count - 2, 0))
        above_M = np.minimum(below_M + 1, target_count - 1)
        share_Mx1 = (at_M - below_M)[:, None].astype(np.float32)
        return (1 - share_Mx1) * target.values_MxP[below_M] + share_Mx1 * target.values_MxP[above_M]
    return jax.vmap(jnp.interp, 1, 1)(_levels(own), _levels(target), target.values_MxP)


def _levels(columns: Sorted) -> jax.Array:
    """Returns the level of each value: the total weight of the values before it, plus half its own weight."""
    if columns.weights_MxP is None:
        count, width = columns.values_MxP.shape
        return jnp.broadcast_to(((jnp.arange(count) + 0.5) / count)[:, None], (count, width))
    return jnp.cumsum(columns.weights_MxP, 0) - columns.weights_MxP / 2


# --- Gaussians


class GaussianTarget(NamedTuple):
    """The statistics of the painting that `bures_distance` uses."""

    mean_C: jax.Array
    covariance_CxC: jax.Array
    root_CxC: jax.Array  # square root of the covariance


def bures_target(painting: RawMoments, floor: float, iterations: int) -> GaussianTarget:
    """Returns the target of `bures_distance`, including the square root, which is the same at every step."""
    covariance_CxC = _covariance(painting, floor)
    root_CxC = _newton_schulz(covariance_CxC, iterations)[0] if iterations else _square_root(covariance_CxC)
    return GaussianTarget(painting.mean_C, covariance_CxC, root_CxC)


def bures_distance(
    statistics: RawMoments, target: GaussianTarget, channels: int, floor: float, iterations: int
) -> jax.Array:
    """Computes 1/C (|mu - mu'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2)).

    The value is the squared 2-Wasserstein distance between two Gaussians, divided by C. S is the covariance
    with `floor` added to its diagonal. Dowson & Landau 1982; for style, crowsonkb/style-transfer-pytorch
    (2023). The square roots are computed from eigenvalues if `iterations` is 0, else by that number of
    Newton-Schulz iterations, of which crowsonkb's code makes 12.
    """
    covariance_CxC = _covariance(statistics, floor)
    spread = jnp.trace(covariance_CxC) + jnp.trace(target.covariance_CxC)
    spread -= 2 * overlap(covariance_CxC, target.root_CxC, iterations)
    return (jnp.sum((statistics.mean_C - target.mean_C) ** 2) + spread) / channels


def make_wasserstein_gaussian(normalization: str, floor: float = 1e-4, iterations: int = 0) -> Representation:
    """Returns the representation by `bures_distance`."""
    settings = {
        "floor": number("floor", floor, 0.0),
        "iterations": whole("iterations", iterations, 0, most=1000),
    }
    distance, target = partial(bures_distance, **settings), partial(bures_target, **settings)
    return normalized(of_one_layer(raw_moments), distance, normalization, target, linear=True)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def overlap(covariance_CxC: jax.Array, root_CxC: jax.Array, iterations: int) -> jax.Array:
    """Computes tr (R S R)^1/2 of a covariance S and the square root R of another covariance.

    The gradient is R (R S R)^-1/2 R / 2. With `iterations` = 0 the value is computed as the sum of the
    singular values of S^1/2 R, because float32 resolves them better than their squares, the eigenvalues of
    R S R. The derivative of the singular vectors, which is infinite at equal singular values, is not needed.
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
    # R V s^-1 V^T R, computed as the square of R V s^-1/2, which keeps more digits
    half_CxC = numerics.dot(root_CxC, right_CxC.T / jnp.sqrt(safe_C))
    return jnp.sum(values_C), numerics.dot(half_CxC, half_CxC.T)


overlap.defvjp(_overlap_forward, lambda iterations, gradient_CxC, g: (g / 2 * gradient_CxC, None))


def _covariance(moments: RawMoments, floor: float) -> jax.Array:
    identity_CxC = jnp.eye(len(moments.mean_C))
    return moments.second_CxC - jnp.outer(moments.mean_C, moments.mean_C) + floor * identity_CxC


def _square_root(matrix_CxC: jax.Array) -> jax.Array:
    """Computes A^1/2 of a symmetric matrix A; negative eigenvalues are rounding errors and count as 0."""
    values_C, vectors_CxC = jnp.linalg.eigh((matrix_CxC + matrix_CxC.T) / 2)
    return numerics.dot(vectors_CxC * jnp.sqrt(jnp.maximum(values_C, 0)), vectors_CxC.T)


def _newton_schulz(matrix_CxC: jax.Array, iterations: int) -> tuple[jax.Array, jax.Array]:
    """Computes A^1/2 and A^-1/2 by the iterations of Newton and Schulz.

        Y <- Y (3 I - Z Y) / 2,   Z <- (3 I - Z Y) Z / 2,   from Y = A / |A|, Z = I

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
