"""Zero-safe functions and full-precision products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst import numerics

FUNCTIONS = {
    "safe_sqrt": (numerics.safe_sqrt, lambda x: x**0.5),
    "safe_rsqrt": (numerics.safe_rsqrt, lambda x: x**-0.5),
    "safe_power": (lambda x: numerics.safe_power(x, 0.3), lambda x: x**0.3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_positive_values_pass_and_others_are_0_without_a_gradient(name):
    safe, plain = FUNCTIONS[name]
    values, gradients = jax.vmap(jax.value_and_grad(safe))(jnp.array([4.0, 0.25, 0.0, -1.0]))
    np.testing.assert_allclose(values, [plain(4.0), plain(0.25), 0, 0], rtol=1e-6)
    slopes = [(plain(x + 1e-6) - plain(x - 1e-6)) / 2e-6 for x in (4.0, 0.25)]
    np.testing.assert_allclose(gradients, [*slopes, 0, 0], rtol=1e-5)
    assert np.isnan(safe(jnp.nan))


def test_the_absolute_value_has_no_slope_at_0():
    values, gradients = jax.vmap(jax.value_and_grad(numerics.absolute))(jnp.array([-2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(values, [2, 0, 3])
    np.testing.assert_array_equal(gradients, [-1, 0, 1])


def test_a_divisor_that_is_not_positive_becomes_1():
    np.testing.assert_array_equal(numerics.positive_or_one(jnp.array([0.5, 0.0, -3.0])), [0.5, 1, 1])


def test_products_are_accumulated_in_float32():
    ones = jnp.ones((1, 300), jnp.bfloat16)  # which cannot hold 257 and more, but for every second number
    for product in (numerics.dot(ones, ones.T + 0), numerics.einsum("ij,kj->ik", ones, ones)):
        assert product.dtype == jnp.float32 and product.item() == 300
    text = jax.jit(lambda a, b: numerics.dot(a, b)).lower(ones, ones.T).as_text()
    assert text.count("HIGHEST") == 2
