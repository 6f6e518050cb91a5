"""Histograms and Wasserstein distances against float64 loops and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from nst.styles import transport
from nst.styles.positions import Positions
from tests.helpers.describing import (
    KEY,
    check,
    close,
    flat,
    layer,
    measure,
    pair,
    shares,
    single,
    slopes,
    value,
)

WEIGHTS = [False, True]


# --- transport along columns


def naive_quantiles(values, weights, levels):
    """Of the positions with any weight, each at the weight below it and half its own; interpolated."""
    order = [m for m in np.argsort(values, kind="stable") if weights[m] > 0]
    at, below = [], 0.0
    for m in order:
        at.append(below + weights[m] / 2)
        below += weights[m]
    return np.interp(levels, at, values[order]), order, at


def naive_column(x, y, p, q):
    _, order, levels = naive_quantiles(x, p, [])
    goals, _, _ = naive_quantiles(y, q, levels)
    return sum(p[m] * (x[m] - goal) ** 2 for m, goal in zip(order, goals, strict=True))


@single
def naive_histogram(X, Y, p, q):
    return sum(naive_column(X[:, c], Y[:, c], p, q) for c in range(X.shape[1])) / X.shape[1]


def naive_sliced(count):
    @single
    def naive(X, Y, p, q):
        C = X.shape[1]
        Q = np.linalg.qr(np.asarray(jax.random.normal(jax.random.key(KEY), (C, C)), np.float64))[0]
        columns = (naive_column(X @ Q[:, k], Y @ Q[:, k], p, q) for k in range(count))
        return sum(columns) / count

    return naive


@pytest.mark.parametrize("given", WEIGHTS)
def test_histogram(given):
    check("histogram", naive_histogram, *pair(given), rel=3e-4)


def test_histogram_where_one_picture_has_weights():
    found, target, p, q = pair(True)
    check("histogram", naive_histogram, found, target, p, None, rel=3e-4)
    X, Y = (x[0].astype(np.float64) for x in (found[0], target[0]))
    expected = naive_histogram([X], [Y], [np.full((4, 5), 1 / 20)], q)
    assert value("histogram", found, target, None, q) == pytest.approx(expected, rel=1e-4)


def test_histogram_of_pictures_of_one_size_pairs_their_values_in_order():
    X, Y = layer(seed=1), layer(seed=2)
    expected = sum(
        (x - y) ** 2 / 20 / 3
        for c in range(3)
        for x, y in zip(sorted(X[0, ..., c].ravel()), sorted(Y[0, ..., c].ravel()), strict=True)
    )
    assert value("histogram", [X], [Y]) == pytest.approx(expected, rel=1e-5)


def test_the_sorting_of_bits_is_that_of_values():
    values = np.array([3.5, -0.0, 0.0, -1e-38, -2.0, 1e-30, np.inf, -np.inf, -2.0, 7e37], np.float32)
    found = np.asarray(transport.sort_columns(transport.Values(jnp.asarray(values[:, None]), None))[0])
    np.testing.assert_array_equal(found[:, 0], np.sort(values))


def naive_shared_slopes(x, y, p, q):
    """2 p_m (x_m - T(x_m)), T the mean of the quantiles, by weight, that a value and its equals take."""
    _, order, levels = naive_quantiles(x, p, [])
    goals = dict(zip(order, naive_quantiles(y, q, levels)[0], strict=True))
    found = np.zeros(len(x))
    for m in order:
        equals = [n for n in order if x[n] == x[m]]
        goal = sum(p[n] * goals[n] for n in equals) / sum(p[n] for n in equals)
        found[m] = 2 * p[m] * (x[m] - goal)
    return found


@pytest.mark.parametrize("given", ["no", "uniform", "uneven", "region"])
def test_equal_values_share_the_gradient(given):
    """The zeros of a rectifier are many; none of them is favoured, and none outside the region counts."""
    X, Y = np.maximum(layer(5, 6, 2), 0), layer(4, 7, 2, seed=1)
    p, q = np.full((5, 6), 1 / 30, np.float32), np.full((4, 7), 1 / 28, np.float32)
    if given == "uneven":
        p, q = shares(5, 6), shares(4, 7)
    if given == "region":
        p = np.where(np.arange(30).reshape(5, 6) % 3 == 0, 1 / 10, 0).astype(np.float32)
    of = () if given == "no" else ([p], [q])
    (gradient,) = measure("histogram")([X], [Y], *of)[1]
    for c in range(2):
        x, y, of = X[0, ..., c].ravel(), Y[0, ..., c].ravel(), (p.ravel(), q.ravel())
        expected = naive_shared_slopes(x.astype(np.float64), y.astype(np.float64), *of) / 2
        close(gradient[0, ..., c].ravel(), expected, 1e-3)


def test_a_large_picture_of_the_paintings_values_has_no_gradient():
    """Its 90000 values are the painting's in another order: each is its own quantile, to float32."""
    target = np.abs(layer(300, 300, 1))
    found = np.random.default_rng(1).permutation(target.ravel()).reshape(target.shape)
    (gradient,) = measure("histogram")([found], [target])[1]
    assert np.abs(gradient).max() * found.size / 2 < 1e-5 * target.max()  # |x - T(x)|


