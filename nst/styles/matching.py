"""Style as nearest neighbours: patches, contextual similarity, relaxed earth mover's distance, hypercolumns.

Layers are compared position by position, or, as hypercolumns, all layers together at drawn points of the
picture. Matrices of all pairs are computed in blocks of rows, again for the gradient.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.errors import UserError
from nst.networks.slim import evaluated
from nst.styles.mmd import unit
from nst.styles.positions import Look, rows

_BLOCK = 1 << 24  # pairs at a time


def _blocks(function: Callable, rows_MxC: jax.Array, columns: int):
    """`function` of (rows, which of them are not padding), a block of rows at a time; stacked."""
    count = math.ceil(len(rows_MxC) * columns / _BLOCK)
    size = math.ceil(len(rows_MxC) / count)
    padded = jnp.pad(rows_MxC, ((0, size * count - len(rows_MxC)), (0, 0)))
    real = (jnp.arange(size * count) < len(rows_MxC)).reshape(count, size)
    checkpointed = jax.checkpoint(lambda part: function(*part))
    return jax.lax.map(checkpointed, (padded.reshape(count, size, -1), real))


# --- patches


class Patches(NamedTuple):
    """Square patches of a layer, flattened."""

    patches_PxD: jax.Array
    weights_P: jax.Array  # of their middles


def patches(features_1xHxWxC: jax.Array, look: Look, size: int, stride: int) -> Patches:
    """All `size` x `size` patches, `stride` apart, that lie wholly in the layer.

    Raises:
      UserError: there is none.
    """
    features_1xHxWxC = evaluated(features_1xHxWxC).astype(jnp.float32)
    height, width = (edge - size + 1 for edge in features_1xHxWxC.shape[1:3])
    if min(height, width) < 1:
        raise UserError(
            f"style_loss.representation: a layer of {width + size - 1}x{height + size - 1} positions has no "
            f"{size}x{size} patch; raise size or style_size, or ask for shallower layers"
        )
    middle = size // 2

    def at(array, y, x):
        return array[y : y + height : stride, x : x + width : stride]

    corners = [at(features_1xHxWxC[0], y, x) for y in range(size) for x in range(size)]
    found_PxD = jnp.concatenate(corners, -1).reshape(-1, size * size * features_1xHxWxC.shape[-1])
    if look.weights_HxW is None:
        return Patches(found_PxD, jnp.full(len(found_PxD), 1 / len(found_PxD)))
    weights_P = at(look.weights_HxW, middle, middle).reshape(-1)
    return Patches(found_PxD, weights_P / jnp.maximum(weights_P.sum(), 1e-30))


def patch_distance(found: Patches, target: Patches, channels: int, size: int) -> jax.Array:
    """sum_i w_i |p_i - q_NN(i)|^2 / D, NN(i) the target's patch of largest p_i . q / (|p_i| |q|).

    Li & Wand 2016 (*Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis*),
    eq. 2-3. D = size^2 C values a patch. Departs from the paper: a mean in place of a sum, so that no size of
    picture counts more.
    """
    targets_DxQ = unit(target.patches_PxD).T
    allowed_Q = target.weights_P > 0

    def nearest(patches_PxD, _):
        scores_PxQ = numerics.dot(patches_PxD, targets_DxQ)
        return jnp.argmax(jnp.where(allowed_Q, scores_PxQ, -jnp.inf), 1)

    at_P = _blocks(nearest, jax.lax.stop_gradient(found.patches_PxD), targets_DxQ.shape[1]).reshape(-1)
    difference_PxD = found.patches_PxD - target.patches_PxD[at_P[: len(found.patches_PxD)]]
    return found.weights_P @ jnp.sum(difference_PxD**2, 1) / (channels * size**2)


# --- contextual


def drawn(features_1xHxWxC: jax.Array, look: Look) -> jax.Array:
    """The activations at `look.drawn_S`, `SxC`."""
    return rows(features_1xHxWxC)[look.drawn_S]


def contextual_distance(
    found_SxC: jax.Array, target_TxC: jax.Array, channels: int, bandwidth: float
) -> jax.Array:
    """-log 1/T sum_j max_i CX_ij, the contextual loss of Mechrez, Talmi & Zelnik-Manor 2018, eq. 1-5.

    With d_ij the cosine distance of activations centred by the target's mean, d~_ij = d_ij / (min_k d_ik +
    1e-5) and w_ij = exp((1 - d~_ij) / h), h = `bandwidth`: CX_ij = w_ij / sum_k w_ik.
    """
    centre_C = jnp.mean(target_TxC, 0)
    targets_CxT = unit(target_TxC - centre_C).T

    def best(rows_SxC, real_S):
        distances_SxT = jnp.maximum(1 - numerics.dot(unit(rows_SxC - centre_C), targets_CxT), 0)
        relative_SxT = distances_SxT / (jnp.min(distances_SxT, 1, keepdims=True) + 1e-5)
        similar_SxT = jax.nn.softmax((1 - relative_SxT) / bandwidth, axis=1)
        return jnp.max(jnp.where(real_S[:, None], similar_SxT, 0), 0)

    best_BxT = _blocks(best, found_SxC, len(target_TxC))
    return -jnp.log(jnp.mean(jnp.max(best_BxT, 0)) + 1e-30)


# --- hypercolumns


def hypercolumns(activations: Sequence[jax.Array], looks: Sequence[Look]) -> jax.Array:
    """All layers at drawn points of the picture, joined: `SxD`, each layer interpolated bilinearly.

    The points are those drawn in the first layer. Kolkin, Salavon & Shakhnarovich 2019 (*Style Transfer by
    Relaxed Optimal Transport and Self-Similarity*), section 3.1.
    """
    first = evaluated(activations[0])
    _, height, width, _ = first.shape
    at_S = looks[0].drawn_S
    points_Sx2 = jnp.stack([(at_S // width + 0.5) / height, (at_S % width + 0.5) / width], 1)
    columns = [_bilinear(evaluated(activation), points_Sx2) for activation in activations]
    return jnp.concatenate(columns, 1)


def _bilinear(features_1xHxWxC: jax.Array, points_Sx2: jax.Array) -> jax.Array:
    """A layer's values at points of the unit square (y, x), `SxC`."""
    features_HxWxC = features_1xHxWxC[0].astype(jnp.float32)
    edges_2 = jnp.array(features_HxWxC.shape[:2])
    at_Sx2 = jnp.clip(points_Sx2 * edges_2 - 0.5, 0, edges_2 - 1)
    low_Sx2 = jnp.floor(at_Sx2).astype(jnp.int32)
    high_Sx2 = jnp.minimum(low_Sx2 + 1, edges_2 - 1)
    (y_Sx1, x_Sx1) = jnp.split(at_Sx2 - low_Sx2, 2, axis=1)
    (top, left), (bottom, right) = low_Sx2.T, high_Sx2.T
    upper = (1 - x_Sx1) * features_HxWxC[top, left] + x_Sx1 * features_HxWxC[top, right]
    lower = (1 - x_Sx1) * features_HxWxC[bottom, left] + x_Sx1 * features_HxWxC[bottom, right]
    return (1 - y_Sx1) * upper + y_Sx1 * lower


