"""Gram matrices and their distances against loops in the papers' notation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.styles import grams
from nst.styles.grams import GRAM_DISTANCE
from nst.styles.positions import Positions
from tests.helpers import describing
from tests.helpers.describing import check, layer, shares, slopes

# compiled as wholes, which takes a fraction of the time of their operations one by one
gram = jax.jit(grams.gram, static_argnums=1)


def weighted(features, positions, shift=0.0):
    return jax.jit(lambda x: grams.weighted(x, positions, shift))(features)


def cross(activations, positions):
    return jax.jit(lambda x: grams.cross(x, positions))(activations)


def long_range(features, positions, shifts):
    return jax.jit(lambda x: grams.long_range(x, positions, shifts))(features)


@partial(jax.jit, static_argnums=(2, 3, 4))
def difference(features, target, normalization, channels=4, shift=0.0):
    """(distance, its gradients)."""

    def of(features, target):
        pair = grams.gram(features, shift), grams.gram(target, shift)
        return grams.distance(*pair, channels, normalization=normalization)

    return jax.value_and_grad(of, argnums=(0, 1))(features, target)


def activations(height=5, width=7, channels=4, seed=0):
    return layer(height, width, channels, seed)


def apart(features, target, normalization, channels=4):
    return difference(features, target, normalization, channels)[0]


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
    if name == "scaled":
        return ((G - A) ** 2).sum() / (np.abs(G - A).sum() + 1e-8)
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
    expected = naive_distance(name, features[0], target[0])
    assert float(apart(features, target, name)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in GRAM_DISTANCE if name != "gatys"])
def test_distance_between_images_of_two_sizes(name):
    features, target = activations(seed=1), activations(9, 4, seed=2)
    expected = naive_distance(name, features[0], target[0])
    assert float(apart(features, target, name)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", GRAM_DISTANCE)
def test_distance_counts_the_channels_it_is_told(name):
    """A slim network's activations stand for more channels than they have: zeros in all the others."""
    features, target = activations(seed=1), activations(seed=2)
    wide = [np.pad(x[0], ((0, 0), (0, 0), (0, 3))) for x in (features, target)]
    expected = naive_distance(name, *wide)
    assert float(apart(features, target, name, 7)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_relative_distance_has_no_scale(factor):
    features, target = (activations(seed=seed) for seed in (1, 2))
    expected = float(apart(features, target, "relative"))
    assert float(apart(factor * features, factor * target, "relative")) == pytest.approx(expected, rel=1e-4)


def test_relative_distance_is_one_without_features_and_none_at_the_target():
    target = activations()
    assert float(apart(0 * target, target, "relative")) == pytest.approx(1, rel=1e-6)
    assert grams.distance(gram(target), gram(target), 4, normalization="relative") == 0


@pytest.mark.parametrize("normalization", GRAM_DISTANCE)
def test_distance_to_an_empty_target_is_finite(normalization):
    for features in (activations(), np.zeros((1, 5, 7, 4), np.float32)):
        value, gradients = difference(features, np.zeros((1, 5, 7, 4), np.float32), normalization)
        assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
        assert (value > 0) == features.any()


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_permuting_pixels_moves_nothing(shift):
    features = activations(6, 6)
    shuffled = np.random.default_rng(3).permutation(features.reshape(36, 4)).reshape(1, 6, 6, 4)
    expected = np.asarray(gram(jnp.asarray(features), shift))
    assert np.asarray(gram(jnp.asarray(shuffled), shift)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_repeating_the_image_moves_nothing(shift):
    features = jnp.asarray(activations())
    twice = jnp.concatenate([features] * 2, axis=1)
    assert np.asarray(gram(twice, shift)) == pytest.approx(np.asarray(gram(features, shift)), rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.7])
@pytest.mark.parametrize("normalization", GRAM_DISTANCE)
def test_gradient_agrees_with_finite_differences(shift, normalization):
    features, target = activations(3, 4, 3, seed=4), activations(3, 4, 3, seed=5)
    _, (found, _) = difference(features, target, normalization, 3, shift)
    expected = slopes(lambda x: naive_distance(normalization, x[0] - shift, target[0] - shift), features)
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
    # what 4096 additions in float32 may lose, in whatever order a machine makes them
    assert np.asarray(found) == pytest.approx((1 + 1 / 128) ** 2, rel=4096 * 2.0**-24)
    assert jax.eval_shape(jax.grad(lambda x: gram(x).sum()), features).dtype == jnp.bfloat16


def test_no_square_of_the_positions_is_reshaped_away():
    """The Gram stays an einsum over h and w, so that it can be sharded over height."""
    text = str(jax.make_jaxpr(grams.gram)(jnp.zeros((1, 6, 5, 4))))
    assert "dot_general" in text and "reshape" not in text


# --- with weights


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_guided_gram_of_gatys_2017(shift):
    """F multiplied by the guide T, sum T^2 = 1, then F^T F (eq. 3-4)."""
    features, weights = activations(), shares(5, 7)
    T = np.sqrt(weights.astype(np.float64))[..., None]
    expected = naive_gram(T * (features[0].astype(np.float64) - shift))
    found = np.asarray(weighted(jnp.asarray(features), Positions(jnp.asarray(weights)), shift))[0]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def naive_shifted(found, target, p, q):
    grams = [
        np.einsum("m,mi,mj->ij", of, *[describing.flat(x[0]) - 0.7] * 2)
        for x, of in ((found, p[0].ravel()), (target, q[0].ravel()))
    ]
    return ((grams[0] - grams[1]) ** 2).sum()


@pytest.mark.parametrize("given", [False, True])
def test_weighted_distance_and_gradient(given):
    of = ([shares(4, 5)], [shares(3, 4)]) if given else ()
    check("gram_shift", naive_shifted, [layer(4, 5)], [layer(3, 4, seed=1)], *of, text="shift=0.7")


# --- across layers


def naive_cross(shallow_HxWxC, deep_HxWxC, weights_HxW, factor):
    """Each position of the shallow layer with that of the deep one enlarged by repeating."""
    G = np.zeros((shallow_HxWxC.shape[-1], deep_HxWxC.shape[-1]))
    for y, x in np.ndindex(shallow_HxWxC.shape[:2]):
        below = y // factor, x // factor
        if below[0] < deep_HxWxC.shape[0] and below[1] < deep_HxWxC.shape[1]:
            share = weights_HxW[below] / factor**2
            G += share * np.outer(shallow_HxWxC[y, x], deep_HxWxC[below])
    return G


def naive_cross_distance(found, target, p, q):
    grams = [naive_cross(*layers, of[1], 2) for layers, of in ((found, p), (target, q))]
    return ((grams[0] - grams[1]) ** 2).sum()


@pytest.mark.parametrize("given", [False, True])
def test_cross_layer_gram(given):
    found, target = ([layer(*shape, seed=seed) for shape in shapes] for seed, shapes in (
        (0, [(4, 6, 3), (2, 3, 2)]), (1, [(5, 7, 3), (2, 3, 2)])
    ))  # fmt: skip
    of = ()
    if given:
        of = [shares(4, 6), shares(2, 3)], [shares(5, 7), shares(2, 3, 1)]
    check("gram_cross", naive_cross_distance, found, target, *of)


@pytest.mark.parametrize("height, width", [(16, 16), (11, 16), (15, 16), (23, 17), (7, 24)])
@pytest.mark.parametrize("pools", [0, 1, 2])
def test_cross_layer_gram_where_pooling_drops_rows_and_columns(height, width, pools):
    shallow, deep = layer(height, width), layer(height >> pools, width >> pools, 2, seed=1)
    found = cross([jnp.asarray(shallow), jnp.asarray(deep)], [Positions(), Positions()])[0]
    even = np.full(deep.shape[1:3], 1 / deep[0, ..., 0].size)
    expected = naive_cross(shallow[0].astype(np.float64), deep[0], even, 2**pools)
    assert np.asarray(found) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_cross_gram_of_a_layer_with_itself_is_its_gram():
    features = jnp.asarray(activations())
    expected = np.asarray(gram(features))
    assert np.asarray(cross([features] * 2, [Positions()] * 2)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_cross_needs_two_layers():
    parts = describing.style("gram_cross", "hw_mse")["gram_cross"].parts
    assert parts(("a", "b", "c")) == (("a", "b"), ("b", "c"))
    with pytest.raises(UserError, match="style_loss.layers"):
        parts(("a",))


# --- over a distance


def naive_long(features_HxWxC, weights_HxW, shifts):
    """E[F_i(p) F_j(p + d)] pair by pair, weighted by the root of both weights."""
    height, width, channels = features_HxWxC.shape
    steps = [step for d in shifts for step in (((d, 0), (0, d)) if d else ((0, 0),))]
    result = np.zeros((len(steps), channels, channels))
    for index, (dy, dx) in enumerate(steps):
        total = 0
        for y in range(height - dy):
            for x in range(width - dx):
                share = np.sqrt(weights_HxW[y, x] * weights_HxW[y + dy, x + dx])
                result[index] += share * np.outer(features_HxWxC[y, x], features_HxWxC[y + dy, x + dx])
                total += share
        result[index] /= total
    return result


@pytest.mark.parametrize("given", [False, True])
def test_long_range_gram(given):
    def naive(found, target, p, q):
        return (
            (naive_long(found[0], p[0], (0, 1, 3)) - naive_long(target[0], q[0], (0, 1, 3))) ** 2
        ).sum()  # fmt: skip

    of = ([shares(4, 5)], [shares(6, 4)]) if given else ()
    check("gram_long", naive, [layer(4, 5)], [layer(6, 4, seed=1)], *of, text="shifts=(0, 1, 3)")


def test_a_shift_of_zero_is_the_gram():
    features = jnp.asarray(activations())
    for positions in (Positions(), Positions(jnp.asarray(shares(5, 7)))):
        expected = np.asarray(weighted(features, positions))
        assert np.asarray(long_range(features, positions, (0,))) == pytest.approx(
            expected, rel=1e-5, abs=1e-6
        )


def test_a_pattern_is_seen_at_its_period():
    """Stripes two columns wide agree with themselves four columns on, and oppose themselves two on."""
    stripes = np.broadcast_to(np.array([1, 1, -1, -1] * 4, np.float32)[None, None, :, None], (1, 6, 16, 1))
    found = np.asarray(long_range(jnp.asarray(stripes), Positions(), (2, 4))).ravel()
    np.testing.assert_allclose(found, [1, -1, 1, 1], atol=1e-6)  # 2 down, 2 right, 4 down, 4 right


def test_a_layer_too_small_for_a_shift_is_refused():
    with pytest.raises(UserError, match="style_loss.options: shifts .* 9x4 .* too small"):
        long_range(jnp.zeros((1, 4, 9, 2)), Positions(), (1, 4))
