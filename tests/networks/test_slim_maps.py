"""Activations read through a map, against the map computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.networks.slim import Mapped, materialize
from nst.styles import grams

# compiled as a whole, which takes a fraction of the time of its operations one by one
gram = jax.jit(grams.gram)


def activation(dtype=jnp.float32, channels=7, scale=1.0):
    rng = np.random.default_rng(0)
    arrays = rng.gamma(1, 1, (2, 5, 6, 4)), rng.normal(0, 1, (4, channels)), rng.normal(0, 1, channels)
    return Mapped(*(jnp.asarray(scale * array, dtype) for array in arrays), jax.lax.Precision.HIGHEST)


def naive(mapped, shift):
    x, kernel, bias = (
        np.asarray(a, np.float64) for a in (mapped.x_BxHxWxK, mapped.kernel_KxC, mapped.bias_C)
    )
    result = np.zeros((len(x), len(bias), len(bias)))
    for b, h, w in np.ndindex(x.shape[:3]):
        y = x[b, h, w] @ kernel + bias - shift
        result[b] += np.outer(y, y) / (x.shape[1] * x.shape[2])
    return result


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 1e-5), (jnp.bfloat16, 1e-5)])
@pytest.mark.parametrize("shift", [0.0, 1.0, -0.5])
@pytest.mark.parametrize("channels", [2, 4, 7])
def test_the_gram_matrix_of_loops(shift, channels, dtype, tolerance):
    mapped = activation(dtype, channels)
    if shift and dtype == jnp.bfloat16:
        pytest.skip("the shifted bias is rounded")
    found = gram(mapped, shift)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, naive(mapped, shift), rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_gradient_is_that_of_the_map_computed(shift):
    mapped = activation()
    target = gram(activation(scale=1.5).array())

    def loss(x, compute):
        found = mapped.replace(x_BxHxWxK=x)
        found = grams.gram(found.array() if compute else found, shift)
        return grams.distance(found, target, 7, normalization="relative")

    lazy, computed = (
        jax.jit(jax.grad(loss), static_argnums=1)(mapped.x_BxHxWxK, compute) for compute in (False, True)
    )
    assert np.abs(computed).max() > 1e-3
    np.testing.assert_allclose(lazy, computed, rtol=1e-4, atol=1e-6)


def test_materialize():
    mapped = activation()
    expected = np.einsum("bhwk,kc->bhwc", mapped.x_BxHxWxK, mapped.kernel_KxC) + mapped.bias_C
    np.testing.assert_allclose(materialize(mapped), expected, rtol=1e-5, atol=1e-5)
    assert materialize(mapped.x_BxHxWxK) is mapped.x_BxHxWxK
