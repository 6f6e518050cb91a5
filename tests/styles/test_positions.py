"""Where a layer is looked at: weights, and the positions that are drawn by them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.networks.slim import Mapped
from nst.styles import positions
from nst.styles.positions import Positions, sample
from tests.helpers.describing import close, flat, layer, shares


def test_few_positions_are_all_drawn_once():
    for count in (12, 13, 1000):
        np.testing.assert_array_equal(sample(jax.random.key(0), (3, 4), None, count), np.arange(12))


@pytest.mark.parametrize("count", [1, 7, 50])
def test_one_position_of_each_share_is_drawn(count):
    """In raster order, so that no part of the picture is missed."""
    found = np.asarray(sample(jax.random.key(3), (10, 12), None, count))
    assert found.shape == (count,)
    edges = np.arange(count + 1) * 120 / count
    assert (np.floor(edges[:-1]) <= found).all() and (found <= np.ceil(edges[1:])).all()


@pytest.mark.parametrize("count", [1, 7, 50, 500])
def test_one_position_of_each_share_of_the_weight_is_drawn(count):
    weights = shares(6, 8)
    found = np.asarray(sample(jax.random.key(3), (6, 8), jnp.asarray(weights), count))
    assert found.shape == (count,)
    below = np.concatenate([[0], np.cumsum(weights.ravel().astype(np.float64))])
    for k, position in enumerate(found):  # the position's part of the weight meets the k-th share
        assert below[position] <= (k + 1) / count + 1e-6 and below[position + 1] >= k / count - 1e-6


@pytest.mark.parametrize("given", [False, True])
def test_positions_are_drawn_as_often_as_their_weight(given):
    weights = shares(3, 4) if given else None
    keys = jax.random.split(jax.random.key(0), 4000)
    found = np.asarray(jax.vmap(lambda key: sample(key, (3, 4), weights, 5))(keys))
    often = np.bincount(found.ravel(), minlength=12) / found.size
    expected = weights.ravel() if given else np.full(12, 1 / 12)
    np.testing.assert_allclose(often, expected, atol=0.01)


def test_another_key_draws_other_positions():
    first, second, again = (np.asarray(sample(jax.random.key(k), (20, 20), None, 30)) for k in (0, 1, 0))
    assert (first != second).any() and (first == again).all()


@pytest.mark.parametrize("highest", [0.0, float(np.nextafter(np.float32(1), np.float32(0)))])
def test_nothing_is_drawn_where_there_is_no_weight(highest, monkeypatch):
    """Not even where the random number is as small or as large as it can be, and rounds to 0 or to 1."""
    weights = np.zeros((6, 6), np.float32)
    weights[2:4, 1:5] = np.random.default_rng(0).uniform(0.1, 1, (2, 4))
    weights /= weights.sum()
    found = np.asarray(sample(jax.random.key(0), (6, 6), jnp.asarray(weights), 200))
    assert (weights.ravel()[found] > 0).all()
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.full(shape, highest, jnp.float32))
    for count in (1, 1024):
        found = np.asarray(sample(jax.random.key(0), (6, 6), jnp.asarray(weights), count))
        assert (weights.ravel()[found] > 0).all()


def test_indices_stay_inside_where_a_random_number_rounds_up(monkeypatch):
    almost = float(np.nextafter(np.float32(1), np.float32(0)))
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape: jnp.full(shape, almost, jnp.float32))
    found = np.asarray(sample(jax.random.key(0), (70, 70), None, 4096))
    assert found.max() == 4899 and (np.diff(found) >= 0).all()


def test_rows_are_positions_in_raster_order():
    features = layer(2, 3)
    found = positions.flatten(jnp.asarray(features, jnp.bfloat16))
    assert found.shape == (6, 3) and found.dtype == jnp.float32
    np.testing.assert_array_equal(positions.flatten(jnp.asarray(features))[4], features[0, 1, 1])


def test_rows_of_a_mapped_activation_are_those_of_what_it_stands_for():
    x, kernel, bias = layer(2, 3, 2), layer(1, 2, 4)[0, 0], np.arange(4, dtype=np.float32)
    mapped = Mapped(*map(jnp.asarray, (x, kernel, bias)), jax.lax.Precision.HIGHEST)
    close(np.asarray(positions.flatten(mapped)), flat(x) @ kernel + bias, 1e-6)


@pytest.mark.parametrize("given", [False, True])
def test_mean_and_shares(given):
    features, weights = layer(3, 5), shares(3, 5) if given else None
    weighted, rows = Positions(weights), positions.flatten(jnp.asarray(features))
    share = np.full(15, 1 / 15) if weights is None else weights.ravel().astype(np.float64)
    expected = sum(w * row for w, row in zip(share, flat(features).astype(np.float64), strict=True))
    close(np.asarray(positions.mean_over(rows, weighted)), expected, 1e-6)
    np.testing.assert_allclose(positions.weights_of(rows, weighted), share, rtol=1e-6)
