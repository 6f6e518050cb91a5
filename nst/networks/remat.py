"""Gradients that need less memory: values of the forward pass are kept as bits or computed again."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# The values of the forward pass that the gradient keeps. "none": all; "layer": all, but of the input of a
# rectifier only the sign; "block": only the outputs of blocks and the layers that the loss reads, and the
# rest is computed again, as with "layer".
REMAT = ("none", "layer", "block")
_BITS = 8


@jax.custom_vjp
def rectify(x_BxHxWxC: jax.Array) -> jax.Array:
    """Computes max(x, 0) and keeps one bit of each value for the gradient: whether x > 0.

    Without packing, XLA would keep x itself, which is 32 times as large, since it repeats a comparison
    wherever the result is used. It does not repeat the sum that packs the bits.
    """
    return jax.nn.relu(x_BxHxWxC)


def _forward(x_BxHxWxC):
    return rectify(x_BxHxWxC), _pack(x_BxHxWxC > 0)


def _backward(packed, cotangent_BxHxWxC):
    positive = _unpack(packed, cotangent_BxHxWxC.shape[-1])
    return (jnp.where(positive, cotangent_BxHxWxC, 0),)


def _pack(bits_BxHxWxC: jax.Array) -> jax.Array:
    """Packs eight channels into a byte; the last byte is padded with zeros."""
    *shape, channels = bits_BxHxWxC.shape
    padded = jnp.pad(bits_BxHxWxC, [(0, 0)] * len(shape) + [(0, -channels % _BITS)])
    groups = padded.reshape(*shape, -1, _BITS).astype(jnp.uint8)
    return jnp.sum(groups << jnp.arange(_BITS, dtype=jnp.uint8), axis=-1, dtype=jnp.uint8)


def _unpack(packed: jax.Array, channels: int) -> jax.Array:
    bits = (packed[..., None] >> jnp.arange(_BITS, dtype=jnp.uint8)) & 1
    return bits.reshape(*packed.shape[:-1], -1)[..., :channels].astype(bool)


rectify.defvjp(_forward, _backward)


def recomputed(function: Callable[[jax.Array], dict]) -> Callable[[jax.Array], dict]:
    """Returns `function` with a gradient that keeps only the argument and computes the function again.

    On other backends jax.checkpoint does the same. XLA:CPU removes the barriers of jax.checkpoint, finds that
    the two computations are equal, and makes only one of them, so that all values are kept (jax 0.10.1).

    Args:
      function: function of one array, or tree of arrays, that returns {name: array, or tree of arrays}.
    """

    @jax.custom_vjp
    def wrapped(x):
        return function(x)

    def backward(x, cotangent):
        # `known` equals x, but XLA cannot know that. So it cannot reuse the values of the forward pass, and
        # it cannot compute them before the cotangent is available.
        first = jax.tree.leaves(cotangent)[0]
        one = first[(0,) * first.ndim]
        known = jax.tree.map(lambda array: jnp.where(one == one, array, one.astype(array.dtype)), x)
        _, pull = jax.vjp(function, known)
        return pull(cotangent)

    wrapped.defvjp(lambda x: (function(x), x), backward)
    return wrapped
