"""Style as nearest neighbours: patches, contextual similarity, relaxed earth mover's distance, hypercolumns.

Layers are compared one by one, position by position, or all together, as hypercolumns at sampled points of
the image. To save memory, the distances of all pairs of positions are computed in blocks of rows, and once
more for the gradient.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.errors import TooSmall
from nst.networks.slim import materialize
from nst.styles.positions import Positions, flatten
from nst.styles.representation import (
    Representation,
    all_layers,
    normalized,
    of_one_layer,
    positive,
    whole,
)

_BLOCK = 1 << 24  # pairs that are compared at a time, which bounds the memory


def _blocks(function: Callable, rows_MxC: jax.Array, columns: int):
    """Applies `function(rows, real)` to blocks of rows and stacks the results.

    `real` is False for the rows that pad the last block. Each row makes `columns` pairs, and a block at most
    about _BLOCK pairs.
    """
    count = math.ceil(len(rows_MxC) * columns / _BLOCK)
    size = math.ceil(len(rows_MxC) / count)
    padded = jnp.pad(rows_MxC, ((0, size * count - len(rows_MxC)), (0, 0)))
    real = (jnp.arange(size * count) < len(rows_MxC)).reshape(count, size)
    checkpointed = jax.checkpoint(lambda block: function(*block))
    return jax.lax.map(checkpointed, (padded.reshape(count, size, -1), real))


# --- patches


class Patches(NamedTuple):
    """The square patches of a layer, flattened."""

    patches_PxD: jax.Array
    weights_P: jax.Array  # weights of the positions at the centres of the patches, sum 1


def patches(features_1xHxWxC: jax.Array, positions: Positions, size: int, stride: int) -> Patches:
    """Returns the `size` x `size` patches, `stride` positions apart, that lie wholly in the layer.

    Raises:
      TooSmall: the layer is smaller than a patch.
    """
    features_1xHxWxC = materialize(features_1xHxWxC).astype(jnp.float32)
    height, width = (edge - size + 1 for edge in features_1xHxWxC.shape[1:3])
    if min(height, width) < 1:
        raise TooSmall(
            f"style_loss.representation: a layer of {width + size - 1}x{height + size - 1} positions has no "
            f"{size}x{size} patch; raise size or style_size, or ask for shallower layers"
        )
    middle = size // 2

    def at(array, y, x):
        return array[y : y + height : stride, x : x + width : stride]

    corners = [at(features_1xHxWxC[0], y, x) for y in range(size) for x in range(size)]
    patches_PxD = jnp.concatenate(corners, -1).reshape(-1, size * size * features_1xHxWxC.shape[-1])
    if positions.weights_HxW is None:
        return Patches(patches_PxD, jnp.full(len(patches_PxD), 1 / len(patches_PxD)))
    weights_P = at(positions.weights_HxW, middle, middle).reshape(-1)
    return Patches(patches_PxD, weights_P / jnp.maximum(weights_P.sum(), 1e-30))


def patch_distance(statistics: Patches, target: Patches, channels: int, size: int) -> jax.Array:
    """Computes sum_i w_i |p_i - q_NN(i)|^2 / D.

    NN(i) is the index of the target's patch q for which p_i . q / (|p_i| |q|) is largest.

    Li & Wand 2016 (*Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis*),
    eq. 2-3. A patch has D = size^2 C values. Departs from the paper: the mean is taken in place of the sum,
    so that the weight of the term does not depend on the size of the image.
    """
    targets_DxQ = numerics.unit_rows(target.patches_PxD).T
    allowed_Q = target.weights_P > 0  # patches outside the region cannot be matched

    def nearest(patches_PxD, _):
        scores_PxQ = numerics.dot(patches_PxD, targets_DxQ)
        return jnp.argmax(jnp.where(allowed_Q, scores_PxQ, -jnp.inf), 1)

    patches_PxD = statistics.patches_PxD
    nearest_P = _blocks(nearest, jax.lax.stop_gradient(patches_PxD), targets_DxQ.shape[1]).reshape(-1)
    difference_PxD = patches_PxD - target.patches_PxD[nearest_P[: len(patches_PxD)]]
    return statistics.weights_P @ jnp.sum(difference_PxD**2, 1) / (channels * size**2)


def make_mrf(normalization: str, size: int = 3, stride: int = 2) -> Representation:
    """Returns the representation by `patch_distance` (Markov random field)."""
    describe = partial(patches, size=whole("size", size), stride=whole("stride", stride))
    distance = partial(patch_distance, size=size)
    return normalized(of_one_layer(describe), distance, normalization, blends=False)


# --- contextual


def sampled_activations(features_1xHxWxC: jax.Array, positions: Positions) -> jax.Array:
    """Returns the activations at the sampled positions, `SxC`."""
    return flatten(features_1xHxWxC)[positions.sampled_S]


def contextual_distance(
    sample_SxC: jax.Array, target_TxC: jax.Array, channels: int, bandwidth: float
) -> jax.Array:
    """Computes -log 1/T sum_j max_i CX_ij: Mechrez, Talmi & Zelnik-Manor 2018, eq. 1-5.

    Here CX_ij = w_ij / sum_k w_ik, w_ij = exp((1 - d~_ij) / h) with h = `bandwidth`, and d~_ij = d_ij /
    (min_k d_ik + 1e-5), where d_ij is the cosine distance of two activations after the target's mean is
    subtracted from both.
    """
    centre_C = jnp.mean(target_TxC, 0)
    targets_CxT = numerics.unit_rows(target_TxC - centre_C).T

    def best(rows_SxC, real_S):
        distances_SxT = jnp.maximum(1 - numerics.dot(numerics.unit_rows(rows_SxC - centre_C), targets_CxT), 0)
        relative_SxT = distances_SxT / (jnp.min(distances_SxT, 1, keepdims=True) + 1e-5)
        similar_SxT = jax.nn.softmax((1 - relative_SxT) / bandwidth, axis=1)
        return jnp.max(jnp.where(real_S[:, None], similar_SxT, 0), 0)

    best_BxT = _blocks(best, sample_SxC, len(target_TxC))
    return -jnp.log(jnp.mean(jnp.max(best_BxT, 0)) + 1e-30)


def make_contextual(normalization: str, bandwidth: float = 0.5, samples: int = 4096) -> Representation:
    """Returns the representation by `contextual_distance`."""
    distance = partial(contextual_distance, bandwidth=positive("bandwidth", bandwidth))
    describe, samples = of_one_layer(sampled_activations), whole("samples", samples)
    return normalized(describe, distance, normalization, samples=samples, blends=False)


# --- hypercolumns


def hypercolumns(activations: Sequence[jax.Array], positions: Sequence[Positions]) -> jax.Array:
    """Returns the values of all layers at sampled points of the image, `SxD`, interpolated bilinearly.

    The points are the sampled positions of the first layer. Kolkin, Salavon & Shakhnarovich 2019 (*Style
    Transfer by Relaxed Optimal Transport and Self-Similarity*), section 3.1.

    Args:
      activations: the layers, `1xHxWxC`, of any sizes.
      positions: the positions of each layer.
    """
    first = materialize(activations[0])
    _, height, width, _ = first.shape
    sampled_S = positions[0].sampled_S
    points_Sx2 = jnp.stack([(sampled_S // width + 0.5) / height, (sampled_S % width + 0.5) / width], 1)
    columns = [_bilinear(materialize(activation), points_Sx2) for activation in activations]
    return jnp.concatenate(columns, 1)


def _bilinear(features_1xHxWxC: jax.Array, points_Sx2: jax.Array) -> jax.Array:
    """Interpolates a layer at points (y, x) of the unit square, `SxC`."""
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


def _cosine_distances(columns_SxD: jax.Array, target_TxD: jax.Array) -> jax.Array:
    cosines_SxT = numerics.dot(numerics.unit_rows(columns_SxD), numerics.unit_rows(target_TxD).T)
    return jnp.maximum(1 - cosines_SxT, 0)


def _euclidean_distances(columns_SxD: jax.Array, target_TxD: jax.Array) -> jax.Array:
    # not |x|^2 + |y|^2 - 2 x . y, because near x = y the root would enlarge the rounding error of that sum
    pairs = zip(columns_SxD.T, target_TxD.T, strict=True)
    squares_SxT = sum((column_S[:, None] - target_T) ** 2 for column_S, target_T in pairs)
    return numerics.safe_sqrt(squares_SxT)


def relaxed_earth_mover(distances_SxT: jax.Array) -> jax.Array:
    """Computes max(1/S sum_i min_j D_ij, 1/T sum_j min_i D_ij): Kolkin et al. 2019, eq. 4-6."""
    return jnp.maximum(jnp.mean(jnp.min(distances_SxT, 1)), jnp.mean(jnp.min(distances_SxT, 0)))


def remd_distance(columns_SxD: jax.Array, target_TxD: jax.Array, channels: int) -> jax.Array:
    """Computes the relaxed earth mover's distance with cosine distances (Kolkin et al. 2019, section 3.2)."""
    return relaxed_earth_mover(_cosine_distances(columns_SxD, target_TxD))