def test_what_lies_outside_a_region_is_no_quantile_of_it():
    """The painting's extremes outside its region, where the picture's tails are finer than the region."""
    target = layer(3, 6, seed=1)
    q = np.zeros((3, 6), np.float32)
    q[:, :2] = 1 / 6
    wild = np.where(q[..., None] > 0, target, 50 * target)
    found = [layer(6, 8)]
    expected = value("histogram", found, [target[:, :, :2]])
    assert value("histogram", found, [wild], None, [q]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("given", WEIGHTS)
def test_sliced_wasserstein(given):
    check("sliced_wasserstein", naive_sliced(3), *pair(given), rel=3e-4)


def test_sliced_wasserstein_along_a_few_directions():
    check("sliced_wasserstein", naive_sliced(2), *pair(), text="projections=2", rel=3e-4)


def test_all_directions_are_enough():
    found, target = pair()
    expected = value("sliced_wasserstein", found, target)
    assert value("sliced_wasserstein", found, target, text="projections=9") == pytest.approx(expected)


def test_random_directions_are_as_random_in_another_frame():
    """The mean over the directions does not move when the channels are rotated; one draw does."""
    found, target = flat(layer(4, 5)), flat(layer(3, 6, seed=1)) * [1, 2, 0.5]
    Q = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]

    def mean(X, Y):
        X, Y = (jnp.asarray(Z, jnp.float32)[None, None] for Z in (X, Y))

        def loss(key):
            values, target = (transport.sliced_values(Z, Positions(key=key)) for Z in (X, Y))
            return transport.transport_distance(values, transport.sort_columns(target), 3)

        return np.asarray(jax.jit(jax.vmap(loss))(jax.random.split(jax.random.key(0), 1000)))

    straight, turned = mean(found, target), mean(found @ Q, target @ Q)
    assert straight.std() > 0.05 * straight.mean()
    assert turned.mean() == pytest.approx(straight.mean(), rel=0.01)


def test_layers_of_one_position():
    """The values themselves, squared."""
    X, Y = layer(1, 1), layer(1, 1, seed=1)
    expected = ((X - Y).astype(np.float64) ** 2).sum() / 3
    for name in ("moments", "moments_k", "histogram", "sliced_wasserstein", "wasserstein_gaussian"):
        assert value(name, [X], [Y]) == pytest.approx(expected, rel=1e-4), name


def test_a_shift_is_as_far_as_it_is_long():
    """Any distribution against itself moved by v: the mean of v_c^2, whatever the directions."""
    target, v = layer(), np.array([0.5, -1.0, 2.0], np.float32)
    for name in ("histogram", "sliced_wasserstein", "wasserstein_gaussian"):
        found = value(name, [target + v], [target])
        assert found == pytest.approx((v**2).sum() / 3, rel=1e-3), name


