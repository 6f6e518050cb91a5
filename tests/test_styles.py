"""Gram matrices and their distances against loops in the papers' notation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.styles import GRAM_DISTANCE, STYLES, gram, style


def activations(height=5, width=7, channels=4, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1, (1, height, width, channels)).astype(np.float32)


def naive_gram(features_HxWxC, shift=0.0):
    """G_ij = sum_k F_ik F_jk with F: filters x positions; Gatys et al. 2015, eq. 3, in float64."""
    channels = features_HxWxC.shape[-1]
    F = features_HxWxC.reshape(-1, channels).T.astype(np.float64) - shift
    G = np.zeros((channels, channels))
    for i in range(channels):
        for j in range(channels):
            for k in range(F.shape[1]):
                G[i, j] += F[i, k] * F[j, k]
    return G


def naive_distance(name, features_HxWxC, target_HxWxC):
    """Each published normalisation from its own formula, not from ours."""
    N, M = features_HxWxC.shape[-1], features_HxWxC.shape[0] * features_HxWxC.shape[1]
    G, A = naive_gram(features_HxWxC), naive_gram(target_HxWxC)
    M_target = target_HxWxC.shape[0] * target_HxWxC.shape[1]
    if name == "gatys":
        assert M == M_target  # the paper's case
        return ((G - A) ** 2).sum() / (4 * N**2 * M**2)
    G, A = G / M, A / M_target
    if name == "relative":
        return ((G - A) ** 2).sum() / (A**2).sum()
    if name.startswith("chw"):
        G, A = G / N, A / N
    return ((G - A) ** 2).mean() if name.endswith("mse") else ((G - A) ** 2).sum()


@pytest.mark.parametrize("shift", [0.0, 1.0, -0.5])
def test_gram_agrees_with_the_paper(shift):
    features = activations()
    expected = naive_gram(features[0], shift) / 35
    assert np.asarray(gram(jnp.asarray(features), shift))[0] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", GRAM_DISTANCE)
def test_distance_agrees_with_its_formula(name):
    features, target = activations(seed=1), activations(seed=2)
    describe, distance = style("gram", name, 0.0)
    found = distance(describe(jnp.asarray(features)), describe(jnp.asarray(target)), 4)
    assert float(found) == pytest.approx(naive_distance(name, features[0], target[0]), rel=1e-4)


@pytest.mark.parametrize("name", [name for name in GRAM_DISTANCE if name != "gatys"])
def test_distance_between_images_of_two_sizes(name):
    features, target = activations(seed=1), activations(9, 4, seed=2)
    describe, distance = style("gram", name, 0.0)
    found = distance(describe(jnp.asarray(features)), describe(jnp.asarray(target)), 4)
    assert float(found) == pytest.approx(naive_distance(name, features[0], target[0]), rel=1e-4)


@pytest.mark.parametrize("name", GRAM_DISTANCE)
def test_distance_counts_the_channels_it_is_told(name):
    """A slim network's activations stand for more channels than they have: zeros in all the others."""
    features, target = activations(seed=1), activations(seed=2)
    wide = [np.pad(x[0], ((0, 0), (0, 0), (0, 3))) for x in (features, target)]
    describe, distance = style("gram", name, 0.0)
    found = distance(describe(jnp.asarray(features)), describe(jnp.asarray(target)), 7)
    assert float(found) == pytest.approx(naive_distance(name, *wide), rel=1e-4)


@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_relative_distance_has_no_scale(factor):
    features, target = (jnp.asarray(activations(seed=seed)) for seed in (1, 2))
    describe, distance = style("gram", "relative", 0.0)
    expected = float(distance(describe(features), describe(target), 4))
    found = distance(describe(factor * features), describe(factor * target), 4)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_relative_distance_is_one_without_features_and_none_at_the_target():
    target = jnp.asarray(activations())
    describe, distance = style("gram", "relative", 0.0)
    assert float(distance(describe(0 * target), describe(target), 4)) == pytest.approx(1, rel=1e-6)
    assert distance(describe(target), describe(target), 4) == 0


@pytest.mark.parametrize("normalization", GRAM_DISTANCE)
def test_distance_to_an_empty_target_is_finite(normalization):
    describe, distance = style("gram", normalization, 0.0)
    for features in (activations(), np.zeros((1, 5, 7, 4), np.float32)):
        value, gradients = jax.value_and_grad(
            lambda x, y: distance(describe(x), describe(y), 4), argnums=(0, 1)
        )(jnp.asarray(features), jnp.zeros((1, 5, 7, 4)))  # fmt: skip
        assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
        assert (value > 0) == features.any()


@pytest.mark.parametrize("name", STYLES)
def test_permuting_pixels_moves_nothing(name):
    features = activations(6, 6)
    shuffled = np.random.default_rng(3).permutation(features.reshape(36, 4)).reshape(1, 6, 6, 4)
    describe, _ = style(name, "hw_mse", 1.0)
    assert np.asarray(describe(jnp.asarray(shuffled))) == pytest.approx(
        np.asarray(describe(jnp.asarray(features))), rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize("name", STYLES)
def test_repeating_the_image_moves_nothing(name):
    features = activations()
    describe, distance = style(name, "hw_sse", 1.0)
    twice = jnp.concatenate([jnp.asarray(features)] * 2, axis=1)
    assert float(distance(describe(twice), describe(jnp.asarray(features)), 4)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("normalization", ["chw_sse", "relative"])
@pytest.mark.parametrize("name", STYLES)
def test_gradient_agrees_with_finite_differences(name, normalization):
    features, target = activations(3, 4, 3, seed=4), activations(3, 4, 3, seed=5)
    shift = 0.7 if name == "gram_shift" else 0.0
    describe, distance = style(name, normalization, 0.7)

    def f64(x):
        G, A = naive_gram(x[0], shift) / 12, naive_gram(target[0], shift) / 12
        return ((G - A) ** 2).sum() / (9 if normalization == "chw_sse" else (A**2).sum())

    found = jax.grad(lambda x: distance(describe(x), describe(jnp.asarray(target)), 3))(jnp.asarray(features))
    expected = np.zeros(features.shape)
    for index in np.ndindex(features.shape):
        step = np.zeros(features.shape)
        step[index] = 1e-5
        expected[index] = (f64(features + step) - f64(features - step)) / 2e-5
    assert np.asarray(found) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_gram_of_several_images_is_each_ones_own():
    both = np.concatenate([activations(seed=6), activations(seed=7)])
    found = np.asarray(gram(jnp.asarray(both)))
    for index in range(2):
        expected = naive_gram(both[index]) / 35
        assert found[index] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_bfloat16_activations_are_summed_in_float32():
    # 4096 positions of 1 + 1/128: a bfloat16 sum would stop growing at 256
    features = jnp.full((1, 64, 64, 2), 1 + 1 / 128, jnp.bfloat16)
    found = gram(features)
    assert found.dtype == jnp.float32
    assert np.asarray(found) == pytest.approx((1 + 1 / 128) ** 2, rel=1e-6)
    assert jax.grad(lambda x: gram(x).sum())(features).dtype == jnp.bfloat16


def test_no_square_of_the_positions_is_reshaped_away():
    """The Gram stays an einsum over h and w, so that it can be sharded over height."""
    text = str(jax.make_jaxpr(gram)(jnp.zeros((1, 6, 5, 4))))
    assert "dot_general" in text and "reshape" not in text


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="style_loss.representation = 'grams': did you mean 'gram'"):
        style("grams", "hw_mse", 0.0)
    with pytest.raises(UserError, match="style_loss.normalization"):
        style("gram", "mse", 0.0)