def _of_columns(normalization: str, distance: Callable, samples: int, **properties) -> Representation:
    """Returns a representation by hypercolumns, whose single term of the loss has all layers."""
    return normalized(
        hypercolumns, distance, normalization,
        parts=all_layers, channels=sum, samples=whole("samples", samples), blends=False, **properties,
    )  # fmt: skip


def make_remd(normalization: str, samples: int = 1024) -> Representation:
    """Returns the representation by `remd_distance`."""
    return _of_columns(normalization, remd_distance, samples)


def column_moments_distance(columns_SxD: jax.Array, target_TxD: jax.Array, channels: int) -> jax.Array:
    """Computes 1/D |mu - mu'|_1 + 1/D^2 |S - S'|_1 of means mu and covariances S (Kolkin et al., eq. 7)."""

    def moments(columns_SxD):
        mean_D = jnp.mean(columns_SxD, 0)
        centred_SxD = columns_SxD - mean_D
        return mean_D, numerics.dot(centred_SxD.T, centred_SxD) / len(columns_SxD)

    (mean_D, covariance_DxD), (target_D, target_DxD) = moments(columns_SxD), moments(target_TxD)
    return jnp.sum(numerics.absolute(mean_D - target_D)) / channels + (
        jnp.sum(numerics.absolute(covariance_DxD - target_DxD)) / channels**2
    )


