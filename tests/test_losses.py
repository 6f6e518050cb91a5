"""Content losses and total variation against loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.losses import CONTENT, TOTAL_VARIATION, content_distance


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def naive_content(name, F, P):
    _, height, width, channels = F.shape
    total = sum((float(F[i]) - float(P[i])) ** 2 for i in np.ndindex(F.shape))
    M, N = height * width, channels
    return {
        "gatys": total / 2,
        "mse": total / F.size,
        "sse": total,
        "root": total / (2 * np.sqrt(N) * np.sqrt(M)),
        "relative": total / sum(float(P[i]) ** 2 for i in np.ndindex(P.shape)),
    }[name]


@pytest.mark.parametrize("name", CONTENT)
def test_content_agrees_with_its_formula(name):
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    found = content_distance(jnp.asarray(F), jnp.asarray(P), 3, name)
    assert float(found) == pytest.approx(naive_content(name, F, P), rel=1e-5)


def test_content_gradient_of_the_paper():
    """Gatys et al. 2015, eq. 2: dL/dF = F - P (where F > 0, which is the rectifier's business)."""
    F, P = jnp.asarray(random((1, 4, 5, 3), 1)), jnp.asarray(random((1, 4, 5, 3), 2))
    gradient = jax.grad(lambda f: content_distance(f, P, 3, "gatys"))(F)
    assert np.asarray(gradient) == pytest.approx(np.asarray(F - P), rel=1e-6)


@pytest.mark.parametrize("name", CONTENT)
def test_content_gradient_agrees_with_finite_differences(name):
    F, P = random((1, 3, 4, 2), 3), random((1, 3, 4, 2), 4)
    found = np.asarray(jax.grad(lambda f: content_distance(f, jnp.asarray(P), 2, name))(jnp.asarray(F)))
    for index in np.ndindex(F.shape):
        step = np.zeros(F.shape)
        step[index] = 1e-5
        up, down = (naive_content(name, F + sign * step, P) for sign in (1, -1))
        assert found[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", CONTENT)
def test_content_counts_the_channels_it_is_told(name):
    """A slim network's activations stand for more channels than they have: zeros in all the others."""
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    wide = [np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 4))) for x in (F, P)]
    found = content_distance(jnp.asarray(F), jnp.asarray(P), 7, name)
    assert float(found) == pytest.approx(naive_content(name, *wide), rel=1e-5)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_relative_content_has_no_scale(factor):
    F, P = jnp.asarray(random((1, 4, 5, 3), 1)), jnp.asarray(random((1, 4, 5, 3), 2))
    expected = float(content_distance(F, P, 3, "relative"))
    assert float(content_distance(factor * F, factor * P, 3, "relative")) == pytest.approx(expected, rel=1e-5)


def test_relative_content_is_one_without_features_and_none_at_the_target():
    P = jnp.asarray(random((1, 4, 5, 3)))
    assert float(content_distance(0 * P, P, 3, "relative")) == pytest.approx(1, rel=1e-6)
    assert content_distance(P, P, 3, "relative") == 0


@pytest.mark.parametrize("name", CONTENT)
def test_content_of_an_empty_target_is_finite(name):
    for F in (random((1, 4, 5, 3)), np.zeros((1, 4, 5, 3), np.float32)):
        value, gradients = jax.value_and_grad(
            lambda f, p: content_distance(f, p, 3, name), argnums=(0, 1)
        )(jnp.asarray(F), jnp.zeros((1, 4, 5, 3)))  # fmt: skip
        assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
        assert (value > 0) == F.any()


def test_content_of_bfloat16_is_summed_in_float32():
    # (1 + 1/128)^2 is no bfloat16
    F, P = jnp.ones((1, 64, 64, 1), jnp.bfloat16), jnp.full((1, 64, 64, 1), 1 + 1 / 128, jnp.bfloat16)
    assert float(content_distance(F, P, 1, "sse")) == pytest.approx(4096 / 128**2, rel=1e-6)
    assert float(content_distance(F, P, 1, "relative")) == pytest.approx(1 / 129**2, rel=1e-6)
    assert content_distance(F, P, 1, "relative").dtype == jnp.float32


def naive_tv(name, x, beta):
    _, height, width, channels = x.shape
    x = x.astype(np.float64)
    down = [(x[0, i + 1, j] - x[0, i, j]) for i in range(height - 1) for j in range(width)]
    right = [(x[0, i, j + 1] - x[0, i, j]) for i in range(height) for j in range(width - 1)]
    if name == "l1":
        return np.abs(down).sum() + np.abs(right).sum()
    if name == "l2":
        return (np.square(down).sum() + np.square(right).sum()) / 2
    if name == "mean":
        return np.square(down).mean() + np.square(right).mean()
    return sum(
        ((x[0, i + 1, j, c] - x[0, i, j, c]) ** 2 + (x[0, i, j + 1, c] - x[0, i, j, c]) ** 2) ** (beta / 2)
        for i in range(height - 1)
        for j in range(width - 1)
        for c in range(channels)
    )


@pytest.mark.parametrize("beta", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("name", TOTAL_VARIATION)
def test_total_variation_and_its_gradient(name, beta):
    x = random((1, 4, 6, 3))
    f = TOTAL_VARIATION[name]
    assert float(f(jnp.asarray(x), beta)) == pytest.approx(naive_tv(name, x, beta), rel=1e-5)
    direction = random(x.shape, 9).astype(np.float64)
    step = 1e-6
    expected = (naive_tv(name, x + step * direction, beta) - naive_tv(name, x - step * direction, beta)) / (
        2 * step
    )
    gradient = np.asarray(jax.grad(f)(jnp.asarray(x), beta), np.float64)
    assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", TOTAL_VARIATION)
def test_a_flat_image_has_none_and_a_finite_gradient(name, beta):
    x = jnp.full((1, 4, 4, 3), 0.4)
    value, gradient = jax.value_and_grad(TOTAL_VARIATION[name])(x, beta)
    assert value == 0 and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["l1", "l2", "mean"])  # beta pairs its differences up another way
def test_mirroring_the_image_moves_nothing(name):
    x = jnp.asarray(random((1, 5, 4, 3)))
    f = TOTAL_VARIATION[name]
    assert float(f(x[:, :, ::-1], 2.0)) == pytest.approx(float(f(x, 2.0)), rel=1e-5)
