"""Gradients that need less memory: values of the forward pass are kept as bits, or computed again."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

REMAT = ("none", "layer", "block")
_BITS = 8


@jax.custom_vjp
def rectify(x_BxHxWxC: jax.Array) -> jax.Array:
    """Computes max(x, 0) and keeps one bit of each value for the gradient: whether x > 0.

    XLA would keep x itself, 32 times as much, since it repeats a comparison wherever it is read. The sum that
    packs the bits it does not repeat.
    """
    return jax.nn.relu(x_BxHxWxC)


def _forward(x_BxHxWxC):
    return rectify(x_BxHxWxC), _pack(x_BxHxWxC > 0)


def _backward(packed, cotangent_BxHxWxC):
    positive = _unpack(packed, cotangent_BxHxWxC.shape[-1])
    return (jnp.where(positive, cotangent_BxHxWxC, 0),)


def _pack(bits_BxHxWxC: jax.Array) -> jax.Array:
    """Packs eight channels into a byte; the last byte is filled up with zeros."""
    *shape, channels = bits_BxHxWxC.shape
    padded = jnp.pad(bits_BxHxWxC, [(0, 0)] * len(shape) + [(0, -channels % _BITS)])
    groups = padded.reshape(*shape, -1, _BITS).astype(jnp.uint8)
    return jnp.sum(groups << jnp.arange(_BITS, dtype=jnp.uint8), axis=-1, dtype=jnp.uint8)


def _unpack(packed: jax.Array, channels: int) -> jax.Array:
    bits = (packed[..., None] >> jnp.arange(_BITS, dtype=jnp.uint8)) & 1
    return bits.reshape(*packed.shape[:-1], -1)[..., :channels].astype(bool)


rectify.defvjp(_forward, _backward)


def recomputed(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """Returns `function` such that its gradient keeps nothing but the argument and computes it again.

    Does what jax.checkpoint does elsewhere. XLA:CPU removes that one's barriers, then finds the two
    computations equal and shares one, so that everything is kept after all (jax 0.10.1).

    Args:
      function: of one array, to one array.
    """

    @jax.custom_vjp
    def wrapped(x):
        return function(x)

    def backward(x, cotangent):
        # the same numbers, but XLA cannot know that they equal the forward pass's, nor have them before here
        one = cotangent[(0,) * cotangent.ndim].astype(x.dtype)
        _, pull = jax.vjp(function, jnp.where(one == one, x, one))
        return pull(cotangent)

    wrapped.defvjp(lambda x: (function(x), x), backward)
    return wrapped
