"""Functions that are right where the plain ones are not: at zero, and where products are rounded."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# Without these a product on an accelerator rounds its factors to 10 or to 7 bits of mantissa, and one of
# bfloat16 values is rounded to bfloat16 as well.
_FULL = {"precision": jax.lax.Precision.HIGHEST, "preferred_element_type": jnp.float32}


def dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns `jnp.dot(a, b)` in full precision, accumulated in float32.

    Args:
      a, b: arrays of any float dtype.
    """
    return jnp.dot(a, b, **_FULL)


def einsum(subscripts: str, *operands: jax.Array) -> jax.Array:
    """Returns `jnp.einsum(subscripts, *operands)` in full precision, accumulated in float32.

    Args:
      subscripts: as for jnp.einsum.
      *operands: arrays of any float dtype.
    """
    return jnp.einsum(subscripts, *operands, **_FULL)


def absolute(x: jax.Array) -> jax.Array:
    """Returns |x|, with the derivative sign(x).

    The derivative of jnp.abs is 1 at 0, which moves values that are equal already.

    Args:
      x: array of any shape.
    """
    return x * jax.lax.stop_gradient(jnp.sign(x))


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Returns sqrt(x), or 0 with derivative 0 where x <= 0.

    Args:
      x: array of any shape.
    """
    return _where_positive(jnp.sqrt, x)


def safe_rsqrt(x: jax.Array) -> jax.Array:
    """Returns 1 / sqrt(x), or 0 with derivative 0 where x <= 0.

    Args:
      x: array of any shape.
    """
    return _where_positive(jax.lax.rsqrt, x)


def safe_power(x: jax.Array, exponent: float) -> jax.Array:
    """Returns x^exponent, or 0 with derivative 0 where x <= 0.

    Args:
      x: array of any shape.
      exponent: any number.
    """
    return _where_positive(lambda positive: positive**exponent, x)


def _where_positive(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    # The inner `where` keeps the infinite derivative at 0 out of the gradient, where it would be multiplied
    # by 0 to NaN. The test is not `x > 0`, so that a NaN in x shows.
    zero = x <= 0
    return jnp.where(zero, 0.0, function(jnp.where(zero, 1.0, x)))


def positive_or_one(x: jax.Array) -> jax.Array:
    """Returns x where x > 0, else 1, so that a quantity which may vanish can be divided by.

    Args:
      x: array of any shape.
    """
    return jnp.where(x > 0, x, 1.0)


def energy(x: jax.Array) -> jax.Array:
    """Returns sum x^2 in float32, or 1 where that is 0, so that it can be divided by.

    Args:
      x: array of any shape and float dtype.
    """
    return positive_or_one(jnp.sum(x.astype(jnp.float32) ** 2))


def unit_rows(rows_MxC: jax.Array) -> jax.Array:
    """Returns each row divided by its length; a row of zeros stays zero, with derivative 0.

    Args:
      rows_MxC: vectors.
    """
    return rows_MxC * safe_rsqrt(jnp.sum(rows_MxC**2, 1, keepdims=True))