# --- Gaussians


def naive_bures(floor):
    """|mu - mu'|^2 + tr(S + S' - 2 (S'^1/2 S S'^1/2)^1/2), each square root SciPy's."""

    @single
    def naive(X, Y, p, q):
        C, found = X.shape[1], []
        for Z, w in ((X, p), (Y, q)):
            mean = w @ Z
            covariance = floor * np.eye(C)
            for m in range(len(Z)):
                covariance += w[m] * np.outer(Z[m] - mean, Z[m] - mean)
            found.append((mean, covariance))
        (mu, S), (nu, T) = found
        root = sqrtm(T).real
        overlap = np.trace(sqrtm(root @ S @ root).real)
        return (((mu - nu) ** 2).sum() + np.trace(S) + np.trace(T) - 2 * overlap) / C

    return naive


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize("iterations", [0, 15])
def test_wasserstein_of_gaussians(given, iterations):
    text = f"floor=0.01,iterations={iterations}"
    check("wasserstein_gaussian", naive_bures(0.01), *pair(given), text=text, rel=1e-3)


def covariance(seed, spread=4.0, size=6):
    """Random axes, with eigenvalues from 1 to `spread`."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return (Q * np.geomspace(1, spread, size)) @ Q.T


@pytest.mark.parametrize("iterations", [0, 12])
def test_the_overlap_is_scipys(iterations):
    S, T = covariance(0), covariance(1)
    root = sqrtm(T)

    def naive(S):
        S = (S + S.T) / 2
        return np.trace(sqrtm(root @ S @ root).real)

    found, gradient = jax.jit(jax.value_and_grad(transport.overlap), static_argnums=2)(
        jnp.asarray(S, jnp.float32), jnp.asarray(root, jnp.float32), iterations
    )
    assert float(found) == pytest.approx(naive(S), rel=1e-5)
    close(np.asarray(gradient), slopes(naive, S), 1e-4)


def test_newton_schulz_is_the_square_root_and_its_inverse():
    S = covariance(2, spread=30)
    root, inverse = transport._newton_schulz(jnp.asarray(S, jnp.float32), 20)
    close(np.asarray(root), sqrtm(S).real, 1e-4)
    close(np.asarray(inverse), np.linalg.inv(sqrtm(S).real), 1e-4)
    close(np.asarray(transport._square_root(jnp.asarray(S, jnp.float32))), sqrtm(S).real, 1e-5)


@pytest.mark.parametrize("spread", [1e2, 1e4])
def test_eigenvalues_and_newton_schulz_agree_far_from_round(spread):
    """crowsonkb's 12 iterations reach smaller eigenvalues only in part; 30 reach them all."""
    S, T = (jnp.asarray(covariance(seed, spread), jnp.float32) for seed in (3, 4))
    root = transport._square_root(T)
    exact = float(transport.overlap(S, root, 0))
    assert float(transport.overlap(S, root, 30)) == pytest.approx(exact, rel=1e-3)


def test_a_gaussian_whose_covariance_is_not_full_is_near_itself():
    """Fewer positions than channels: most eigenvalues are 0, and float32 has only their rounding."""
    few = [5 * layer(2, 3, 16)]
    scale = float(few[0].var((1, 2)).mean())
    loss, (gradient,) = measure("wasserstein_gaussian")(few, few)
    assert abs(float(loss)) < 1e-4 * scale
    far = measure("wasserstein_gaussian")([2 * few[0]], few)[1][0]
    assert np.abs(gradient).max() < 2e-3 * np.abs(far).max()


def test_without_a_floor_the_relative_distance_has_no_scale():
    found, target = pair()
    of = {"normalization": "relative", "text": "floor=0.0"}
    expected = value("wasserstein_gaussian", found, target, **of)
    again = value("wasserstein_gaussian", [100 * found[0]], [100 * target[0]], **of)
    assert again == pytest.approx(expected, rel=1e-4)