def _cosine_distances(found_SxD: jax.Array, target_TxD: jax.Array) -> jax.Array:
    return jnp.maximum(1 - numerics.dot(unit(found_SxD), unit(target_TxD).T), 0)


def _euclidean_distances(found_SxD: jax.Array, target_TxD: jax.Array) -> jax.Array:
    # not as |x|^2 + |y|^2 - 2 x . y, whose rounding the root makes large where x = y
    pairs = zip(found_SxD.T, target_TxD.T, strict=True)
    squares_SxT = sum((found_S[:, None] - target_T) ** 2 for found_S, target_T in pairs)
    return numerics.safe_sqrt(squares_SxT)


def relaxed_earth_mover(distances_SxT: jax.Array) -> jax.Array:
    """max(1/S sum_i min_j D_ij, 1/T sum_j min_i D_ij): Kolkin et al. 2019, eq. 4-6."""
    return jnp.maximum(jnp.mean(jnp.min(distances_SxT, 1)), jnp.mean(jnp.min(distances_SxT, 0)))


def remd_distance(found_SxD: jax.Array, target_TxD: jax.Array, channels: int) -> jax.Array:
    """The relaxed earth mover's distance with the cosine distance (Kolkin et al. 2019, section 3.2)."""
    return relaxed_earth_mover(_cosine_distances(found_SxD, target_TxD))


def column_moments_distance(found_SxD: jax.Array, target_TxD: jax.Array, channels: int) -> jax.Array:
    """1/d |mu - mu'|_1 + 1/d^2 |S - S'|_1, means and covariances (Kolkin et al. 2019, eq. 7)."""

    def of(columns_SxD):
        mean_D = jnp.mean(columns_SxD, 0)
        centred_SxD = columns_SxD - mean_D
        return mean_D, numerics.dot(centred_SxD.T, centred_SxD) / len(columns_SxD)

    (mean_D, covariance_DxD), (target_D, target_DxD) = of(found_SxD), of(target_TxD)
    return jnp.sum(numerics.absolute(mean_D - target_D)) / channels + (
        jnp.sum(numerics.absolute(covariance_DxD - target_DxD)) / channels**2
    )


# BT.601, for pixels in [0, 1]
_YUV = ((0.299, 0.587, 0.114), (-0.14714, -0.28886, 0.436), (0.615, -0.51499, -0.10001))


def palette(image_1xHxWx3: jax.Array, look: Look) -> jax.Array:
    """The colours at the drawn points, as YUV, `Sx3`."""
    return numerics.dot(drawn(image_1xHxWx3, look), jnp.array(_YUV).T)


def palette_distance(found_Sx3: jax.Array, target_Tx3: jax.Array, channels: int) -> jax.Array:
    """The relaxed earth mover's distance of colours, Euclidean (Kolkin et al. 2019, section 3.2)."""
    return relaxed_earth_mover(_euclidean_distances(found_Sx3, target_Tx3))


def self_similarity_distance(found_SxD: jax.Array, target_SxD: jax.Array) -> jax.Array:
    """1/S^2 sum_ij |D_ij / sum_i D_ij - D'_ij / sum_i D'_ij|, D the cosine distances within each picture.

    The content loss of Kolkin et al. 2019, eq. 9, times 1/S; both at the same points.
    """

    def normalized(columns_SxD):
        distances_SxS = _cosine_distances(columns_SxD, columns_SxD)
        sums_S = jnp.sum(distances_SxS, 0)
        return distances_SxS / numerics.positive_or_one(sums_S)

    return jnp.mean(numerics.absolute(normalized(found_SxD) - normalized(target_SxD)))
