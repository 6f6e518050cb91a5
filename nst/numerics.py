"""Numerically safe functions: products in full precision, and finite derivatives at zero."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# By default an accelerator rounds the factors of a product to 10 bits of mantissa (TF32) or to 7 (bfloat16),
# and the product of two bfloat16 arrays is also bfloat16.
FULL = jax.lax.Precision.HIGHEST


def dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns `jnp.dot(a, b)` in full precision, accumulated in float32.

    Args:
      a, b: arrays of any float dtype.
    """
    return jnp.dot(a, b, precision=FULL, preferred_element_type=jnp.float32)


def einsum(subscripts: str, *operands: jax.Array, precision: jax.lax.Precision = FULL) -> jax.Array:
    """Returns `jnp.einsum(subscripts, *operands)`, accumulated in float32.

    Args:
      subscripts: as for jnp.einsum.
      *operands: arrays of any float dtype.
      precision: precision of the products; full by default.
    """
    return jnp.einsum(subscripts, *operands, precision=precision, preferred_element_type=jnp.float32)


def absolute(x: jax.Array) -> jax.Array:
    """Returns |x|, with the derivative sign(x).

    At 0 the derivative is 0. The derivative of jnp.abs at 0 is 1, which would move values that are already
    equal.

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
    # Without the inner `where`, the gradient would multiply the infinite derivative at 0 by 0, which is NaN.
    # The test is `x <= 0` because with `x > 0` a NaN in x would become 0.
    zero = x <= 0
    return jnp.where(zero, 0.0, function(jnp.where(zero, 1.0, x)))


def positive_or_one(x: jax.Array) -> jax.Array:
    """Returns x where x > 0, else 1, so that the result is safe as a divisor.

    Args:
      x: array of any shape.
    """
    return jnp.where(x > 0, x, 1.0)


def energy(x: jax.Array) -> jax.Array:
    """Returns sum x^2 in float32, or 1 if the sum is 0, so that the result is safe as a divisor.

    Args:
      x: array of any shape and float dtype.
    """
    return positive_or_one(jnp.sum(x.astype(jnp.float32) ** 2))


def unit_rows(rows_MxC: jax.Array) -> jax.Array:
    """Returns each row divided by its Euclidean length; a row of zeros stays zero, with derivative 0.

    Args:
      rows_MxC: one vector in each row.
    """
    return rows_MxC * safe_rsqrt(jnp.sum(rows_MxC**2, 1, keepdims=True))
