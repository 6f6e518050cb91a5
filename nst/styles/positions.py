"""Where in a layer a style is looked for: every position alike, or by weights, or at some drawn ones."""

import flax.struct
import jax
import jax.numpy as jnp

from nst import numerics
from nst.networks.slim import Mapped, evaluated


@flax.struct.dataclass
class Look:
    """One layer's positions, as a representation of style takes them."""

    weights_HxW: jax.Array | None = None  # sum 1; None: every position alike
    drawn_S: jax.Array | None = None  # indices into the flattened positions, by the weights; None: not drawn
    key: jax.Array | None = None  # of what else is drawn


def draw(key: jax.Array, shape: tuple[int, int], weights_HxW: jax.Array | None, count: int) -> jax.Array:
    """`count` positions, flattened, one from each of as many equal shares of the weight in raster order.

    All of them, each once, if there are no more than that and no weights.
    """
    total = shape[0] * shape[1]
    if weights_HxW is None and total <= count:
        return jnp.arange(total)
    at_S = (jnp.arange(count) + jax.random.uniform(key, (count,))) / count
    at_S = jnp.minimum(at_S, 1 - 2.0**-24)  # which rounding may have reached
    if weights_HxW is None:
        return jnp.minimum((at_S * total).astype(jnp.int32), total - 1)
    sums_M = jnp.cumsum(weights_HxW.reshape(-1))
    return jnp.minimum(jnp.searchsorted(sums_M, at_S * sums_M[-1], side="right"), total - 1)


def rows(features_1xHxWxC: jax.Array | Mapped) -> jax.Array:
    """The activations of every position, `MxC`, in float32."""
    features_1xHxWxC = evaluated(features_1xHxWxC)
    return features_1xHxWxC.reshape(-1, features_1xHxWxC.shape[-1]).astype(jnp.float32)


def mean(rows_MxC: jax.Array, look: Look) -> jax.Array:
    """E[F] over the positions, `C`."""
    if look.weights_HxW is None:
        return jnp.mean(rows_MxC, 0)
    return numerics.einsum("m,mc->c", look.weights_HxW.reshape(-1), rows_MxC)


def shares(rows_MxC: jax.Array, look: Look) -> jax.Array:
    """The weight of every position, `M`, sum 1."""
    if look.weights_HxW is None:
        return jnp.full(len(rows_MxC), 1 / len(rows_MxC))
    return look.weights_HxW.reshape(-1)
