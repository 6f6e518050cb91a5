"""The positions of a layer at which style is measured: all of them, with or without weights, or a sample."""

import flax.struct
import jax
import jax.numpy as jnp

from nst import numerics
from nst.networks.slim import Mapped, materialize


@flax.struct.dataclass
class Positions:
    """The positions of one layer that a representation of style uses."""

    weights_HxW: jax.Array | None = None  # sum 1; None: equal weights
    sampled_S: jax.Array | None = None  # indices of sampled positions, row by row; None: no sample
    key: jax.Array | None = None  # random key for other random numbers, such as projections
    # precision of the products of a Gram matrix; sums over the positions are always float32
    precision: jax.lax.Precision = flax.struct.field(pytree_node=False, default=numerics.FULL)


def sample(key: jax.Array, shape: tuple[int, int], weights_HxW: jax.Array | None, count: int) -> jax.Array:
    """Samples positions by their weights, stratified in raster order.

    The total weight is divided into `count` equal shares in raster order, and one position is sampled from
    each share. Without weights, if the layer has at most `count` positions, each of them is taken once.

    Args:
      key: random key.
      shape: height and width of the layer.
      weights_HxW: weights of the positions; None: equal weights.
      count: size of the sample.

    Returns:
      Indices into the flattened positions, int32.
    """
    total = shape[0] * shape[1]
    if weights_HxW is None and total <= count:
        return jnp.arange(total)
    points_S = (jnp.arange(count) + jax.random.uniform(key, (count,))) / count
    points_S = jnp.minimum(points_S, 1 - 2.0**-24)  # rounding may give 1
    if weights_HxW is None:
        return jnp.minimum((points_S * total).astype(jnp.int32), total - 1)
    sums_M = jnp.cumsum(weights_HxW.reshape(-1))
    return jnp.minimum(jnp.searchsorted(sums_M, points_S * sums_M[-1], side="right"), total - 1)


def flatten(features_1xHxWxC: jax.Array | Mapped) -> jax.Array:
    """Returns the activations of all positions, `MxC`, in float32."""
    features_1xHxWxC = materialize(features_1xHxWxC)
    return features_1xHxWxC.reshape(-1, features_1xHxWxC.shape[-1]).astype(jnp.float32)


def mean_over(rows_MxC: jax.Array, positions: Positions) -> jax.Array:
    """Returns E[F], `C`, the mean over the positions, weighted if they have weights."""
    if positions.weights_HxW is None:
        return jnp.mean(rows_MxC, 0)
    return numerics.einsum("m,mc->c", positions.weights_HxW.reshape(-1), rows_MxC)


def weights_of(rows_MxC: jax.Array, positions: Positions) -> jax.Array:
    """Returns the weight of each position, `M`, sum 1."""
    if positions.weights_HxW is None:
        return jnp.full(len(rows_MxC), 1 / len(rows_MxC))
    return positions.weights_HxW.reshape(-1)