def make_column_moments(normalization: str, samples: int = 1024) -> Representation:
    """Returns the representation by `column_moments_distance`."""
    return _of_columns(normalization, column_moments_distance, samples, rotates=False)


# --- colours, and the similarity of an image to itself

# BT.601, for pixels in [0, 1]
_YUV = ((0.299, 0.587, 0.114), (-0.14714, -0.28886, 0.436), (0.615, -0.51499, -0.10001))


def palette(image_1xHxWx3: jax.Array, positions: Positions) -> jax.Array:
    """Returns the colours at the sampled positions as YUV, `Sx3`."""
    return numerics.dot(sampled_activations(image_1xHxWx3, positions), jnp.array(_YUV).T)


def palette_distance(colors_Sx3: jax.Array, target_Tx3: jax.Array, channels: int) -> jax.Array:
    """Computes the relaxed earth mover's distance of the colours (Kolkin et al. 2019, section 3.2)."""
    return relaxed_earth_mover(_euclidean_distances(colors_Sx3, target_Tx3))


def make_palette(normalization: str, samples: int = 1024) -> Representation:
    """Returns the representation by the colours of the image itself, which is the only layer that it uses."""
    return normalized(
        of_one_layer(palette), palette_distance, normalization,
        parts=lambda layers: (("image",),), samples=whole("samples", samples), blends=False,
    )  # fmt: skip


def self_similarity_distance(columns_SxD: jax.Array, target_SxD: jax.Array) -> jax.Array:
    """Computes 1/S^2 sum_ij |D_ij / sum_i D_ij - D'_ij / sum_i D'_ij|.

    D_ij is the cosine distance between the hypercolumns i and j of one image, and D'_ij the same for the
    other image. The value is the content loss of Kolkin et al. 2019, eq. 9, times 1/S. Both images are
    sampled at the same points.

    Args:
      columns_SxD: hypercolumns of the image.
      target_SxD: hypercolumns of the photograph.
    """

    def relative_distances(columns_SxD):
        distances_SxS = _cosine_distances(columns_SxD, columns_SxD)
        sums_S = jnp.sum(distances_SxS, 0)
        return distances_SxS / numerics.positive_or_one(sums_S)

    return jnp.mean(numerics.absolute(relative_distances(columns_SxD) - relative_distances(target_SxD)))
