"""|x| with a derivative that is 0 where x is."""

import jax
import jax.numpy as jnp


def absolute(x: jax.Array) -> jax.Array:
    """|x|, with the derivative sign(x). That of jnp.abs is 1 at 0, as if equal numbers had to move."""
    return x * jax.lax.stop_gradient(jnp.sign(x))
